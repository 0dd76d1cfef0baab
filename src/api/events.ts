/**
 * What happened inside, for logs and metrics.
 */
import type { LossReason } from './errors.js';
import type { LockKind } from './ownership.js';
import type { Revocation } from './revocation.js';

/** What every event about a lock says of it. */
export interface LockEventSubject {
  readonly key: string;
  /** Left out for several keys of several kinds. */
  readonly kind?: LockKind | undefined;
  /** The label of these `Locks`. */
  readonly owner: string;
}

/** And of one that is held. */
export interface HeldEventSubject extends LockEventSubject {
  readonly fencingToken: bigint;
}

/**
 * Why a contender will not hold. `busy`: tried once, and others hold. `timeout`: its `wait` is over, and others hold.
 * `aborted`: by a signal. `unsubscribed`: by its user. `closed`: by `close()`. `failed`: the server, in `cause`.
 */
export type WithdrawnReason = 'busy' | 'timeout' | 'aborted' | 'unsubscribed' | 'closed' | 'failed';

/**
 * One event of `locks.events$`. Durations are milliseconds. Every contention ends in exactly one `acquired` or
 * `withdrawn`, every hold in exactly one `released` or `lost`.
 */
export type LockEvent =
  /** In the queue, behind others. */
  | (LockEventSubject & { readonly type: 'queued'; readonly ahead?: number })
  /** Held, after `waitedFor` from the subscription on. */
  | (HeldEventSubject & { readonly type: 'acquired'; readonly waitedFor: number })
  /** It will not hold, after `waitedFor` from the subscription on. `cause` is the error or reason that its user gets. */
  | (LockEventSubject & {
      readonly type: 'withdrawn';
      readonly reason: WithdrawnReason;
      readonly waitedFor: number;
      readonly cause?: unknown;
    })
  /** The lease, and with it every lock on it, is good until `validUntil`; `took` from send to answer. */
  | { readonly type: 'renewed'; readonly lease: string; readonly took: number; readonly validUntil: number }
  /** An attempt failed; the next one follows while there is time. */
  | { readonly type: 'renewal-failed'; readonly lease: string; readonly cause: Error; readonly remaining: number }
  /** Somebody asks for what is held. */
  | (HeldEventSubject & { readonly type: 'revocation'; readonly revocation: Revocation })
  /** Held no more, after `heldFor`. `cause` is what led to it, such as the last failure of a renewal, where it is known. */
  | (HeldEventSubject & {
      readonly type: 'lost';
      readonly reason: LossReason;
      readonly heldFor: number;
      readonly cause?: unknown;
    })
  /** Given back, after `heldFor`; the acknowledgement follows or has been given up for `release-failed`. */
  | (HeldEventSubject & { readonly type: 'released'; readonly heldFor: number })
  /** Something could not be cleaned up on the server: it stays until its ttl ends. */
  | { readonly type: 'release-failed'; readonly what: string; readonly cause: Error }
  /** A waiter lost its place (its session ended) and queues again at the tail. */
  | (LockEventSubject & { readonly type: 'requeued'; readonly cause: Error })
  /** What the body of a `use()` returned or threw after the lock was lost, when nobody listens any more. */
  | (HeldEventSubject & {
      readonly type: 'late-result';
      readonly outcome: 'resolved' | 'rejected';
      readonly cause?: unknown;
    })
  /** The server does not answer any more; said once for an outage. What is held goes on until its deadline. */
  | { readonly type: 'disconnected'; readonly cause: Error }
  /** It answers again, after `downFor`. */
  | { readonly type: 'connected'; readonly downFor: number }
  /** Options clamped, set-up worth knowing, a lock that waits for these same `Locks`. */
  | { readonly type: 'note'; readonly message: string };
