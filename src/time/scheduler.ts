/**
 * Which schedulers make time themselves, and which only pass on the machine's.
 */
import type { SchedulerLike } from 'rxjs';

/** How far apart two readings of the wall clock may be that are taken one after another, milliseconds. */
const SAME_CLOCK_MS = 1000;

/**
 * Whether the scheduler is the clock: RxJS's VirtualTimeScheduler and TestScheduler, from whatever copy of RxJS, and
 * what is made of them. A scheduler that reads as the machine's wall clock or its monotonic clock is not.
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
 * their timers are those of the machine, but keep the process alive.
 */
export const isOfRxjs = (scheduler: SchedulerLike): boolean => 'flush' in scheduler && 'actions' in scheduler;
