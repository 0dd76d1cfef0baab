/**
 * Who blocks whom. Every kind of lock is the same queue of claims, oldest first, with another rule here.
 * The rules are pure and total: a table tests them.
 */
import type { LockKind, QueuedClaim } from './port.js';

/** How many of the claims before `place` keep the claim at `place` from holding; 0 means that it holds. */
export type Blockers = (claims: readonly QueuedClaim[], place: number) => number;

const RULES: Readonly<Record<LockKind, Blockers>> = {
  mutex: (_, place) => place,
};

/** The rule of the claim's own kind. What peers write and what we cannot read counts as a mutex. */
export const blockers: Blockers = (claims, place) => RULES[claims[place]?.kind ?? 'mutex'](claims, place);

/** The claims that hold. Whoever is behind a blocked claim is blocked too, so they are the first few of the queue. */
export function holding(claims: readonly QueuedClaim[]): readonly QueuedClaim[] {
  const firstBlocked = claims.findIndex((_, place) => blockers(claims, place) > 0);
  return firstBlocked < 0 ? claims : claims.slice(0, firstBlocked);
}
