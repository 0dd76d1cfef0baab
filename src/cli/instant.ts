/**
 * An instant that can be sent to another process of the same machine.
 */
import { uptime } from 'node:os';
import { asyncScheduler, defer, filter, repeat, take, timer } from 'rxjs';
import type { Observable } from 'rxjs';

/**
 * An instant on two clocks of the machine, milliseconds. The clock that reaches it first decides, since one of them
 * stands still during sleep.
 */
export interface Instant {
  /** CLOCK_MONOTONIC of Linux, which is the same for all processes. */
  readonly monotonic: number;
  /** The boot-time clock counts the sleep of the machine, in steps of 10 ms. */
  readonly boot: number;
}

/** The monotonic clock, milliseconds; it stands still while the machine sleeps. */
export const monotonic = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;
const boot = (): number => uptime() * 1000;

/**
 * The instant that is `left()` milliseconds away. The clocks are read first: if the process is stopped in between, the
 * result is too early, never too late.
 */
export function instantIn(left: () => number): Instant {
  const [m, b] = [monotonic(), boot()];
  const ms = left();
  return { monotonic: m + ms, boot: b + ms };
}

const leftUntil = (instant: Instant): number => Math.min(instant.monotonic - monotonic(), instant.boot - boot());

export const earlier = (instant: Instant, ms: number): Instant => ({
  monotonic: instant.monotonic - ms,
  boot: instant.boot - ms,
});

/** Milliseconds between two looks at the clock: timers stand still while the machine sleeps. */
const LOOK_EVERY = 250;

/** Emits once when the instant has come. */
export const at = (instant: Instant): Observable<unknown> =>
  defer(() => timer(Math.min(Math.max(Math.ceil(leftUntil(instant)), 0), LOOK_EVERY))).pipe(
    repeat(),
    filter(() => leftUntil(instant) <= 0),
    take(1),
  );

/** The wall clock, milliseconds: for display, never for deadlines. */
export const wallClock = (): number => asyncScheduler.now();
