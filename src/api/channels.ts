/**
 * What is said on the channels of `node:diagnostics_channel`: for tracers and metrics, in this process.
 */
import type { LossReason } from './errors.js';
import type { LockEvent, WithdrawnReason } from './events.js';
import type { LockKind } from './ownership.js';

/** How the wait for a lock ended. */
export type AcquireOutcome = 'acquired' | WithdrawnReason;

/** What a contention is about. */
interface Contention {
  readonly key: string;
  /** Each key of it: several for a lock of `locks.all`. */
  readonly keys: readonly string[];
  readonly kind: LockKind | 'all';
  readonly owner: string;
}

/**
 * The wait for a lock, on the tracing channel `rxlock:acquire`. One object for one contention, in all its events:
 * `start` in the async context of the subscriber, `asyncEnd` when it holds or will not, `error` before that where there
 * is one. What is optional is there from then on.
 */
export interface AcquireMessage extends Contention {
  /** How long it would wait, milliseconds. */
  readonly wait: number;
  readonly outcome?: AcquireOutcome;
  /** How long it did, milliseconds. */
  readonly waitedFor?: number;
  /** What its user is told. */
  readonly error?: unknown;
}

/**
 * The time in which a lock is held, on the tracing channel `rxlock:hold`. One object for one hold: `start` when it is
 * held, `asyncEnd` when it is not any more, `error` before that where it was lost.
 */
export interface HoldMessage extends Contention {
  /** The wait that led to it: the object of `rxlock:acquire`. */
  readonly acquire: AcquireMessage;
  readonly fencingToken: bigint;
  readonly outcome?: 'released' | 'lost';
  /** Why it was lost. */
  readonly reason?: LossReason;
  /** Milliseconds. */
  readonly heldFor?: number;
  /** The loss, or what else ended it: an abort, a close. */
  readonly error?: unknown;
}

/** A renewal that was answered or failed, on the channel `rxlock:renewal`. */
export type RenewalMessage = Extract<LockEvent, { readonly type: 'renewed' | 'renewal-failed' }> & Speaker;

/** The beginning or the end of an outage, on the channel `rxlock:outage`. */
export type OutageMessage = Extract<LockEvent, { readonly type: 'disconnected' | 'connected' }> & Speaker;

/** Whose event it is: there may be several `Locks` in a process. */
export interface Speaker {
  /** The owner label of the `Locks`. */
  readonly owner: string;
  /** One object for each `Locks`, to tell them apart where they share a label. */
  readonly locks: object;
}
