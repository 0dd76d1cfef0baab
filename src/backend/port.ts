/**
 * The port: what the engine asks of a lock server. A backend is these verbs and nothing else.
 *
 * Each verb is a cold Observable of ONE attempt. It emits its answer once and completes, or errors with a
 * BackendError; unsubscribing cancels it. No retry, no timer, no policy: those are the engine's. (`queue` is the one
 * that goes on.) They are Observables and not Promises because a Promise cannot be tested in virtual time.
 */
import type { Observable } from 'rxjs';
import type { JsonValue } from '../api/json.js';
import type { LockKind } from '../api/ownership.js';
import type { Revocation } from '../api/revocation.js';

/** What is asked for at a key. */
export interface LockSpec {
  readonly key: string;
  readonly kind: LockKind;
  /** How many may hold at a time, of a semaphore. */
  readonly permits?: number | undefined;
  /** Of a candidate in an election: what is written instead of all that is written of a lock. */
  readonly value?: string | undefined;
}

/** The time-bounded right that claims hang on: when it ends, the server drops them. */
export interface Lease {
  /** Chosen by us, so that a grant whose answer was lost can be repeated: 63 random bits, lower-case hexadecimal. */
  readonly id: string;
  /** What is asked for, milliseconds. The server may grant more. */
  readonly ttl: number;
  /** The label of whoever takes it. */
  readonly owner: string;
  /** The one key it is for, where a lease carries a single claim. */
  readonly key: string | undefined;
}

/** A place in the queue of a key, as we ask for it. The same claim may be asked for again: it is one claim still. */
export interface ClaimRequest extends LockSpec {
  readonly lease: Lease;
  /** Unique within the lease. */
  readonly id: string;
  /** When it was made, for people to read. */
  readonly since: Date;
  readonly meta: JsonValue | undefined;
}

/** A claim as it stands in the queue on the server: ours, a peer's, or one nobody can read. */
export interface QueuedClaim {
  /** What tells it from any other claim of the same queue. */
  readonly id: string;
  /** Its place and its fencing token: v3 create_revision, v2 createdIndex. */
  readonly token: bigint;
  /** Changes when somebody writes over the claim. */
  readonly stamp: string;
  readonly kind: LockKind;
  readonly permits?: number | undefined;
  readonly owner: string;
  readonly since: Date | undefined;
  readonly meta: JsonValue | undefined;
  /** What a candidate proposes, or a peer has written; nothing for the claim of a lock. */
  readonly value?: string | undefined;
  /** What somebody has written over it who wants it to go. */
  readonly revocation?: Revocation | undefined;
}

/** All claims of one key at one moment of the server, oldest first. Always complete. */
export interface Queue {
  readonly key: string;
  /** The server's revision at which this was so. Grows. */
  readonly revision: bigint;
  readonly claims: readonly QueuedClaim[];
}

/**
 * What became of an attempt to queue. `entered`: as it was at that revision of the server (who asks again finds a claim
 * that may have been written over), with the queue where the answer showed all of it.
 * `refused`: a queue with one place, and it is taken.
 */
export type EnqueueResult =
  | {
      readonly status: 'entered';
      readonly revision: bigint;
      readonly claim: QueuedClaim;
      readonly queue: Queue | undefined;
    }
  | { readonly status: 'refused'; readonly queue: Queue }
  | { readonly status: 'lease-gone' };

/** What became of an attempt to queue at several keys: in at all of them at one revision, in the order of the claims, or at none. */
export type EnqueueAllResult =
  | {
      readonly status: 'entered';
      readonly revision: bigint;
      readonly places: readonly { readonly claim: QueuedClaim; readonly queue: Queue | undefined }[];
    }
  | { readonly status: 'lease-gone' };

/** The acknowledgement of a leave, and whether the claim that was asked about, next in the queue, is still there. */
export interface DequeueResult {
  readonly successor: 'there' | 'gone' | 'unknown';
}

/** What became of a renewal: the TTL granted from now on, or why there is nothing left to renew. */
export type RenewResult =
  | { readonly status: 'renewed'; readonly ttl: number }
  | {
      readonly status: 'gone';
      readonly reason: 'session' | 'deleted' | 'overwritten';
      readonly cause?: Error | undefined;
    };

/** The claim as it is once something was to be written over it, if it still is; at this revision of the server. */
export interface RewriteResult {
  readonly claim: QueuedClaim | undefined;
  readonly revision: bigint;
}

/** Says whether a claim of the audited lease is there. */
export type Audit = (key: string, claim: QueuedClaim) => boolean;

