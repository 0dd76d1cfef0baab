/**
 * A thread that renews a lease while the thread that holds it is blocked.
 */
import type { Clock } from '../time/clock.js';

/** How the worker renews. Durations are milliseconds. */
export interface RenewalPlan {
  /** The clock of the deadlines in the thread that holds the lease. */
  readonly clock: Clock;
  readonly renewEvery: number;
  /** How long an attempt may take. */
  readonly attempt: number;
  /** How long the thread may be blocked. After that the worker lets the lease run out on purpose. */
  readonly maxStall: number;
  /** The worker could not start, or has ended: only the thread that holds the lease renews from now on. */
  failed(error: Error): void;
}

export interface RenewalWorker {
  /** Called at each renewal of the thread that holds the lease: it is not blocked. */
  alive(): void;
  /**
   * Until when the server keeps the lease by the renewals of the worker, on the clock of the plan. Never later than the
   * server really keeps it.
   */
  until(): number | undefined;
  /** Ends the worker. */
  end(): void;
}
