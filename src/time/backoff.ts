/**
 * How long to pause before the next attempt. Pure; milliseconds.
 */

/**
 * How long to pause before attempt number `failures + 1`: doubling from 50 ms to a second. Half of it is random, so
 * that clients that failed together do not retry together. Shorter for short leases; in whole milliseconds, as timers
 * are.
 */
export function backoff(failures: number, ttl: number, random: () => number): number {
  const longest = Math.min(1000, ttl / 6);
  const pause = Math.min(longest, Math.min(50, ttl / 50) * 2 ** Math.max(0, failures - 1));
  return Math.ceil(pause * (0.5 + random() / 2));
}
