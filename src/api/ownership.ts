/**
 * Who holds a lock, as observers see it.
 */
import type { JsonValue } from './json.js';
import type { Revocation } from './revocation.js';

/** The kinds of lock a claim can be for. */
export type LockKind = 'mutex' | 'semaphore' | 'read' | 'write';

/** A holder of a lock. */
export interface Holder {
  /** The label that the holder chose. No rule depends on it. */
  readonly owner: string;
  readonly kind: LockKind;
  readonly fencingToken: bigint;
  /**
   * When its claim was queued, by its own wall clock; not known on etcd v2 and for claims of other programs, such as
   * `etcdctl lock`.
   */
  readonly since?: Date;
  /**
   * When it began to hold, by the wall clock of the observer that saw it. Not known if the observer came later, or
   * could not follow the server at that moment.
   */
  readonly heldSince?: Date;
  /** The `meta` of the holder. */
  readonly meta?: JsonValue;
  /** The request to release, if there is one. */
  readonly revocation?: Revocation;
  /** Writes the token as a string: JSON has no bigint. */
  toJSON(): JsonValue;
}

/**
 * The state of a lock, as an observer sees it. `unknown` while the server cannot be followed, which may take half a ttl
 * to find out.
 */
export type Ownership =
  | { readonly status: 'free'; readonly key: string }
  | {
      readonly status: 'held';
      readonly key: string;
      readonly holders: readonly Holder[];
      /** How many claims wait behind the holders; not known on etcd v2, where waiters write nothing. */
      readonly waiting?: number;
      /**
       * The waiters behind the holders, oldest first. Computed when it is read, and not part of the JSON. Not known on
       * etcd v2.
       */
      readonly waiters?: readonly Holder[];
    }
  | { readonly status: 'unknown'; readonly key: string; readonly cause: Error };

/** The states of many locks. */
export interface Ownerships {
  /**
   * By key, the locks that are held or `unknown`. Each emission has the same map, kept up to date: copy it if you want
   * to compare later.
   */
  readonly all: ReadonlyMap<string, Ownership>;
  /** The locks that changed; `free` for those that left `all`. */
  readonly changed: readonly Ownership[];
  /**
   * Why the server cannot be followed at the moment. Then all locks are `unknown`, and there may be locks that are not
   * listed.
   */
  readonly cause?: Error;
}
