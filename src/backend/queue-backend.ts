/**
 * The port to a server with leases and queues.
 */
import type { Observable } from 'rxjs';
import type { Revocation } from '../api/revocation.js';
import type { ClaimRequest, Lease, Queue, QueuedClaim } from './claims.js';
import type { LockServer, RenewResult } from './lock-server.js';
import type { RenewalPlan, RenewalWorker } from './renewal-worker.js';

/**
 * A server with leases and queues. All claims of a `Locks` are on one lease. Each key has a queue, which is served in
 * order.
 */
export interface QueueBackend extends LockServer {
  /** Grants the lease. Emits the granted TTL, milliseconds. A repeated request for the same id gets the same answer. */
  grant(lease: Lease, timeout: number): Observable<{ readonly ttl: number }>;
  /** Extends the lease: its TTL counts from this request on. */
  renew(lease: Lease, timeout: number): Observable<RenewResult>;
  /** Ends the lease and deletes all its claims. If the lease is already gone, that is no error. */
  revoke(lease: Lease, timeout: number): Observable<void>;

  /**
   * Puts the claims at the ends of their queues: all at one revision, or none. All are of one lease, each at another
   * key. A repeated request finds its claims in their places.
   */
  enqueue(claims: readonly ClaimRequest[], timeout: number, mode: EnqueueMode): Observable<EnqueueResult>;
  /**
   * Deletes exactly these claims. A claim that is already gone is no error. Without `queued` it is not known whether
   * the claims are in their queues: then an attempt to queue them that arrives later must fail, too.
   *
   * `successor` (for a single claim only) is the claim that holds from now on: the same request checks whether it is
   * still there.
   */
  dequeue(
    claims: readonly ClaimRequest[],
    queued: readonly QueuedClaim[] | undefined,
    timeout: number,
    successor?: QueuedClaim,
  ): Observable<DequeueResult>;

  // A backend may leave out the members below; their defaults are in defaults.ts.

  /** How many claims can be queued in one step, each at another key. For `locks.all`; 1 by default. */
  readonly maxClaims?: number;
  /**
   * How many places ahead of its first claim a client still has to know of each change, if `queue` takes `until`. Twice
   * as far from the head, the engine asks for the end of one claim only. `Infinity` by default: it always follows the
   * whole queue.
   */
  readonly near?: number;
  /** Reads which claims are on the lease, in case the event of a deletion was lost. */
  audit?(lease: Lease, timeout: number): Observable<Audit>;
  /**
   * The queues of all keys that begin with the prefix: emits first all queues that have claims, then, at each change,
   * the changed queues. Errors when they can no longer be watched. For `watchAll$`.
   */
  queues?(prefix: string, timeout: number): Observable<readonly Queue[]>;
  /**
   * Moves exactly these claims to another lease, which is granted for its TTL and never renewed: they stay that long,
   * even if their client ends. Place and token stay the same. A claim that is gone is no error; a repeated request uses
   * the same lease. The server may keep them longer (etcd: whole seconds, at least 2). For `atLeast`.
   */
  keep?(
    claims: readonly ClaimRequest[],
    queued: readonly QueuedClaim[],
    lease: Lease,
    timeout: number,
  ): Observable<void>;
  /**
   * Overwrites the value of a candidate, if its claim is still as we know it. Answers with the claim as it is
   * afterwards, written or not. For elections.
   */
  proclaim?(claim: ClaimRequest, mine: QueuedClaim, value: string, timeout: number): Observable<RewriteResult>;
  /** Starts a thread that renews the lease while this one is blocked. For `renewIn: 'worker'`. */
  renewalWorker?(lease: Lease, plan: RenewalPlan): RenewalWorker;
  /** Asks other clients to release, or deletes their claims. For `revoke()`. */
  readonly others?: ForeignClaims;
}

/**
 * `show`: the answer includes the queues. `plain`: it need not, since the caller watches them. `try`: the claims are
 * queued only if all of them would hold at once, else nothing is written.
 */
export type EnqueueMode = 'show' | 'plain' | 'try';

/** A claim in its queue, and the whole queue, if the answer included it. */
export interface EnqueuedClaim {
  readonly claim: QueuedClaim;
  readonly queue: Queue | undefined;
}

/**
 * - `queued`: all claims are in their queues. `entries` are in the order of the request, and show the claims as of
 *   `revision`: after a repeated attempt, others may have overwritten them.
 * - `refused`: nothing was written; `queues` show the claims in the way.
 */
export type EnqueueResult =
  | { readonly status: 'queued'; readonly revision: bigint; readonly entries: readonly EnqueuedClaim[] }
  | { readonly status: 'refused'; readonly queues: readonly Queue[] }
  | { readonly status: 'lease-gone' };

/** The acknowledgement, and whether the given successor is still in the queue. */
export interface DequeueResult {
  readonly successor: 'there' | 'gone' | 'unknown';
}

/** The claim after an attempt to overwrite it, as of `revision`; `undefined` if it is gone. */
export interface RewriteResult {
  readonly claim: QueuedClaim | undefined;
  readonly revision: bigint;
}

/** Whether a claim is on the audited lease. */
export type Audit = (key: string, claim: QueuedClaim) => boolean;

/** Operations on the claims of other clients. */
export interface ForeignClaims {
  /**
   * Writes a request to release over the claim, if the claim is still as we know it. Answers with the claim as it is
   * afterwards, written or not. Its lease stays the same.
   */
  ask(key: string, claim: QueuedClaim, revocation: Revocation, timeout: number): Observable<RewriteResult>;
  /** Deletes the claim, even if it was overwritten meanwhile. A claim that is gone is no error. */
  remove(key: string, claim: QueuedClaim, timeout: number): Observable<void>;
}
