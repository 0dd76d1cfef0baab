/**
 * A process that stands still: a blocked event loop, a SIGSTOP, a long pause of the garbage collector.
 */
import { NEVER, Subscription, concatMap, defer, map, of, timer } from 'rxjs';
import type { MonoTypeOperatorFunction, Observable, SchedulerAction, SchedulerLike } from 'rxjs';
import { decorate } from '../backend/decorate.js';
import type { LockBackend } from '../backend/port.js';

/** A scheduler whose timers can be made late, while its clock runs on. */
export interface StallableScheduler extends SchedulerLike {
  /**
   * For `ms` milliseconds no scheduled work runs; work that is due meanwhile runs at the end. `Infinity`: it never
   * runs.
   */
  stall(ms: number): void;
  /** Holds back messages that arrive during a stall, and delivers them at its end, in order. */
  hears<T>(): MonoTypeOperatorFunction<T>;
}

/** @param base the scheduler that gives the time, such as a TestScheduler */
export function stallable(base: SchedulerLike): StallableScheduler {
  let stalledUntil = -Infinity;

  /** Not a timer for `Infinity`: a virtual scheduler would advance to it. */
  const awake = (): Observable<unknown> => {
    if (stalledUntil === Infinity) return NEVER;
    return stalledUntil > base.now() ? timer(stalledUntil - base.now(), base) : of(0);
  };

  return {
    now: () => base.now(),
    schedule<T>(work: (this: SchedulerAction<T>, state: T) => void, delay?: number, state?: T): Subscription {
      const running = new Subscription();
      running.add(
        base.schedule<T>(
          function (given) {
            const late = stalledUntil - base.now();
            if (late === Infinity) return;
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
    hears: () => concatMap((message) => defer(awake).pipe(map(() => message))),
  };
}

/** The backend, whose answers reach the process only while it does not stand still. */
export const heardBy = (process: StallableScheduler, backend: LockBackend): LockBackend =>
  decorate(backend, (source$) => source$.pipe(process.hears()));
