/**
 * Tells schedulers of virtual time from those of real time.
 */
import type { SchedulerLike } from 'rxjs';

/** Two readings of the wall clock, one right after the other, differ by less than this. Milliseconds. */
const SAME_CLOCK_MS = 1000;

/**
 * Whether the scheduler has a virtual time: RxJS's VirtualTimeScheduler and TestScheduler, of any copy of RxJS, and
 * those derived from them. A scheduler whose `now()` is the wall clock or the monotonic clock of the machine has not.
 */
export function isVirtual(scheduler: SchedulerLike): boolean {
  if ('frame' in scheduler) return true;
  const monotonic = performance.now();
  const now = scheduler.now();
  if (now >= monotonic && now <= performance.now()) return false;
  return Math.abs(now - Date.now()) > SAME_CLOCK_MS;
}

/**
 * Whether it is one of RxJS's own (`asyncScheduler`, `asapScheduler`, `queueScheduler`, `animationFrameScheduler`):
 * they use timers of the machine, which would keep the process alive.
 */
export const isOfRxjs = (scheduler: SchedulerLike): boolean => 'flush' in scheduler && 'actions' in scheduler;
