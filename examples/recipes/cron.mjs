/**
 * Cron on N instances: each has the same schedule, and each tick is done once. The tick is in the key, so it does not
 * matter whose clock is late; an instance that starts later than the tick was done finds that it is done.
 */
import { EMPTY, catchError, defer, map, mergeMap, retry, throwError, timer } from 'rxjs';
import { runOnce } from 'rxlock';

/** Longer than the clocks of the fleet differ, and than a job takes. */
const KEEP = 24 * 3600_000;

/** The lock was lost in the middle of the run, or the server did not answer for a while: the tick is not done yet. */
const isPassing = ({ code, retryable }) => code === 'LOCK_LOST' || (code === 'BACKEND' && retryable);

export function every$(ms, locks, job, { now = Date.now, failed = console.error } = {}) {
  return defer(() => timer(ms - (now() % ms), ms)).pipe(
    map(() => Math.round(now() / ms) * ms),
    mergeMap((tick) => {
      const once = locks.once(`report/${new Date(tick).toISOString()}`, { keep: KEEP });
      const isDue = () => now() - tick < ms;
      return runOnce(once, (held) => job(tick, held)).pipe(
        retry({ delay: (error) => (isPassing(error) && isDue() ? timer(ms / 10) : throwError(() => error)) }),
        // `runOnce` ends with the error of the job. The schedule goes on.
        catchError((error) => {
          failed(`the tick of ${new Date(tick).toISOString()} failed`, error);
          return EMPTY;
        }),
      );
    }),
  );
}
