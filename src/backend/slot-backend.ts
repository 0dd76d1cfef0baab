/**
 * The port to a server with one slot for each key.
 */
import type { Observable } from 'rxjs';
import type { ClaimRequest, Lease, Queue, QueuedClaim } from './claims.js';
import type { LockServer, RenewResult } from './lock-server.js';

/**
 * A server with one slot for each key and a TTL on the key itself. A claim takes the slot or is refused; a refused
 * client watches the slot and tries again. The queue of a key is its holder, or empty.
 */
export interface SlotBackend extends LockServer {
  /** The TTL that the server grants for a requested TTL, milliseconds. */
  grantedTtl(asked: number): number;
  /** Takes the slot if it is free. If an attempt whose answer was lost is repeated, it finds its own claim there. */
  take(claim: ClaimRequest, timeout: number): Observable<TakeResult>;
  /** Extends the TTL if the claim of this lease is still in its slot. */
  renew(lease: Lease, timeout: number): Observable<RenewResult>;
  /** Frees the slot if this claim is in it. */
  release(claim: ClaimRequest, timeout: number): Observable<void>;

  // A backend may leave out the members below; their defaults are in defaults.ts.

  /**
   * Leaves this claim in its slot for `ms` from now, if it is there; a late renewal does not shorten that. A repeated
   * request changes nothing more. For `atLeast`.
   */
  keep?(claim: ClaimRequest, ms: number, timeout: number): Observable<void>;
}

/** The answer to a try: our claim in its slot, or the holder that is there instead. */
export type TakeResult =
  | { readonly status: 'taken'; readonly claim: QueuedClaim; readonly queue: Queue }
  | { readonly status: 'refused'; readonly queue: Queue };
