/**
 * Whether the wall clock of this machine jumps.
 */
import { interval } from 'rxjs';
import { monotonic, wallClock } from './instant.js';

export interface ClockWatch {
  /** Ends the watch. Returns the largest jumps, milliseconds: ahead and back. */
  stop(): { readonly ahead: number; readonly back: number };
}

const LOOK_EVERY = 20;

/** Compares the wall clock with the monotonic clock, which cannot be set, until stopped. */
export function watchClock(): ClockWatch {
  let lead = wallClock() - monotonic();
  let [ahead, back] = [0, 0];
  const look = (): void => {
    const now = wallClock() - monotonic();
    ahead = Math.max(ahead, now - lead);
    back = Math.max(back, lead - now);
    lead = now;
  };
  const looking = interval(LOOK_EVERY).subscribe(look);
  return {
    stop: () => {
      look();
      looking.unsubscribe();
      return { ahead, back };
    },
  };
}
