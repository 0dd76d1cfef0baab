/**
 * The machine a client runs on: its clocks, its timers, and what can happen to them.
 */
import { Subscription } from 'rxjs';
import type { SchedulerAction, SchedulerLike } from 'rxjs';
import type { Clock } from '../../src/time/clock.js';
import { sleepProofClock } from '../../src/time/clock.js';
import type { World } from './world.js';

export interface Machine {
  readonly scheduler: SchedulerLike;
  readonly clock: Clock;
  /** The process is stopped: its clocks run on, its timers are late. */
  pause(ms: number): void;
  /** The machine sleeps: its monotonic clock and its timers stand still. */
  sleep(ms: number): void;
  /** Somebody sets the wall clock. */
  stepWall(ms: number): void;
  /** From when on it runs, as far as is known. */
  awakeAt(): number;
  /** The last instant at which the process was known to be stopped. */
  lastStopped(): number;
  /** Runs something in the process at the instant, or when the process runs again. */
  whenAwake(instant: number, event: () => void): void;
}

type Work<T> = (this: SchedulerAction<T>, state: T) => void;

/** Milliseconds. */
const GRAIN = 1e-6;

/** @param rate how fast its clocks run: 1 is right, 0.99 loses a hundredth */
export function createMachine(world: World, rate: number): Machine {
  let stoppedUntil = 0;
  let slept = 0;
  let wallStep = 0;

  const elapsed = (): number => world.now() * rate;
  /** While asleep it stands still: what is left of the sleep has not been slept yet. */
  const monotonic = (): number => elapsed() - slept + Math.max(0, asleepUntil - world.now()) * rate;
  let asleepUntil = 0;

  const clock = sleepProofClock({
    monotonic,
    wall: () => Math.floor(1_700_000_000_000 + elapsed() + wallStep),
    boot: () => Math.floor(elapsed() / 10) * 10,
  });

  const whenAwake = (instant: number, event: () => void): void => {
    world.at(instant, () => {
      if (world.now() < stoppedUntil) whenAwake(stoppedUntil, event);
      else event();
    });
  };

  /**
   * A timer of `ms` by the monotonic clock. Like any timer it has a grain: one of less than the world's clock can count
   * would run at the same instant, and who looks at the clock then would ask for the next one, for ever.
   */
  const timer = (ms: number, event: () => void): void => {
    const due = monotonic() + (ms > 0 ? Math.max(ms, GRAIN) : 0);
    const look = (): void => {
      const left = due - monotonic();
      if (left >= GRAIN) whenAwake(world.now() + left / rate, look);
      else event();
    };
    whenAwake(world.now() + (due - monotonic()) / rate, look);
  };

  class Action<T> extends Subscription implements SchedulerAction<T> {
    constructor(private readonly work: Work<T>) {
      super();
    }
    schedule(state?: T, delay = 0): Subscription {
      timer(delay, () => {
        // As rxjs's own schedulers do it: who asked for a state of T gave one.
        if (!this.closed) this.work.call(this, state as T);
      });
      return this;
    }
  }

  return {
    clock,
    scheduler: {
      now: () => clock.now(),
      schedule: (work, delay, state) => new Action(work).schedule(state, delay),
    },
    whenAwake,
    awakeAt: () => stoppedUntil,
    lastStopped: () => Math.min(stoppedUntil, world.now()) || -Infinity,
    pause(ms) {
      stoppedUntil = Math.max(stoppedUntil, world.now() + ms);
    },
    sleep(ms) {
      if (world.now() < stoppedUntil) return;
      asleepUntil = world.now() + ms;
      stoppedUntil = asleepUntil;
      slept += ms * rate;
    },
    stepWall(ms) {
      wallStep += ms;
    },
  };
}
