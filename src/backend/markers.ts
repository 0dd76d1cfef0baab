/**
 * What a server can keep beside the queue of a key: the marker that its work is done (`runOnce`).
 */
import type { Observable } from 'rxjs';
import type { ClaimRequest, Lease, QueuedClaim } from './claims.js';

/** What is left beside the queue of a key for a while: that its work is done, and what came of it. */
export interface Marker {
  /** Greater than that of every earlier marker of the key. */
  readonly token: bigint;
  /** Not looked into by a backend. */
  readonly value: string;
}

/** The marker of a key, or that there is none, at one moment of the server. */
export interface MarkerView {
  readonly key: string;
  /** The server's revision at which this was so. Grows. */
  readonly revision: bigint;
  readonly marker: Marker | undefined;
}

/** A marker that is to be written by the holder of the key. */
export interface MarkRequest {
  /** The claim by which the key is held, as it was asked for and as it is in the queue. */
  readonly claim: ClaimRequest;
  readonly mine: QueuedClaim;
  /** The marker's own, for as long as it is kept; never renewed. No other marker has it: that is how it is known again. */
  readonly lease: Lease;
  readonly value: string;
}

/**
 * What became of it. `written`: it is there, by this request or by an earlier attempt of it. `taken`: another marker is
 * there, by somebody who does not hold the key. `gone`: our claim is not in the queue any more, so nothing is written.
 */
export type MarkResult = 'written' | 'taken' | 'gone';

/** The markers of keys. Never below the name of the key: there, they would be in the way of peers. */
export interface Markers {
  /** As it is now: no older than the request. */
  read(key: string, timeout: number): Observable<MarkerView>;
  /**
   * As it is now, and again whenever it changes. Errors when it can no longer be followed. `from` is a view of this
   * backend from which on it is followed: that need not be read again.
   */
  follow(key: string, timeout: number, from?: MarkerView): Observable<MarkerView>;
  /** Writes it in one step with the comparison that our claim is in the queue. Asked again, it finds what is there. */
  write(request: MarkRequest, timeout: number): Observable<MarkResult>;
  /**
   * For an attempt to write that nobody knows the end of: from the answer on it can come in no more. What is written
   * stays, what was prepared for it is taken back. Our claim is taken out of the queue for that, if it still is there.
   */
  withdraw(request: MarkRequest, timeout: number): Observable<void>;
}
