/**
 * The events of `locks.events$`, for logs and metrics.
 */
import type { LossReason } from './errors.js';
import type { LockKind } from './ownership.js';
import type { Revocation } from './revocation.js';

/** The fields of every event about a lock. */
export interface LockEventSubject {
  readonly key: string;
  /** Not set for a lock of several keys of different kinds. */
  readonly kind?: LockKind | undefined;
  /** The label of these `Locks`. */
  readonly owner: string;
}

/** The fields of every event about a held lock. */
export interface HeldEventSubject extends LockEventSubject {
  readonly fencingToken: bigint;
}

/**
 * Why a contender gave up. `busy`: it tried once, and others hold. `timeout`: its `wait` is over, and others hold.
 * `aborted`: a signal was aborted. `unsubscribed`: the user unsubscribed. `closed`: `close()` was called. `failed`: the
 * server failed or refused, see `cause`.
 */
export type WithdrawnReason = 'busy' | 'timeout' | 'aborted' | 'unsubscribed' | 'closed' | 'failed';

/**
 * One event of `locks.events$`. Durations are milliseconds. Every contention ends in exactly one `acquired` or
 * `withdrawn`, every hold in exactly one `released` or `lost`.
 */
export type LockEvent =
  /** The contender is in the queue, behind `ahead` others. */
  | (LockEventSubject & { readonly type: 'queued'; readonly ahead?: number })
  /** The lock is held. `waitedFor` counts from the subscription. */
  | (HeldEventSubject & { readonly type: 'acquired'; readonly waitedFor: number })
  /**
   * The contender gave up. `waitedFor` counts from the subscription. `cause` is the error or reason that the user gets.
   */
  | (LockEventSubject & {
      readonly type: 'withdrawn';
      readonly reason: WithdrawnReason;
      readonly waitedFor: number;
      readonly cause?: unknown;
    })
  /** The lease, and with it every lock on it, is valid until `validUntil`; `took` counts from send to answer. */
  | { readonly type: 'renewed'; readonly lease: string; readonly took: number; readonly validUntil: number }
  /** An attempt to renew failed; the next attempt follows while there is time before the deadline. */
  | { readonly type: 'renewal-failed'; readonly lease: string; readonly cause: Error; readonly remaining: number }
  /** Somebody asks the holder to release. */
  | (HeldEventSubject & { readonly type: 'revocation'; readonly revocation: Revocation })
  /**
   * The lock was lost after `heldFor`. `cause` is what led to the loss, if known, such as the last failure of a
   * renewal.
   */
  | (HeldEventSubject & {
      readonly type: 'lost';
      readonly reason: LossReason;
      readonly heldFor: number;
      readonly cause?: unknown;
    })
  /** The lock was released after `heldFor`. The server acknowledges later, or a `release-failed` follows. */
  | (HeldEventSubject & { readonly type: 'released'; readonly heldFor: number })
  /** A claim could not be deleted on the server: it stays until its ttl ends. */
  | { readonly type: 'release-failed'; readonly what: string; readonly cause: Error }
  /** A waiter lost its place (its session ended) and queues again at the tail. */
  | (LockEventSubject & { readonly type: 'requeued'; readonly cause: Error })
  /** The body of a `use()` returned or threw after the lock was lost; the promise had been rejected by then. */
  | (HeldEventSubject & {
      readonly type: 'late-result';
      readonly outcome: 'resolved' | 'rejected';
      readonly cause?: unknown;
    })
  /** The server does not answer any more; one event for an outage. Held locks stay held until their deadline. */
  | { readonly type: 'disconnected'; readonly cause: Error }
  /** The server answers again, after `downFor`. */
  | { readonly type: 'connected'; readonly downFor: number }
  /**
   * Something worth knowing: an option was clamped, a risk in the set-up, a contender that waits for a holder of the
   * same `Locks`.
   */
  | { readonly type: 'note'; readonly message: string };
