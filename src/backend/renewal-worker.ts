/**
 * A thread that renews a lease while the thread that holds it is blocked.
 */
import type { Clock } from '../time/clock.js';

/** How it is to renew. Milliseconds. */
export interface RenewalPlan {
  /** By which the thread that holds the lease reads its deadlines. */
  readonly clock: Clock;
  readonly renewEvery: number;
  /** How long an attempt may take. */
  readonly attempt: number;
  /** How long the thread may be blocked: then the lease runs out, on purpose. */
  readonly maxStall: number;
  /** There is no such worker, or it has ended: renewals go on in the thread that holds the lease. */
  failed(error: Error): void;
}

export interface RenewalWorker {
  /** The thread that holds the lease is not blocked: it renews by itself, now. */
  alive(): void;
  /** Until when the server keeps the lease by what the worker has renewed, by the clock of the plan. Never later than it does. */
  until(): number | undefined;
  /** It renews no more. */
  end(): void;
}
