/**
 * The time between SIGTERM and SIGKILL.
 */
import type { Flags } from './arguments.js';
import { shownDuration } from './durations.js';
import { UsageError } from './exit.js';

const DEFAULT_GRACE = 2000;

/**
 * SIGTERM is sent this long before the deadline, so the grace must be shorter than the time left at each renewal. A
 * lock is renewed every third of its ttl, with a safety margin of a tenth: a grace of more than a third would leave no
 * time for a late renewal.
 */
export function graceOf(flags: Flags, ttl: number): number {
  const grace = flags.duration('grace');
  if (grace === undefined) return Math.min(DEFAULT_GRACE, ttl / 5);
  if (grace <= ttl / 3) return grace;
  throw new UsageError(
    `--grace ${shownDuration(grace)} is more than a third of the ttl of ${shownDuration(ttl)}: ` +
      `the command would be ended at each late renewal. Give --ttl ${shownDuration(grace * 3)} with it.`,
  );
}
