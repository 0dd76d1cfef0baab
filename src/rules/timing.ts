/**
 * The arithmetic of a lease: deadlines, margins, budgets. Pure; all milliseconds.
 */
import type { TimingOptions } from '../api/options.js';

/** How a lease of a granted TTL is kept alive. */
export interface Timing {
  readonly ttl: number;
  /** How long before the server's deadline ours is: for clock rate error, slow timers, the last message on its way. */
  readonly margin: number;
  /** From one send to the next. */
  readonly renewEvery: number;
  /** How long one attempt may take before the next one goes out: several fit a ttl. */
  readonly attempt: number;
  /** Options that did not fit the granted TTL, with what is used instead. */
  readonly clamped: readonly string[];
}

/** The timing of a lease granted for `ttl`. Options that do not fit are clamped, with a note, since the server chooses the TTL. */
export function timingOf(ttl: number, options: TimingOptions): Timing {
  const clamped: string[] = [];
  const fit = (name: string, wanted: number, most: number): number => {
    if (wanted <= most) return wanted;
    clamped.push(`${name} ${wanted} ms does not fit the granted ttl of ${ttl} ms: ${most} ms is used`);
    return most;
  };
  const margin = fit('safetyMargin', options.safetyMargin ?? Math.max(250, ttl / 10), ttl / 2);
  const renewEvery = fit('renewEvery', options.renewEvery ?? ttl / 3, (ttl - margin) * 0.75);
  return { ttl, margin, renewEvery, attempt: ttl / 6, clamped };
}

/** The instant from which the server may give our lease away, by our own clock, minus the margin. */
export const deadline = (sentAt: number, { ttl, margin }: Timing): number => sentAt + ttl - margin;
