/**
 * Who blocks whom. Every kind of lock is the same queue of claims, oldest first, with another rule here.
 * The rules are pure and total: a table tests them.
 */
import type { LockKind, QueuedClaim } from './port.js';

/** The earlier claims that keep `mine` from holding; empty means that it holds. */
export type Blockers = (earlier: readonly QueuedClaim[], mine: QueuedClaim) => readonly QueuedClaim[];

const RULES: Readonly<Record<LockKind, Blockers>> = {
  mutex: (earlier) => earlier,
};

/** The rule of the claim's own kind. What peers write and what we cannot read counts as a mutex. */
export const blockers: Blockers = (earlier, mine) => RULES[mine.kind](earlier, mine);

/** The claims that hold. Whoever is behind a blocked claim is blocked too, so they are the first few of the queue. */
export function holding(claims: readonly QueuedClaim[]): readonly QueuedClaim[] {
  const firstBlocked = claims.findIndex((claim, place) => blockers(claims.slice(0, place), claim).length > 0);
  return firstBlocked < 0 ? claims : claims.slice(0, firstBlocked);
}
