/**
 * An instant that two processes of one machine read alike, to be sent from one to the other.
 */
import { uptime } from 'node:os';
import { asyncScheduler, defer, filter, repeat, take, timer } from 'rxjs';
import type { Observable } from 'rxjs';

/** Milliseconds on two clocks of the machine. Whichever reaches its mark first decides: one of them stands still in sleep. */
export interface Instant {
  /** CLOCK_MONOTONIC of Linux, the same for all processes. */
  readonly monotonic: number;
  /** The boot-time clock counts the sleep of the machine, in steps of 10 ms. */
  readonly boot: number;
}

/** Milliseconds; stands still while the machine sleeps. */
export const monotonic = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;
const boot = (): number => uptime() * 1000;

/** The instant that comes in `left()` milliseconds. Stopped on the way, it comes out early rather than late. */
export function instantIn(left: () => number): Instant {
  const [m, b] = [monotonic(), boot()];
  const ms = left();
  return { monotonic: m + ms, boot: b + ms };
}

export const leftUntil = (instant: Instant): number => Math.min(instant.monotonic - monotonic(), instant.boot - boot());

export const earlier = (instant: Instant, ms: number): Instant => ({
  monotonic: instant.monotonic - ms,
  boot: instant.boot - ms,
});

/** How long a sleep of the machine may go unnoticed: timers stand still with it. */
const LOOK_EVERY = 250;

/** Emits once when the instant has come. */
export const at = (instant: Instant): Observable<unknown> =>
  defer(() => timer(Math.min(Math.max(Math.ceil(leftUntil(instant)), 0), LOOK_EVERY))).pipe(
    repeat(),
    filter(() => leftUntil(instant) <= 0),
    take(1),
  );

/** The calendar's idea of now, in milliseconds: to be shown, never to be calculated deadlines with. */
export const wallClock = (): number => asyncScheduler.now();
