/**
 * Who holds what, as observers see it.
 */
import { holding } from './blockers.js';
import type { JsonValue } from './json.js';
import type { LockKind, Queue, QueuedClaim } from './port.js';
import { isSameRevocation, writtenRevocation } from './revocation.js';
import type { Revocation } from './revocation.js';

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

type Held = Extract<Ownership, { status: 'held' }>;

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

/** The holder that a claim in the queue stands for. */
export function holderOf({ owner, kind, token, since, meta, revocation }: QueuedClaim): Holder {
  const known = { ...(since && { since }), ...(meta !== undefined && { meta }), ...(revocation && { revocation }) };
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
      ...(revocation && { revocation: writtenRevocation(revocation) }),
    }),
  };
}

/** Who holds, of all who are queued. */
export const holdersOf = (queue: Queue): readonly Holder[] => holding(queue.claims).map(holderOf);

const isSameHolder = (a: Holder, b: Holder | undefined): boolean =>
  a.fencingToken === b?.fencingToken && isSameRevocation(a.revocation, b.revocation);

/** Whether nothing changed that an observer would see. */
export function isSameOwnership(a: Ownership, b: Ownership): boolean {
  if (a.status === 'held' && b.status === 'held') {
    return (
      a.waiting === b.waiting &&
      a.holders.length === b.holders.length &&
      a.holders.every((holder, i) => isSameHolder(holder, b.holders[i])) &&
      (a.waiters ?? []).every((waiter, i) => isSameHolder(waiter, b.waiters?.[i]))
    );
  }
  return a.status === b.status && a.status === 'free';
}

/** The state of a lock, read off its queue. `waitersQueue`: whether who waits is in the queue as well. */
export function ownershipOf(queue: Queue, waitersQueue: boolean): Ownership {
  const { key, claims } = queue;
  if (claims.length === 0) return { status: 'free', key };
  const holders = holdersOf(queue);
  if (!waitersQueue) return { status: 'held', key, holders };
  const waiting = claims.length - holders.length;
  return withWaiters({ status: 'held', key, holders, waiting }, () => claims.slice(holders.length).map(holderOf));
}

/** A queue may be long, and most observers ask for its length alone. */
const withWaiters = (held: Held, waiters: () => readonly Holder[]): Held =>
  Object.defineProperty(held, 'waiters', { get: waiters });

/** The state of several locks as one: not free for whoever wants them all while anybody holds one of them. */
export function ownershipOfAll(key: string, states: readonly Ownership[]): Ownership {
  const unknown = states.find((state) => state.status === 'unknown');
  if (unknown) return { status: 'unknown', key, cause: unknown.cause };
  const held = states.filter((state) => state.status === 'held');
  if (held.length === 0) return { status: 'free', key };
  const waiting = held.reduce((sum, state) => sum + (state.waiting ?? 0), 0);
  const holders = held.flatMap((one) => one.holders);
  return withWaiters({ status: 'held', key, holders, waiting }, () => held.flatMap(({ waiters = [] }) => waiters));
}
