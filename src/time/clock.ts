/**
 * The one file that touches real time. Everything else gets a {@link Time} and asks it.
 */
import { platform } from '#platform';
import { Observable, Subscription, map, mergeMap, of, take, timer } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { isOfRxjs, isVirtual } from './scheduler.js';

/** Reads the time, in milliseconds since an arbitrary but fixed instant. */
export interface Clock {
  now(): number;
}

/** Now and later, as the engine sees them. */
export interface Time extends Clock {
  /** The calendar's idea of now: to be shown, never to be calculated with. */
  date(): Date;
  /** Emits once, `ms` milliseconds from the subscription, and completes. Never keeps the process alive by itself. */
  after(ms: number): Observable<0>;
  /** Keeps the process alive until unsubscribed: for as long as somebody holds or waits. */
  awake(): Subscription;
}

/** What a {@link sleepProofClock} reads, in milliseconds each. */
export interface ClockSources {
  /** Never set back, but stands still while the machine sleeps (CLOCK_MONOTONIC). */
  monotonic(): number;
  /** Counts sleep, but people and NTP may set it. */
  wall(): number;
  /** Counts sleep and cannot be set, but is coarse (10 ms) and a hundred times dearer to read. */
  boot(): number;
}

const machine: ClockSources = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  boot: platform.bootTime ?? (() => performance.now()),
};

/**
 * How far a source must lead the monotonic clock before the lead counts as time gone by. Above the 10 ms grain of
 * the boot clock, far below the smallest safety margin (250 ms). Without it, rounding alone would be added up at
 * every reading: a 1 ms wall clock read ten times a millisecond would run nearly twice too fast.
 */
const CLOCK_NOISE_MS = 25;

/** Far below the smallest safety margin as well, and the boot clock would cost a twentieth of a short cycle if read each millisecond. */
const COMPARE_EVERY_MS = 10;

/**
 * A clock that misses no sleep: it runs with the monotonic clock and adds whatever the wall or the boot clock gained
 * on it since they last agreed. It never goes back. A wall clock set back changes nothing, one that jumps ahead
 * counts as time gone by: that may cost a lock, never safety.
 *
 * @example
 * const clock = sleepProofClock();
 * const started = clock.now();
 * console.log(`took ${clock.now() - started} ms, sleep included`);
 */
export function sleepProofClock(sources: ClockSources = machine): Clock {
  let monotonic = sources.monotonic();
  let wall = sources.wall();
  let wallLead = wall - monotonic;
  let bootLead = sources.boot() - monotonic;
  let asleep = 0;
  /** When all three were read last. */
  let compared = monotonic;

  return {
    now() {
      const lastWall = wall;
      const early = Math.max(monotonic, sources.monotonic());
      wall = sources.wall();
      const wallStep = wall - lastWall;
      // Two clocks agree that nothing happened: spare the dear third one. For a moment only, since a wall clock set
      // back by just as long as the machine slept would make them agree, too.
      if (early - compared < COMPARE_EVERY_MS && wallStep >= 0 && wallStep <= COMPARE_EVERY_MS + 1) {
        monotonic = early;
        return monotonic + asleep;
      }
      const boot = sources.boot();
      monotonic = Math.max(early, sources.monotonic());
      compared = monotonic;

      // The process may have been put aside between the readings: count what was gained even on the later one, and
      // take for lost only what was lost even on the earlier one.
      const wallGain = wall - monotonic - wallLead;
      const bootGain = boot - monotonic - bootLead;
      if (wallGain > CLOCK_NOISE_MS || bootGain > CLOCK_NOISE_MS) asleep += Math.max(wallGain, bootGain);
      // A source that gained is counted, one that lost is the new base: a later sleep shows as a gain on that.
      wallLead += wallGain > CLOCK_NOISE_MS ? wallGain : Math.min(0, wall - early - wallLead);
      bootLead += bootGain > CLOCK_NOISE_MS ? bootGain : Math.min(0, boot - early - bootLead);
      return monotonic + asleep;
    },
  };
}

/**
 * Timers that let the process end: `awake` is what keeps it, and only while it is wanted. They run in the async
 * context of whoever made this time, so that none of them keeps a request's context alive.
 */
