/**
 * Until when the server keeps a lease by what the worker has renewed, by the clock of the thread that holds it.
 *
 * The worker counts by the monotonic clock of the process, which stands still while the machine sleeps; deadlines are
 * read from a clock that counts sleep. So a renewal is placed from an instant read by both before it was sent: a sleep
 * since then makes what is said here too early, and never too late.
 */
import type { Clock } from '../../../time/clock.js';
import type { SharedMemory } from './memory.js';

export class RenewedUntil {
  readonly #memory: SharedMemory;
  readonly #clock: Clock;
  readonly #processTime: () => number;
  /** One instant by both clocks. */
  #base = { byClock: 0, byProcess: Infinity };
  /** When the last renewal was sent that is counted. */
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
    // Of one that was sent before the base nothing is known: it is no loss, since the thread has renewed by itself since.
    if (!renewal || renewal.sentAt <= this.#counted || renewal.sentAt < byProcess) return this.#until;
    this.#counted = renewal.sentAt;
    const end = byClock + (renewal.sentAt - byProcess) + renewal.ttl * 1000;
    this.#until = Math.max(this.#until ?? -Infinity, end);
    return this.#until;
  }

  /** Takes a new instant to count from; by the clock of the process. */
  rebase(): number {
    // What came before it is counted by the old one.
    this.#until = this.now;
    // In this order: a pause between the two readings makes ends too early, and never too late.
    const byClock = this.#clock.now();
    const byProcess = this.#processTime();
    this.#base = { byClock, byProcess };
    return byProcess;
  }
}
