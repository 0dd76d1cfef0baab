/**
 * What the models of other clients have in common: processes that can be cut off, frozen and killed, requests to a
 * server, the work under the lock with its counter.
 */
import type { SchedulerLike, Subscription } from 'rxjs';
import { VirtualTimeScheduler } from 'rxjs';
import { stallable } from '../../../src/testing/stalls.js';
import type { StallableScheduler } from '../../../src/testing/stalls.js';
import { THINKING, counterOf, createCounters, isExclusive } from './counters.js';
import type { Counters } from './counters.js';
import type { Contention, Incarnation, Program, Step } from './program.js';
import { newHold } from './trace.js';
import type { Ending, HoldDraft, QueueView, Trace } from './trace.js';

export interface ModelProcess {
  readonly id: string;
  readonly scheduler: StallableScheduler;
  /** Runs something in the process, later. */
  after(ticks: number, work: () => void): Subscription;
  /** Sends a request; the reply is heard unless one of the two gets lost. */
  ask<T>(request: () => T, reply: (answer: T) => void): void;
  readonly link: { isCut: boolean; delay: number };
}

/** A contention as a model runs it. */
export interface ModelContender {
  readonly contention: Contention;
  readonly process: ModelProcess;
  readonly hold: HoldDraft;
  /** Whether it is over; then nothing more is done for it. */
  isOver(): boolean;
  end(ending: Ending, code?: string): void;
}

/** What a model is: how it contends, and how it gives up what it wants or holds. */
export interface Model {
  contend(contender: ModelContender): void;
  leave(contender: ModelContender): void;
  /** The server ends the lease of whoever holds the key. */
  expire(key: string): void;
}

export interface World {
  readonly scheduler: SchedulerLike;
  readonly program: Program;
  /** From when to when the queue or the slot of a key looks as it is given. */
  show(view: Omit<QueueView, 'at'>): void;
  /** Begins to work under the lock, which takes as long as the contention says; then `done` is called. */
  work(contender: ModelContender, token: string | undefined, done: () => void): void;
}

/** Runs the program on a model. The models know mutexes alone, and take one key after another. */
export function runModel(client: Trace['client'], program: Program, make: (world: World) => Model): Trace {
  const { end, latency } = program.schedule;
  const scheduler = new VirtualTimeScheduler(undefined, end);
  const counters = createCounters(scheduler, end);
  const queues: QueueView[] = [];
  const processes = new Map(program.processes.map(({ id }) => [id, createProcess(id, scheduler, latency)]));

  const model = make({
    scheduler,
    program,
    show: (view) => queues.push({ at: scheduler.now(), ...view }),
    work: (contender, token, done) => work(contender, token, done, counters, latency),
  });

  const contenders = program.contentions.map(triedOnce).flatMap((contention): ModelContender[] => {
    const process = processes.get(contention.process.id);
    return process ? [createContender(contention, process, scheduler)] : [];
  });
  const step = (taken: Step): void => {
    if (taken.verb === 'expire') return model.expire(taken.key);
    const process = processes.get(taken.process.id);
    if (process) applyStep(process, taken);
    if (taken.verb === 'kill') {
      for (const contender of contenders)
        if (contender.contention.process.id === taken.process.id) contender.end('killed');
    }
  };
  for (const taken of program.steps) scheduler.schedule(() => step(taken), taken.at);
  for (const contender of contenders) {
    const { at, leaveAt } = contender.contention;
    scheduler.schedule(() => model.contend(contender), at);
    if (leaveAt !== undefined) {
      scheduler.schedule(() => {
        if (contender.isOver()) return;
        model.leave(contender);
        contender.end('left');
      }, leaveAt);
    }
  }
  scheduler.flush();
  const holds = contenders.map(({ hold }) => hold);
  return { client, holds, notes: [], queues, leases: [], marks: [], writes: counters.writes };
}

/** What a cron does that has a lock and no marker: it tries once, and skips what is taken. */
const triedOnce = (contention: Contention): Contention =>
  contention.kind === 'once' ? { ...contention, wait: contention.wait ?? 0 } : contention;

function createProcess(id: Incarnation['id'], base: SchedulerLike, latency: number): ModelProcess {
  const scheduler = stallable(base);
  const link = { isCut: false, delay: 0 };
  return {
    id,
    scheduler,
    link,
    after: (ticks, work) => scheduler.schedule(work, ticks),
    ask(request, reply) {
      if (link.isCut) return;
      base.schedule(() => {
        const answer = request();
        base.schedule(() => {
          if (!link.isCut) scheduler.schedule(() => reply(answer));
        }, latency + link.delay);
      }, latency);
    },
  };
}

function applyStep({ link, scheduler }: ModelProcess, step: Exclude<Step, { verb: 'expire' }>): void {
  if (step.verb === 'cut' || step.verb === 'kill') link.isCut = true;
  if (step.verb === 'heal') link.isCut = false;
  if (step.verb === 'delay') link.delay = step.amount;
  if (step.verb === 'freeze') scheduler.stall(step.amount);
  if (step.verb === 'kill') scheduler.stall(Infinity);
}

function createContender(contention: Contention, process: ModelProcess, scheduler: SchedulerLike): ModelContender {
  const hold = newHold(contention);
  return {
    contention,
    process,
    hold,
    isOver: () => hold.ending !== 'open',
    end(ending, code) {
      if (hold.ending !== 'open') return;
      hold.ending = ending;
      hold.code = code;
      hold.endedAt = scheduler.now();
      if (hold.heldAt !== undefined) hold.stoppedAt ??= scheduler.now();
    },
  };
}

function work(
  contender: ModelContender,
  token: string | undefined,
  done: () => void,
  counters: Counters,
  latency: number,
): void {
  const { contention, process, hold } = contender;
  const key = counterOf(contention);
  hold.heldAt = process.scheduler.now();
  hold.token = token;
  const isOver = (): boolean => hold.stoppedAt !== undefined;
  const count = (): void => {
    const read = counters.read(key);
    process.after(THINKING, () => {
      if (isOver()) return;
      const travel = latency + process.link.delay;
      // Sent without a token: these clients hand out none, or their users do not send it.
      counters.write({ key, process: process.id, token: undefined, read, travel }, () => {
        process.after(travel, () => {
          if (!isOver()) count();
        });
      });
    });
  };
  if (isExclusive(contention)) count();
  process.after(contention.work, () => {
    if (isOver()) return;
    hold.stoppedAt = process.scheduler.now();
    done();
  });
}
