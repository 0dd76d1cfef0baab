/**
 * The only file that reads the real time and sets real timers. Everything else gets a {@link Time}.
 */
import { platform } from '#platform';
import { Observable, Subscription, map, mergeMap, of, take, timer } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { isOfRxjs, isVirtual } from './scheduler.js';

/** Reads the time, in milliseconds since an arbitrary but fixed instant. */
export interface Clock {
  now(): number;
}

/** The clock and the timers of the engine. */
export interface Time extends Clock {
  /** The wall clock, for display only: never calculate with it. */
  date(): Date;
  /** Emits once, `ms` milliseconds from the subscription, and completes. Never keeps the process alive by itself. */
  after(ms: number): Observable<0>;
  /** Keeps the process alive until unsubscribed: while somebody holds or waits. */
  awake(): Subscription;
}

/** The three clocks that a {@link sleepProofClock} reads, in milliseconds. */
export interface ClockSources {
  /** Cannot be set, but stands still while the machine sleeps (CLOCK_MONOTONIC). */
  monotonic(): number;
  /** Counts sleep, but people and NTP may set it. */
  wall(): number;
  /** Counts sleep and cannot be set, but is coarse (10 ms), and takes a hundred times as long to read. */
  boot(): number;
}

const machine: ClockSources = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  boot: platform.bootTime ?? (() => performance.now()),
};

/**
 * How far another clock must get ahead of the monotonic clock before that counts as sleep. Above the 10 ms grain of the
 * boot clock, far below the smallest safety margin (250 ms). Without this limit, rounding errors would add up at every
 * reading: a 1 ms wall clock read ten times a millisecond would run nearly twice too fast.
 */
const CLOCK_NOISE_MS = 25;

/**
 * How long the boot clock may go unread, milliseconds. Far below the smallest safety margin as well; reading it each
 * millisecond would take a twentieth of a short cycle.
 */
const COMPARE_EVERY_MS = 10;

/**
 * A clock that counts the sleep of the machine: it runs with the monotonic clock, and adds what the wall clock or the
 * boot clock has gained on it. It never goes back. A wall clock that is set back changes nothing; one that is set ahead
 * counts as elapsed time, which may lose a lock, but never breaks safety.
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
  /** When all three clocks were read last. */
  let compared = monotonic;

  return {
    now() {
      const lastWall = wall;
      const early = Math.max(monotonic, sources.monotonic());
      wall = sources.wall();
      const wallStep = wall - lastWall;
      // Two clocks agree that the machine did not sleep, so skip the slow third one. Only for a moment: they would also
      // agree if the wall clock was set back by just as long as the machine slept.
      if (early - compared < COMPARE_EVERY_MS && wallStep >= 0 && wallStep <= COMPARE_EVERY_MS + 1) {
        monotonic = early;
        return monotonic + asleep;
      }
      const boot = sources.boot();
      monotonic = Math.max(early, sources.monotonic());
      compared = monotonic;

      // The process may have been suspended between the readings of the monotonic clock. So count as gained only what
      // is a gain against the later reading, and as lost only what is a loss against the earlier one.
      const wallGain = wall - monotonic - wallLead;
      const bootGain = boot - monotonic - bootLead;
      if (wallGain > CLOCK_NOISE_MS || bootGain > CLOCK_NOISE_MS) asleep += Math.max(wallGain, bootGain);
      // A gain has been counted. After a loss the new lead is the base: a later sleep shows as a gain on that.
      wallLead += wallGain > CLOCK_NOISE_MS ? wallGain : Math.min(0, wall - early - wallLead);
      bootLead += bootGain > CLOCK_NOISE_MS ? bootGain : Math.min(0, boot - early - bootLead);
      return monotonic + asleep;
    },
  };
}

/**
 * Timers that do not keep the process alive; `awake` does, while it is subscribed to. They run in the async context in
 * which this object was made, so that none keeps the context of a request alive.
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

/** Under jsdom and in Electron's windows a timer is a number, and does not keep a process alive. */
function unrefed<T extends { unref?(): unknown }>(handle: T): T {
  handle.unref?.();
  return handle;
}

/** The virtual time of a scheduler, as in a marble test. */
const virtualTime = (scheduler: SchedulerLike, clock: Clock): Time => ({
  now: () => clock.now(),
  date: () => new Date(scheduler.now()),
  after: (ms) => timer(ms, scheduler).pipe(map(() => 0 as const)),
  awake: () => new Subscription(),
});

/**
 * The time of a `Locks` or of a memory server: that of the scheduler if it is a virtual one, else that of the machine.
 * A scheduler of real time may run the timers, but is never the clock: `asyncScheduler.now()` is the wall clock, which
 * can be set back.
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
 * Emits once, when the clock reads `instant` or later. Timers may fire early or late, so the clock is read each time.
 *
 * @param lookEvery milliseconds between two looks at the clock at most. Timers stand still while the machine sleeps, so
 *   an instant that passed during sleep is noticed this much later at most
 */
export function at(time: Time, instant: number, lookEvery = LONGEST_TIMER): Observable<0> {
  return new Observable((subscriber) => {
    // Each look ends before the next, without nesting: for a lease of a day there are 86,400 looks.
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

/** Errors when the trigger emits. */
export function failAt<T>(trigger$: Observable<T>, error: (value: T) => unknown): Observable<never> {
  return trigger$.pipe(
    take(1),
    map((value) => {
      throw error(value);
    }),
  );
}

/** The options of a gRPC call that may take `ms`. gRPC expects an instant of the wall clock, and uses it at once. */
export const deadlineIn = (ms: number): { readonly deadline: number } => ({ deadline: Date.now() + ms });

/**
 * Runs the work after all answers of this turn of the event loop, so that the requests they lead to can be sent
 * together. A delay of a few microseconds.
 */
export const afterIo = (work: () => void): void => void setImmediate(work);

/** Milliseconds until a deadline of {@link deadlineIn}. Negative after it. */
export const untilDeadline = (deadline: number): number => deadline - Date.now();

/** Cancels the work of {@link later}. */
export type CallOff = () => void;

/**
 * Runs the work after `ms` milliseconds, even if that is longer than a timer can be, unless it is cancelled. Does not
 * keep the process alive.
 */
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

/** For ages of a few seconds, where it does no harm to miss the sleep of the machine. */
export const monotonic = (): number => performance.now();

/**
 * Milliseconds by the monotonic clock, the same in all threads of the process, unlike `performance.now()`, which starts
 * at 0 in each thread. It stands still while the machine sleeps.
 */
export const processTime = (): number => Number(process.hrtime.bigint()) / 1e6;
