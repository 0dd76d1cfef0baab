/**
 * Who holds what, as observers see it.
 */
import { holding } from './blockers.js';
import type { JsonValue } from './json.js';
import type { LockKind, Queue, QueuedClaim } from './port.js';

/** One who holds a lock. */
export interface Holder {
  /** The label the holder gave itself; says who it is, never decides anything. */
  readonly owner: string;
  readonly kind: LockKind;
  readonly fencingToken: bigint;
  /** When it queued, by its own wall clock; unknown on etcd v2 and for peers such as `etcdctl lock`. */
  readonly since?: Date;
  /** What it gave as `meta`. */
  readonly meta?: JsonValue;
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
    }
  | { readonly status: 'unknown'; readonly key: string; readonly cause: Error };

/** The holder that a claim in the queue stands for. */
export function holderOf({ owner, kind, token, since, meta }: QueuedClaim): Holder {
  const known = { ...(since && { since }), ...(meta !== undefined && { meta }) };
  return {
    owner,
    kind,
    fencingToken: token,
    ...known,
    toJSON: () => ({
      owner,
      kind,
      fencingToken: token.toString(),
      ...(since && { since: since.toISOString() }),
      ...(meta !== undefined && { meta }),
    }),
  };
}

/** Who holds, of all who are queued. */
export const holdersOf = (queue: Queue): readonly Holder[] => holding(queue.claims).map(holderOf);

/** The state of a lock, read off its queue. `waitersQueue`: whether who waits is in the queue as well. */
export function ownershipOf(queue: Queue, waitersQueue: boolean): Ownership {
  const { key, claims } = queue;
  if (claims.length === 0) return { status: 'free', key };
  const holders = holdersOf(queue);
  return { status: 'held', key, holders, ...(waitersQueue && { waiting: claims.length - holders.length }) };
}
