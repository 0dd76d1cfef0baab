/**
 * How long a command has from SIGTERM to SIGKILL.
 */
import type { Flags } from './arguments.js';
import { shownDuration } from './durations.js';
import { UsageError } from './exit.js';

const DEFAULT_GRACE = 2000;

/**
 * It begins that long before the deadline, so it must be shorter than what is left of a lock at each renewal, which comes
 * every third of a ttl, with a safety margin of a tenth: more than a third would leave no time for a renewal that is late.
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
