/**
 * Derives who holds a lock from its queue.
 */
import { withJson } from '../api/json.js';
import type { Holder, Ownership } from '../api/ownership.js';
import { isSameRevocation, writtenRevocation } from '../api/revocation.js';
import type { Queue, QueuedClaim } from '../backend/port.js';
import { holding } from './blockers.js';

type Held = Extract<Ownership, { status: 'held' }>;

/** A claim in the queue, as a holder. */
export const holderOf = (claim: QueuedClaim): Holder => holderSince(claim, undefined);

function holderSince(claim: QueuedClaim, heldSince: Date | undefined): Holder {
  const { owner, kind, token, since, meta, revocation } = claim;
  const known = {
    ...(since && { since }),
    ...(heldSince && { heldSince }),
    ...(meta !== undefined && { meta }),
    ...(revocation && { revocation }),
  };
  return withJson({ owner, kind, fencingToken: token, ...known }, () => ({
    owner,
    kind,
    fencingToken: token.toString(),
    ...(since && { since: since.toISOString() }),
    ...(heldSince && { heldSince: heldSince.toISOString() }),
    ...(meta !== undefined && { meta }),
    ...(revocation && { revocation: writtenRevocation(revocation) }),
  }));
}

/** The holders of a queue. */
export const holdersOf = (queue: Queue): readonly Holder[] => holding(queue.claims).map(holderOf);

const isSameHolder = (a: Holder, b: Holder | undefined): boolean =>
  a.fencingToken === b?.fencingToken && isSameRevocation(a.revocation, b.revocation);

/** Whether an observer would see no difference. */
export function isSameOwnership(a: Ownership, b: Ownership): boolean {
  if (a.status === 'held' && b.status === 'held') {
    return (
      a.waiting === b.waiting &&
      a.holders.length === b.holders.length &&
      a.holders.every((holder, i) => isSameHolder(holder, b.holders[i])) &&
      (a.waiters ?? []).every((waiter, i) => isSameHolder(waiter, b.waiters?.[i]))
    );
  }
  // Each attempt that fails has a cause of its own; that nobody knows is told once.
  return a.status === b.status;
}

/** What an observer saw before. From that it derives since when a claim holds. */
export interface Seen {
  /** `undefined` at first, and after the state was unknown. */
  readonly before: Ownership | undefined;
  readonly now: Date;
}

/** Since when the claim holds: as seen before, or now if it did not hold before. Not known without an earlier state. */
function heldSince({ token }: QueuedClaim, { before, now }: Seen): Date | undefined {
  if (!before || before.status === 'unknown') return undefined;
  const there = before.status === 'held' && before.holders.find(({ fencingToken }) => fencingToken === token);
  return there ? there.heldSince : now;
}

/** The state of a lock, derived from its queue. `waitersQueue`: whether waiters are in the queue, too. */
export function ownershipOf(queue: Queue, waitersQueue: boolean, seen?: Seen): Ownership {
  const { key, claims } = queue;
  if (claims.length === 0) return { status: 'free', key };
  const holders = holding(claims).map((claim) => holderSince(claim, seen && heldSince(claim, seen)));
  if (!waitersQueue) return { status: 'held', key, holders };
  const waiting = claims.length - holders.length;
  return withWaiters({ status: 'held', key, holders, waiting }, () => claims.slice(holders.length).map(holderOf));
}

/** Adds `waiters` as a getter: a queue may be long, and most observers use only its length. */
const withWaiters = (held: Held, waiters: () => readonly Holder[]): Held =>
  Object.defineProperty(held, 'waiters', { get: waiters });

/** The state of several locks as one: held while anybody holds any of them. */
export function ownershipOfAll(key: string, states: readonly Ownership[]): Ownership {
  const unknown = states.find((state) => state.status === 'unknown');
  if (unknown) return { status: 'unknown', key, cause: unknown.cause };
  const held = states.filter((state) => state.status === 'held');
  if (held.length === 0) return { status: 'free', key };
  const waiting = held.reduce((sum, state) => sum + (state.waiting ?? 0), 0);
  const holders = held.flatMap((one) => one.holders);
  return withWaiters({ status: 'held', key, holders, waiting }, () => held.flatMap(({ waiters = [] }) => waiters));
}
