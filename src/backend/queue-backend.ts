/**
 * The port to a server with leases and queues.
 */
import type { Observable } from 'rxjs';
import type { Revocation } from '../api/revocation.js';
import type { ClaimRequest, Lease, Queue, QueuedClaim } from './claims.js';
import type { LockServer, RenewResult } from './lock-server.js';
import type { RenewalPlan, RenewalWorker } from './renewal-worker.js';

/** A server with leases and queues. All claims of a `Locks` hang on one lease, and a queue serves them in order. */
export interface QueueBackend extends LockServer {
  /** Grants the lease. Asked again for the same id, it answers as the first time. */
  grant(lease: Lease, timeout: number): Observable<{ readonly ttl: number }>;
  /** Extends the lease by its TTL, counted from this request. */
  renew(lease: Lease, timeout: number): Observable<RenewResult>;
  /** Ends the lease and deletes all claims on it. A lease that is gone is no error. */
  revoke(lease: Lease, timeout: number): Observable<void>;

  /**
   * Puts the claims at the ends of their queues: all of them at one revision, or none. They are of one lease, each at
   * another key. Asked again for the same claims, it finds them where they are.
   */
  enqueue(claims: readonly ClaimRequest[], timeout: number, mode: EnqueueMode): Observable<EnqueueResult>;
  /**
   * Deletes exactly these claims. One that is gone is no error. Without `queued` nobody knows whether the claims are in:
   * then an attempt to queue them that arrives later must fail, too.
   *
   * `successor` is the claim that holds from now on (of a single claim): the same request looks whether it is there.
   */
  dequeue(
    claims: readonly ClaimRequest[],
    queued: readonly QueuedClaim[] | undefined,
    timeout: number,
    successor?: QueuedClaim,
  ): Observable<DequeueResult>;

  // What follows may be left out: defaults.ts.

  /** How many claims can be queued in one step, each at another key. For `locks.all`; 1 by default. */
  readonly maxClaims?: number;
  /** Which claims are on the lease, against a lost event that said one is gone. */
  audit?(lease: Lease, timeout: number): Observable<Audit>;
  /**
   * The queues of all keys that begin with the prefix: first all queues with claims in them, then, with each change,
   * those that have changed. Errors when they can be followed no longer. For `watchAll$`.
   */
  queues?(prefix: string, timeout: number): Observable<readonly Queue[]>;
  /**
   * Moves exactly these claims to another lease, which is granted for its TTL and never renewed: they stay for so long,
   * whatever becomes of their client. Place and token stay the same. A claim that is gone is no error; asked again, it is
   * the same lease. The server may keep them longer (etcd: whole seconds, at least 2). For `atLeast`.
   */
  keep?(
    claims: readonly ClaimRequest[],
    queued: readonly QueuedClaim[],
    lease: Lease,
    timeout: number,
  ): Observable<void>;
  /**
   * Writes another value over the claim of a candidate, if the claim is still as we know it. Answers with the claim as it
   * is then, written or not. For elections.
   */
  proclaim?(claim: ClaimRequest, mine: QueuedClaim, value: string, timeout: number): Observable<RewriteResult>;
  /** Starts a thread that renews the lease while this one is blocked. For `renewIn: 'worker'`. */
  renewalWorker?(lease: Lease, plan: RenewalPlan): RenewalWorker;
  /** Asks other clients for their claims, or deletes them. For `revoke()`. */
  readonly others?: ForeignClaims;
}

/**
 * `show`: the answer includes the queue. `plain`: it need not, since the caller follows the queue. `try`: the claims are
 * queued only if all of them would hold at once, else nothing is written.
 */
export type EnqueueMode = 'show' | 'plain' | 'try';

/** A claim that is in the queue, and the queue where the answer showed all of it. */
export interface EnqueuedClaim {
  readonly claim: QueuedClaim;
  readonly queue: Queue | undefined;
}

/**
 * - `queued`: all claims are in. `entries` are in the order of the request and show them as they were at `revision`: an
 *   attempt that is repeated finds claims that others may have written over.
 * - `refused`: nothing was written; `queues` show whose claims were in the way.
 */
export type EnqueueResult =
  | { readonly status: 'queued'; readonly revision: bigint; readonly entries: readonly EnqueuedClaim[] }
  | { readonly status: 'refused'; readonly queues: readonly Queue[] }
  | { readonly status: 'lease-gone' };

/** The acknowledgement, and whether the successor that was asked about is still in the queue. */
export interface DequeueResult {
  readonly successor: 'there' | 'gone' | 'unknown';
}

/** The claim as it is after an attempt to write over it; nothing where it is gone. At this revision of the server. */
export interface RewriteResult {
  readonly claim: QueuedClaim | undefined;
  readonly revision: bigint;
}

/** Whether a claim is on the lease that was asked about. */
export type Audit = (key: string, claim: QueuedClaim) => boolean;

/** What can be done about the claims of others. */
export interface ForeignClaims {
  /**
   * Writes over the claim that somebody wants the lock, if the claim is still as we know it. Answers with the claim as it
   * is then, written or not. Its lease stays the same.
   */
  ask(key: string, claim: QueuedClaim, revocation: Revocation, timeout: number): Observable<RewriteResult>;
  /** Deletes the claim, whatever is written there by now. One that is gone is no error. */
  remove(key: string, claim: QueuedClaim, timeout: number): Observable<void>;
}
