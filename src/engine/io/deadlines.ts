/**
 * Timeouts of the same length share a timer: thousands are set in a second, and almost all are cleared in time.
 */
import type { Subscription } from 'rxjs';
import type { Time } from '../../time/clock.js';

export interface DeadlineListener {
  timedOut(): void;
}

export interface Deadlines {
  /** Calls the listener once, in `ms` milliseconds. A second call for the same listener replaces its deadline. */
  set(ms: number, sleeper: DeadlineListener): void;
  clear(ms: number, sleeper: DeadlineListener): void;
  /** No listener is called any more. */
  stop(): void;
}

export function createDeadlines(time: Time): Deadlines {
  const lanes = new Map<number, DeadlineQueue>();

  return {
    set(ms, sleeper) {
      let lane = lanes.get(ms);
      if (!lane) lanes.set(ms, (lane = new DeadlineQueue(time, ms)));
      lane.set(sleeper);
    },
    clear: (ms, sleeper) => lanes.get(ms)?.clear(sleeper),
    stop() {
      for (const lane of lanes.values()) lane.stop();
      lanes.clear();
    },
  };
}

/** The deadlines of one length: the first that was set is the first due. */
class DeadlineQueue {
  readonly #due = new Map<DeadlineListener, number>();
  readonly #time: Time;
  readonly #ms: number;
  #timer: Subscription | undefined;

  constructor(time: Time, ms: number) {
    this.#time = time;
    this.#ms = ms;
  }

  set(sleeper: DeadlineListener): void {
    this.#due.delete(sleeper);
    this.#due.set(sleeper, this.#time.now() + this.#ms);
    this.#timer ??= this.#time.after(this.#ms).subscribe(() => this.#ring());
  }

  clear(sleeper: DeadlineListener): void {
    this.#due.delete(sleeper);
  }

  stop(): void {
    this.#timer?.unsubscribe();
    this.#due.clear();
  }

  #ring(): void {
    const now = this.#time.now();
    for (const [sleeper, due] of this.#due) {
      if (due > now) break;
      this.#due.delete(sleeper);
      sleeper.timedOut();
    }
    const [next] = this.#due.values();
    this.#timer = next === undefined ? undefined : this.#time.after(next - now).subscribe(() => this.#ring());
  }
}
