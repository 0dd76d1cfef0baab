/**
 * The messages on the channels of `node:diagnostics_channel`, for tracers and metrics in this process.
 */
import type { LossReason } from './errors.js';
import type { LockEvent, WithdrawnReason } from './events.js';
import type { LockKind } from './ownership.js';

/** How the wait for a lock ended. */
export type AcquireOutcome = 'acquired' | WithdrawnReason;

/** The lock that is contended for. */
interface Contention {
  readonly key: string;
  /** All keys of the lock: several for a lock of `locks.all`. */
  readonly keys: readonly string[];
  readonly kind: LockKind | 'all';
  readonly owner: string;
}

/**
 * The wait for a lock, on the tracing channel `rxlock:acquire`. All events of one contention carry the same object.
 * `start` is published in the async context of the subscriber, `asyncEnd` when the lock is held or the contender gives
 * up, `error` before `asyncEnd` if there is an error. The optional fields are set from that event on.
 */
export interface AcquireMessage extends Contention {
  /** The `wait` of the contender, milliseconds. */
  readonly wait: number;
  readonly outcome?: AcquireOutcome;
  /** How long the contender waited, milliseconds. */
  readonly waitedFor?: number;
  /** The error that the user gets. */
  readonly error?: unknown;
}

/**
 * The time in which a lock is held, on the tracing channel `rxlock:hold`. All events of one hold carry the same object.
 * `start` is published when the lock is held, `asyncEnd` when it is no longer held, `error` before `asyncEnd` if the
 * lock was lost.
 */
export interface HoldMessage extends Contention {
  /** The wait that led to this hold: the object of `rxlock:acquire`. */
  readonly acquire: AcquireMessage;
  readonly fencingToken: bigint;
  readonly outcome?: 'released' | 'lost';
  /** Why the lock was lost. */
  readonly reason?: LossReason;
  /** How long the lock was held, milliseconds. */
  readonly heldFor?: number;
  /** The loss, or what else ended the hold: an abort or a close. */
  readonly error?: unknown;
}

/** A renewal that was answered or failed, on the channel `rxlock:renewal`. */
export type RenewalMessage = Extract<LockEvent, { readonly type: 'renewed' | 'renewal-failed' }> & Speaker;

/** The beginning or the end of an outage, on the channel `rxlock:outage`. */
export type OutageMessage = Extract<LockEvent, { readonly type: 'disconnected' | 'connected' }> & Speaker;

/** The `Locks` that published the event: a process may have several. */
export interface Speaker {
  /** The owner label of the `Locks`. */
  readonly owner: string;
  /** One object for each `Locks`. It tells two `Locks` with the same label apart. */
  readonly locks: object;
}