/** A lock server, as the engine sees it. `timeout` is how long the engine listens for the answer, milliseconds. */
export interface LockBackend {
  /** The name used in errors and events. */
  readonly name: string;
  /**
   * What hangs on one lease. `session`: all claims of a `Locks`, and a queue admits everyone in order.
   * `claim`: a single claim, and a queue has one place: who comes later is refused and tries again.
   */
  readonly leasePer: 'session' | 'claim';
  /** Why the server cannot carry this lock, as a sentence that says what to do, or nothing. */
  objection(wanted: LockSpec): string | undefined;
  /** Notes about the backend's set-up that its user should know, told once as events. */
  readonly notes: readonly string[];

  /** Grants the lease. Asked again for the same id it answers as if for the first time. */
  grant(lease: Lease, timeout: number): Observable<{ readonly ttl: number }>;
  renew(lease: Lease, timeout: number): Observable<RenewResult>;
  /** Ends the lease and drops what hangs on it. One that is gone is fine. */
  revoke(lease: Lease, timeout: number): Observable<void>;

  /**
   * Puts the claim at the end of the queue. Asked again for the same claim it finds it where it is.
   * Without `look` the queue need not be read for the answer: whoever asks sees it already.
   */
  enqueue(claim: ClaimRequest, timeout: number, look: boolean): Observable<EnqueueResult>;
  /**
   * Takes exactly this claim out of the queue; one that is gone is fine. Without `entered` nobody knows whether it is
   * in: then an attempt to enter that arrives later still must fail, too. `successor` is the claim that holds from now on:
   * the same request looks whether it is still there.
   */
  dequeue(
    claim: ClaimRequest,
    entered: QueuedClaim | undefined,
    timeout: number,
    successor?: QueuedClaim,
  ): Observable<DequeueResult>;

  /**
   * Writes another value over the claim of a candidate, if that is still as we know it, and answers with the claim that
   * is there then, written or not. Not on a server that keeps no values.
   */
  proclaim?(claim: ClaimRequest, mine: QueuedClaim, value: string, timeout: number): Observable<RewriteResult>;

  /** Claims at several keys in one step. Not on a server that cannot. */
  readonly together?: Together;
  /** What can be done about the claims of others. Not on a server whose claims cannot say more than whose they are. */
  readonly others?: ForeignClaims;

  /**
   * The queue of a key now, and again whenever it changes. Errors when it can no longer be followed. With `from`, an
   * earlier view of it, it need not be read again: that view, once it is being followed, and what has changed since.
   */
  queue(key: string, timeout: number, from?: Queue): Observable<Queue>;
  /**
   * The queues of all keys that begin with the prefix: first of all those in which there are claims, then those that
   * have changed, with each change. Errors when they can no longer be followed. Not on a server that cannot tell.
   */
  queues?(prefix: string, timeout: number): Observable<readonly Queue[]>;
  /**
   * Asks whether whoever follows a queue would still be told: answers, or errors. Without an answer the streams of
   * `queue` cannot be relied on; where they share a connection, unsubscribing before the answer ends them with an error.
   */
  probe(timeout: number): Observable<void>;
  /** Which claims hang on the lease: one question for all, against the event that says one is gone and gets lost. */
  audit(lease: Lease, timeout: number): Observable<Audit>;

  /** Lets go of connections that the backend made for itself. Used again, it makes them anew. */
  close(): void;
}

/** Claims at several keys, each another one, of one lease. */
export interface Together {
  /** How many at a time. */
  readonly most: number;
  /** As {@link LockBackend.enqueue}: all of them come in, at one revision, or none. */
  enqueue(claims: readonly ClaimRequest[], timeout: number): Observable<EnqueueAllResult>;
  /** As {@link LockBackend.dequeue}: each is taken out if it is still the one that entered. */
  dequeue(
    claims: readonly ClaimRequest[],
    entered: readonly QueuedClaim[] | undefined,
    timeout: number,
  ): Observable<DequeueResult>;
}

/** The claims of others, which stand in the queue of the key. */
export interface ForeignClaims {
  /**
   * Writes over the claim that it is wanted back, if it is still as we know it, and answers with the claim that is there
   * then, written or not. Its lease stays what it is.
   */
  ask(key: string, claim: QueuedClaim, revocation: Revocation, timeout: number): Observable<RewriteResult>;
  /** Takes it out of the queue, whatever is written there by now; one that is gone is fine. */
  remove(key: string, claim: QueuedClaim, timeout: number): Observable<void>;
}
