/**
 * Clients of one server, in a time that passes when it is told to: for what ends in promises, which marbles do not see.
 */
import { VirtualTimeScheduler } from 'rxjs';
import type { LockEvent, LocksOptions } from '../../src/index.js';
import { lockServer } from '../../src/testing/index.js';
import type { LockServerOptions, TestClient } from '../../src/testing/index.js';
import { SLOW, TIMES } from './marbles.js';

export interface PassingWorld {
  client(options?: LocksOptions): TestClient;
  /** All due meanwhile runs, then the promises that it settled. */
  pass(ms: number): Promise<void>;
}

export function passing(options: LockServerOptions = {}): PassingWorld {
  const scheduler = new VirtualTimeScheduler(undefined, 0);
  const server = lockServer(scheduler, options);
  const times = options.latency === undefined ? TIMES : SLOW;
  return {
    client: (more) => server.client({ ...times, ...more }),
    async pass(ms) {
      scheduler.maxFrames += ms;
      scheduler.schedule(() => undefined, scheduler.maxFrames - scheduler.now());
      scheduler.flush();
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    },
  };
}

/** What has become of a promise so far. */
export const fateOf = (promise: Promise<unknown>): { is: string; of?: unknown } => {
  const fate: { is: string; of?: unknown } = { is: 'pending' };
  promise.then(
    (value) => Object.assign(fate, { is: 'resolved', of: value }),
    (error: unknown) => Object.assign(fate, { is: 'rejected', of: error }),
  );
  return fate;
};

/** All that is reported from now on. */
export const reportsOf = ({ events$ }: Pick<TestClient, 'events$'>): LockEvent[] => {
  const reports: LockEvent[] = [];
  events$.subscribe((event) => reports.push(event));
  return reports;
};
