/**
 * Until when the server keeps a lease by the renewals of the worker, on the clock of the thread that holds the lease.
 *
 * The worker uses the monotonic clock of the process, which stands still while the machine sleeps; deadlines use a
 * clock that counts sleep. So the time of a renewal is counted from an instant, before its send, at which both clocks
 * were read: a sleep in between makes the result too early, never too late.
 */
import type { Clock } from '../../../time/clock.js';
import type { SharedMemory } from './memory.js';

export class RenewedUntil {
  readonly #memory: SharedMemory;
  readonly #clock: Clock;
  readonly #processTime: () => number;
  /** One instant on both clocks. */
  #base = { byClock: 0, byProcess: Infinity };
  /** The send time of the latest renewal that has been counted. */
  #counted = -Infinity;
  #until: number | undefined;

  constructor(memory: SharedMemory, clock: Clock, processTime: () => number) {
    this.#memory = memory;
    this.#clock = clock;
    this.#processTime = processTime;
  }

  get now(): number | undefined {
    const { renewal } = this.#memory;
    const { byClock, byProcess } = this.#base;
    // A renewal from before the base cannot be converted. That is no loss, since this thread has renewed by itself
    // since.
    if (!renewal || renewal.sentAt <= this.#counted || renewal.sentAt < byProcess) return this.#until;
    this.#counted = renewal.sentAt;
    const end = byClock + (renewal.sentAt - byProcess) + renewal.ttl * 1000;
    this.#until = Math.max(this.#until ?? -Infinity, end);
    return this.#until;
  }

  /** Reads both clocks as the new base. Returns the instant on the clock of the process. */
  rebase(): number {
    // Earlier renewals are counted with the old base.
    this.#until = this.now;
    // In this order: a pause between the two readings makes the result too early, never too late.
    const byClock = this.#clock.now();
    const byProcess = this.#processTime();
    this.#base = { byClock, byProcess };
    return byProcess;
  }
}
