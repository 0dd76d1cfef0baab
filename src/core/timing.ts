/**
 * The arithmetic of a lease: deadlines, margins, budgets. Pure; all milliseconds.
 */

/** What the user asked for, or left to the defaults. */
export interface TimingOptions {
  readonly renewEvery: number | undefined;
  readonly safetyMargin: number | undefined;
}

/** How a lease of a granted TTL is kept alive. */
export interface Timing {
  readonly ttl: number;
  /** Kept between our deadline and the server's: for clock rate error, slow timers, the way of the last message. */
  readonly margin: number;
  /** From one send to the next. */
  readonly renewEvery: number;
  /** How long one attempt may take before the next one goes out. */
  readonly attempt: number;
  /** Options that did not fit the granted TTL, with what is used instead. */
  readonly clamped: readonly string[];
}

/** How long an attempt may take, in milliseconds: so several fit a ttl. */
export const attemptOf = (ttl: number): number => ttl / 6;

/** The timing of a lease granted for `ttl`. What does not fit is clamped and said, not refused: the server decides. */
export function timingOf(ttl: number, options: TimingOptions): Timing {
  const clamped: string[] = [];
  const fit = (name: string, wanted: number, most: number): number => {
    if (wanted <= most) return wanted;
    clamped.push(`${name} ${wanted} ms does not fit the granted ttl of ${ttl} ms: ${most} ms is used`);
    return most;
  };
  const margin = fit('safetyMargin', options.safetyMargin ?? Math.max(250, ttl / 10), ttl / 2);
  const renewEvery = fit('renewEvery', options.renewEvery ?? ttl / 3, (ttl - margin) * 0.75);
  return { ttl, margin, renewEvery, attempt: attemptOf(ttl), clamped };
}

/** The instant from which the server may give our lease away, by our own clock, minus the margin. */
export const deadline = (sentAt: number, { ttl, margin }: Timing): number => sentAt + ttl - margin;

/**
 * How long to pause before attempt number `failures + 1`: doubling from 50 ms to a second, half of it random so that
 * clients that failed together do not come back together. Shorter for short leases, which have less time to lose; whole
 * milliseconds, as timers are.
 */
export function backoff(failures: number, ttl: number, random: () => number): number {
  const longest = Math.min(1000, ttl / 6);
  const pause = Math.min(longest, Math.min(50, ttl / 50) * 2 ** Math.max(0, failures - 1));
  return Math.ceil(pause * (0.5 + random() / 2));
}
