/**
 * The port to a server with one slot for each key.
 */
import type { Observable } from 'rxjs';
import type { ClaimRequest, Lease, Queue, QueuedClaim } from './claims.js';
import type { LockServer, RenewResult } from './lock-server.js';

/**
 * A server with one slot for each key and a TTL on the key itself. A claim is let in or refused, and a refused client
 * watches the slot and tries again. The queue of a key is its holder, or empty.
 */
export interface SlotBackend extends LockServer {
  /** The TTL that the server grants when this one is asked for, milliseconds. */
  grantedTtl(asked: number): number;
  /** Takes the slot if it is free. Finds this very claim in it when an attempt whose answer was lost is repeated. */
  take(claim: ClaimRequest, timeout: number): Observable<TakeResult>;
  /** Extends the TTL if the claim of this lease is still in its slot. */
  renew(lease: Lease, timeout: number): Observable<RenewResult>;
  /** Frees the slot if this claim is in it. */
  release(claim: ClaimRequest, timeout: number): Observable<void>;

  // What follows may be left out: defaults.ts.

  /**
   * Leaves this claim in its slot for `ms` from now, if it is there; a late renewal does not change that. Asked again, it
   * finds it done. For `atLeast`.
   */
  keep?(claim: ClaimRequest, ms: number, timeout: number): Observable<void>;
}

/** The answer to a try: the claim as it is in its slot, or what is there instead. */
export type TakeResult =
  | { readonly status: 'taken'; readonly claim: QueuedClaim; readonly queue: Queue }
  | { readonly status: 'refused'; readonly queue: Queue };
