/**
 * A process that stands still: a blocked event loop, a SIGSTOP, a long pause of the garbage collector.
 */
import { Subscription, concatMap, defer, map, of, timer } from 'rxjs';
import type { MonoTypeOperatorFunction, SchedulerAction, SchedulerLike } from 'rxjs';
import type { ForeignClaims, QueueBackend } from '../backend/port.js';

/** A scheduler whose timers can be made late, while its clock runs on. */
export interface StallableScheduler extends SchedulerLike {
  /** Nothing scheduled here runs for so long, milliseconds; what is due meanwhile runs at the end of it. */
  stall(ms: number): void;
  /** What arrives meanwhile is heard at the end of it, in order. */
  hears<T>(): MonoTypeOperatorFunction<T>;
}

/** @param base where time itself comes from, such as a TestScheduler */
export function stallable(base: SchedulerLike): StallableScheduler {
  let stalledUntil = -Infinity;

  return {
    now: () => base.now(),
    schedule<T>(work: (this: SchedulerAction<T>, state: T) => void, delay?: number, state?: T): Subscription {
      const running = new Subscription();
      running.add(
        base.schedule<T>(
          function (given) {
            const late = stalledUntil - base.now();
            if (late > 0) running.add(this.schedule(given, late));
            else work.call(this, given as T);
          },
          delay,
          state,
        ),
      );
      return running;
    },
    stall: (ms) => {
      stalledUntil = Math.max(stalledUntil, base.now() + ms);
    },
    hears: () =>
      concatMap((message) =>
        defer(() => (stalledUntil > base.now() ? timer(stalledUntil - base.now(), base) : of(0))).pipe(
          map(() => message),
        ),
      ),
  };
}

/** The backend, as a process that may stand still hears its answers. */
export const heardBy = (process: StallableScheduler, backend: QueueBackend): QueueBackend => ({
  ...backend,
  ...(backend.queues && heardQueues(process, backend.queues)),
  ...(backend.proclaim && { proclaim: heardProclaim(process, backend.proclaim) }),
  ...(backend.others && { others: heardOthers(process, backend.others) }),
  grant: (lease, timeout) => backend.grant(lease, timeout).pipe(process.hears()),
  renew: (lease, timeout) => backend.renew(lease, timeout).pipe(process.hears()),
  revoke: (lease, timeout) => backend.revoke(lease, timeout).pipe(process.hears()),
  enqueue: (claims, timeout, mode) => backend.enqueue(claims, timeout, mode).pipe(process.hears()),
  dequeue: (claims, queued, timeout, successor) =>
    backend.dequeue(claims, queued, timeout, successor).pipe(process.hears()),
  queue: (key, timeout, from) => backend.queue(key, timeout, from).pipe(process.hears()),
  audit: (lease, timeout) => backend.audit(lease, timeout).pipe(process.hears()),
  probe: (timeout) => backend.probe(timeout).pipe(process.hears()),
});

const heardQueues = (
  process: StallableScheduler,
  queues: NonNullable<QueueBackend['queues']>,
): Pick<QueueBackend, 'queues'> => ({ queues: (prefix, timeout) => queues(prefix, timeout).pipe(process.hears()) });

type Proclaim = NonNullable<QueueBackend['proclaim']>;

const heardProclaim =
  (process: StallableScheduler, proclaim: Proclaim): Proclaim =>
  (claim, mine, value, timeout) =>
    proclaim(claim, mine, value, timeout).pipe(process.hears());

const heardOthers = (process: StallableScheduler, { ask, remove }: ForeignClaims): ForeignClaims => ({
  ask: (key, claim, revocation, timeout) => ask(key, claim, revocation, timeout).pipe(process.hears()),
  remove: (key, claim, timeout) => remove(key, claim, timeout).pipe(process.hears()),
});
