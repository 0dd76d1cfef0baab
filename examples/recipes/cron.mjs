/**
 * Cron on N instances: each has the same schedule, and each tick is done once. The tick is in the key, so it does not
 * matter whose clock is late; who starts later than the tick was done finds that it is done.
 */
import { defer, map, mergeMap, timer } from 'rxjs';
import { runOnce } from 'rxlock';

/** Longer than the clocks of the fleet differ, and than a job takes. */
const KEEP = 24 * 3600_000;

export function every$(ms, locks, job, now = Date.now) {
  return defer(() => timer(ms - (now() % ms), ms)).pipe(
    map(() => Math.round(now() / ms) * ms),
    mergeMap((tick) => {
      const once = locks.once(`report/${new Date(tick).toISOString()}`, { keep: KEEP });
      return runOnce(once, (held) => job(tick, held));
    }),
  );
}
