/**
 * A process that stands still: a blocked event loop, a SIGSTOP, a long pause of the garbage collector.
 */
import { Subscription, concatMap, defer, map, of, timer } from 'rxjs';
import type { MonoTypeOperatorFunction, SchedulerAction, SchedulerLike } from 'rxjs';
import type { LockBackend, Others, Together } from '../core/port.js';

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
export const heardBy = (process: StallableScheduler, backend: LockBackend): LockBackend => ({
  ...backend,
  ...(backend.queues && heardQueues(process, backend.queues)),
  ...(backend.together && { together: heardTogether(process, backend.together) }),
  ...(backend.proclaim && { proclaim: heardProclaim(process, backend.proclaim) }),
  ...(backend.others && { others: heardOthers(process, backend.others) }),
  grant: (lease, within) => backend.grant(lease, within).pipe(process.hears()),
  renew: (lease, within) => backend.renew(lease, within).pipe(process.hears()),
  revoke: (lease, within) => backend.revoke(lease, within).pipe(process.hears()),
  enter: (claim, within, look) => backend.enter(claim, within, look).pipe(process.hears()),
  leave: (claim, entered, within, heir) => backend.leave(claim, entered, within, heir).pipe(process.hears()),
  queue: (key, within, from) => backend.queue(key, within, from).pipe(process.hears()),
  audit: (lease, within) => backend.audit(lease, within).pipe(process.hears()),
  probe: (within) => backend.probe(within).pipe(process.hears()),
});

const heardQueues = (
  process: StallableScheduler,
  queues: NonNullable<LockBackend['queues']>,
): Pick<LockBackend, 'queues'> => ({ queues: (prefix, within) => queues(prefix, within).pipe(process.hears()) });

const heardTogether = (process: StallableScheduler, { most, enter, leave }: Together): Together => ({
  most,
  enter: (claims, within) => enter(claims, within).pipe(process.hears()),
  leave: (claims, entered, within) => leave(claims, entered, within).pipe(process.hears()),
});

type Proclaim = NonNullable<LockBackend['proclaim']>;

const heardProclaim =
  (process: StallableScheduler, proclaim: Proclaim): Proclaim =>
  (claim, mine, value, within) =>
    proclaim(claim, mine, value, within).pipe(process.hears());

const heardOthers = (process: StallableScheduler, { ask, remove }: Others): Others => ({
  ask: (key, claim, revocation, within) => ask(key, claim, revocation, within).pipe(process.hears()),
  remove: (key, claim, within) => remove(key, claim, within).pipe(process.hears()),
});
