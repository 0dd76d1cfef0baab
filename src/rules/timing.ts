/**
 * The arithmetic of a lease: deadline, margin, renewal, timeout. Pure; all in milliseconds.
 */
import type { TimingOptions } from '../api/options.js';

/** How a lease with a granted TTL is kept alive. */
export interface Timing {
  readonly ttl: number;
  /**
   * How long our deadline is before the server's. Covers different clock rates, slow timers and a message that is still
   * on its way.
   */
  readonly margin: number;
  /** From the send of one renewal to the send of the next. */
  readonly renewEvery: number;
  /** How long an attempt may take before the next one is sent: several fit into a ttl. */
  readonly attempt: number;
  /** Sentences about options that did not fit the granted TTL, with the values that are used instead. */
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

/** Our deadline, on our own clock: the earliest instant at which the server may end the lease, minus the margin. */
export const deadline = (sentAt: number, { ttl, margin }: Timing): number => sentAt + ttl - margin;