function realTime(clock: Clock): Time {
  const context = platform.captureContext();
  return {
    now: () => clock.now(),
    date: () => new Date(),
    after: (ms) =>
      new Observable((subscriber) => {
        const fire = (): void => {
          subscriber.next(0);
          subscriber.complete();
        };
        return context(() => later(ms, fire));
      }),
    awake: () => {
      const handle = context(() => setInterval(() => undefined, LONGEST_TIMER));
      return new Subscription(() => clearInterval(handle));
    },
  };
}

/** Under jsdom and in Electron's windows a timer is a number, and keeps nothing alive. */
function unrefed<T extends { unref?(): unknown }>(handle: T): T {
  handle.unref?.();
  return handle;
}

/** Time as the given scheduler counts it: virtual in a marble test. */
const virtualTime = (scheduler: SchedulerLike, clock: Clock): Time => ({
  now: () => clock.now(),
  date: () => new Date(scheduler.now()),
  after: (ms) => timer(ms, scheduler).pipe(map(() => 0 as const)),
  awake: () => new Subscription(),
});

/**
 * The time of a `Locks` or of a memory server: that of the scheduler where it is a virtual one, else the machine's. A
 * real scheduler may run the timers, but is never the clock: `asyncScheduler.now()` is the wall clock, which misses
 * nothing only as long as nobody sets it back.
 */
export function timeOf(options: { scheduler?: SchedulerLike | undefined; clock?: Clock | undefined } = {}): Time {
  const { scheduler, clock } = options;
  if (scheduler && isVirtual(scheduler)) return virtualTime(scheduler, clock ?? scheduler);
  const time = realTime(clock ?? sleepProofClock());
  if (!scheduler || isOfRxjs(scheduler)) return time;
  const after = (ms: number): Observable<0> =>
    timer(Math.min(ms, LONGEST_TIMER), scheduler).pipe(
      mergeMap(() => (ms > LONGEST_TIMER ? after(ms - LONGEST_TIMER) : of(0 as const))),
    );
  return { ...time, after };
}

/** Node fires a longer timer after 1 ms (measured). */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Emits once when the clock reads `instant` or later. Timers fire early and late; only the clock decides.
 *
 * @param lookEvery how long it may go unnoticed that the machine slept past the instant: timers stand still with it
 */
export function at(time: Time, instant: number, lookEvery = LONGEST_TIMER): Observable<0> {
  return new Observable((subscriber) => {
    // One look after another, none inside the one before: a lease of a day is looked at 86,400 times.
    const look = (): void => {
      const left = instant - time.now();
      if (left > 0) subscriber.add(time.after(Math.min(left, lookEvery)).subscribe(look));
      else {
        subscriber.next(0);
        subscriber.complete();
      }
    };
    look();
  });
}

/** Errors when the trigger emits: the argument of a `takeUntil` that is to end in an error. */
export function failAt(trigger$: Observable<unknown>, error: () => unknown): Observable<never> {
  return trigger$.pipe(
    take(1),
    map(() => {
      throw error();
    }),
  );
}

/** The call options of a gRPC call that may take this long: gRPC wants the wall-clock instant, and uses it at once. */
export const deadlineIn = (ms: number): { readonly deadline: number } => ({ deadline: Date.now() + ms });

/** After the answers that have come in together: what they set off is collected by then. A few microseconds. */
export const afterIo = (work: () => void): void => void setImmediate(work);

/** How long it is until a deadline of {@link deadlineIn}, milliseconds. Negative when it is over. */
export const untilDeadline = (deadline: number): number => deadline - Date.now();

/** Calls off what {@link later} was to do. */
export type CallOff = () => void;

/** Does the work in so many milliseconds, however many, unless it is called off. Never keeps the process alive by itself. */
export function later(ms: number, work: () => void): CallOff {
  let left = Math.max(ms, 0);
  let timeout: ReturnType<typeof setTimeout> | undefined;
  const next = (): void => {
    const step = Math.min(left, LONGEST_TIMER);
    left -= step;
    timeout = unrefed(setTimeout(left > 0 ? next : work, step));
  };
  next();
  return () => clearTimeout(timeout);
}

/** For the age of what is seconds old, where it costs nothing if the machine slept meanwhile. */
export const monotonic = (): number => performance.now();

/**
 * Milliseconds by the monotonic clock, the same in all threads of the process: `performance.now()` begins anew in each.
 * It stands still while the machine sleeps.
 */
export const processTime = (): number => Number(process.hrtime.bigint()) / 1e6;
