/**
 * Who holds what, as observers see it.
 */
import type { JsonValue } from './json.js';
import type { Revocation } from './revocation.js';

/** The kinds of lock a claim can be for. */
export type LockKind = 'mutex' | 'semaphore' | 'read' | 'write';

/** One who holds a lock. */
export interface Holder {
  /** The label the holder gave itself; says who it is, never decides anything. */
  readonly owner: string;
  readonly kind: LockKind;
  readonly fencingToken: bigint;
  /** When it queued, by its own wall clock; unknown on etcd v2 and for peers such as `etcdctl lock`. */
  readonly since?: Date;
  /**
   * When it began to hold, by the wall clock of the observer, who saw it happen: unknown to one who came later, and
   * where it happened while the server could not be followed.
   */
  readonly heldSince?: Date;
  /** What it gave as `meta`. */
  readonly meta?: JsonValue;
  /** That it was asked to give it back, and why. */
  readonly revocation?: Revocation;
  /** Writes the token as a string: JSON has no bigint. */
  toJSON(): JsonValue;
}

/** The state of a lock, seen from outside. `unknown` while the server cannot be followed, which may take half a ttl to find out. */
export type Ownership =
  | { readonly status: 'free'; readonly key: string }
  | {
      readonly status: 'held';
      readonly key: string;
      readonly holders: readonly Holder[];
      /** How many queue behind the holders; not known on etcd v2, whose waiters leave no trace. */
      readonly waiting?: number;
      /** Who queues behind the holders, oldest first, made when it is read; it is not part of the JSON. Not known on etcd v2. */
      readonly waiters?: readonly Holder[];
    }
  | { readonly status: 'unknown'; readonly key: string; readonly cause: Error };

/** The states of many locks. */
export interface Ownerships {
  /**
   * By key, those that are held or of which nothing is known at the moment. The same map each time, kept up to date: copy
   * what is to be compared later.
   */
  readonly all: ReadonlyMap<string, Ownership>;
  /** What is new, `free` for those that left `all`. */
  readonly changed: readonly Ownership[];
  /** Why the server cannot be followed at the moment: then all are `unknown`, and there may be others. */
  readonly cause?: Error;
}
