/**
 * What happened inside, for logs and metrics.
 */
import type { LossReason } from './errors.js';
import type { Revocation } from './revocation.js';

/** One event of `locks.events$`. Durations are milliseconds. */
export type LockEvent =
  /** In the queue, behind others. */
  | { readonly type: 'queued'; readonly key: string; readonly ahead?: number }
  /** Held, after `waitedFor` from the subscription on. */
  | { readonly type: 'acquired'; readonly key: string; readonly fencingToken: bigint; readonly waitedFor: number }
  /** The lease, and with it every lock on it, is good until `validUntil`; `took` from send to answer. */
  | { readonly type: 'renewed'; readonly lease: string; readonly took: number; readonly validUntil: number }
  /** An attempt failed; the next one follows while there is time. */
  | { readonly type: 'renewal-failed'; readonly lease: string; readonly cause: Error; readonly remaining: number }
  /** Somebody asks for what is held. */
  | { readonly type: 'revocation'; readonly key: string; readonly revocation: Revocation }
  /** Held no more, after `heldFor`. */
  | { readonly type: 'lost'; readonly key: string; readonly reason: LossReason; readonly heldFor: number }
  /** Given back, after `heldFor`; the acknowledgement follows or has been given up for `release-failed`. */
  | { readonly type: 'released'; readonly key: string; readonly heldFor: number }
  /** Something could not be cleaned up on the server: it stays until its ttl ends. */
  | { readonly type: 'release-failed'; readonly what: string; readonly cause: Error }
  /** A waiter lost its place (its session ended) and queues again at the tail. */
  | { readonly type: 'requeued'; readonly key: string; readonly cause: Error }
  /** What the body of a `use()` returned or threw after the lock was lost, when nobody listens any more. */
  | {
      readonly type: 'late-result';
      readonly key: string;
      readonly outcome: 'resolved' | 'rejected';
      readonly cause?: unknown;
    }
  /** The server does not answer any more; said once for an outage. What is held goes on until its deadline. */
  | { readonly type: 'disconnected'; readonly cause: Error }
  /** It answers again, after `downFor`. */
  | { readonly type: 'connected'; readonly downFor: number }
  /** Options clamped, set-up worth knowing. */
  | { readonly type: 'note'; readonly message: string };
