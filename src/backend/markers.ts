/**
 * Markers: kept beside the queue of a key, they say that its work is done (`runOnce`).
 */
import type { Observable } from 'rxjs';
import type { ClaimRequest, Lease, QueuedClaim } from './claims.js';

/** Says for some time that the work of a key is done, and with what result. */
export interface Marker {
  /** Greater than the token of every earlier marker of the key. */
  readonly token: bigint;
  /** Opaque to a backend. */
  readonly value: string;
}

/** The marker of a key at one revision of the server, if there is one. */
export interface MarkerView {
  readonly key: string;
  /** The revision of the server at which this was so. It only grows. */
  readonly revision: bigint;
  readonly marker: Marker | undefined;
}

/** The request of the holder of a key to write a marker. */
export interface MarkRequest {
  /** The claim that holds the key: the request, and the claim in the queue. */
  readonly claim: ClaimRequest;
  readonly mine: QueuedClaim;
  /**
   * The marker's own lease: its TTL is how long the marker is kept, and it is never renewed. It also identifies the
   * marker.
   */
  readonly lease: Lease;
  readonly value: string;
}

/**
 * The outcome. `written`: the marker is there, by this attempt or an earlier one. `taken`: another marker is there,
 * and the engine revokes the lease of the refused one. `gone`: our claim is no longer in the queue, so nothing was written. `lease-gone`: nor is any other claim on its lease.
 */
export type MarkResult = 'written' | 'taken' | 'gone' | 'lease-gone';

/** The markers of keys. They are not stored below the key itself: there they would block other programs. */
export interface Markers {
  /** The marker now: not older than the request. */
  read(key: string, timeout: number): Observable<MarkerView>;
  /**
   * Emits the marker now, and at each change. Errors when it can no longer be watched. With `from`, a view of this
   * backend, the marker need not be read again: it is watched from that view on.
   */
  follow(key: string, timeout: number, from?: MarkerView): Observable<MarkerView>;
  /**
   * Writes the marker only if our claim is in the queue, in one atomic step. A repeated request finds its own marker.
   */
  write(request: MarkRequest, timeout: number): Observable<MarkResult>;
  /**
   * For an attempt to write whose outcome is unknown: after the answer it can no longer arrive. A written marker stays;
   * anything that was prepared for it is removed. To that end our claim is removed from the queue, if it is still
   * there.
   */
  withdraw(request: MarkRequest, timeout: number): Observable<void>;
}
