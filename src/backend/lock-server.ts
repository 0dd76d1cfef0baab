/**
 * The part that both ports have in common.
 */
import type { Observable } from 'rxjs';
import type { LockSpec, Queue, QueuedClaim } from './claims.js';
import type { Markers } from './markers.js';

/** `timeout`, here and in both ports: how long the engine waits for the answer, milliseconds. */
export interface LockServer {
  /** The name of the backend in errors and events. */
  readonly name: string;
  /**
   * The queue of a key: emits it now, and at each change. Errors when it can no longer be watched.
   *
   * With `from`, an earlier view, the queue need not be read again: emit that view once the watch has begun, then the
   * changes since.
   *
   * With `until`, a claim in `from`, nothing need be told before that claim has left or changed: emit `from`, then the
   * queue as it is after that, then each change. A backend may ignore this.
   */
  queue(key: string, timeout: number, from?: Queue, until?: QueuedClaim): Observable<Queue>;

  // A backend may leave out the members below; their defaults are in defaults.ts.

  /** Notes for the user of this backend about its set-up. Each is reported once, as an event. */
  readonly notes?: readonly string[];
  /** Why the server cannot carry this lock, as a sentence that says what to do; `undefined` where it can. */
  objection?(spec: LockSpec): string | undefined;
  /**
   * Answers only if the streams of `queue` would still report a change, else errors. Without an answer the engine reads
   * all queues again. If the streams share a connection, unsubscribing before the answer ends them with an error.
   */
  probe?(timeout: number): Observable<void>;
  /** Markers that work is done, for `runOnce`. */
  readonly markers?: Markers;
  /** Closes the connections that the backend opened. A later call opens them again. */
  close?(): void;
}

/** The answer to a renewal: the new TTL, milliseconds, or why there is nothing left to renew. */
export type RenewResult =
  | { readonly status: 'renewed'; readonly ttl: number }
  | {
      readonly status: 'gone';
      readonly reason: 'session' | 'deleted' | 'overwritten';
      readonly cause?: Error | undefined;
    };
