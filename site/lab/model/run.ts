/**
 * All that the lab shows of a schedule: three clients, the same faults.
 */
import { runLateLease } from './late-lease.js';
import { outcomeOf } from './outcome.js';
import type { Outcome } from './outcome.js';
import { programOf } from './program.js';
import type { Program } from './program.js';
import { runRxlock } from './run-rxlock.js';
import type { RxlockRun } from './run-rxlock.js';
import type { Schedule } from './schedule.js';
import { runSetNx } from './set-nx.js';
import type { Client, Trace } from './trace.js';

export interface LabRun {
  readonly program: Program;
  readonly rxlock: RxlockRun;
  readonly traces: Readonly<Record<Client, Trace>>;
  readonly outcomes: Readonly<Record<Client, Outcome>>;
}

export function runLab(schedule: Schedule): LabRun {
  const program = programOf(schedule);
  const rxlock = runRxlock(program);
  const traces = { rxlock: rxlock.trace, 'set-nx': runSetNx(program), 'late-lease': runLateLease(program) };
  const outcome = (client: Client): Outcome => outcomeOf(traces[client], schedule.end);
  return {
    program,
    rxlock,
    traces,
    outcomes: { rxlock: outcome('rxlock'), 'set-nx': outcome('set-nx'), 'late-lease': outcome('late-lease') },
  };
}
