/**
 * Which claims block which. All kinds of lock use the same queue of claims, oldest first; they differ only in the rule
 * below. The rules are pure and total, so a table can test them.
 *
 * For all kinds: a claim behind a blocked claim is blocked, too (no claim overtakes another, so none waits for ever),
 * and a claim that holds keeps holding, whatever later claims come or go.
 */
import type { QueuedClaim } from '../backend/port.js';
import type { LockKind } from '../api/ownership.js';

/** The fields of a claim that decide which claims may hold together. */
export type Mode = Pick<QueuedClaim, 'kind' | 'permits'>;

/** How many of the claims before `place` keep the claim at `place` from holding; 0 means that it holds. */
type Rule = (claims: readonly Mode[], place: number) => number;

const exclusive: Rule = (_, place) => place;

const RULES: Readonly<Record<LockKind, Rule>> = {
  mutex: exclusive,
  write: exclusive,
  read: (claims, place) => count(claims, place, ({ kind }) => kind !== 'read'),
  // If clients disagree about the permits, the smallest number among this claim and those ahead of it applies. Other kinds have one.
  semaphore(claims, place) {
    let least = Infinity;
    for (let at = 0; at <= place; at += 1) least = Math.min(least, claims[at]?.permits ?? 1);
    return Math.max(0, place - least + 1);
  },
};

/** By the rule of the claim's own kind. Claims of other programs, and unreadable ones, count as mutexes. */
export const blockers: Rule = (claims, place) => RULES[claims[place]?.kind ?? 'mutex'](claims, place);

/** Whether a new claim behind all of these would have to wait. */
export const wouldWait = (ahead: readonly Mode[], mine: Mode): boolean => blockers([...ahead, mine], ahead.length) > 0;

/** The claims that hold. A claim behind a blocked claim is blocked, too, so they are the first few of the queue. */
export function holding<C extends Mode>(claims: readonly C[]): readonly C[] {
  const [first] = claims;
  if (!first) return claims;
  let least = first.permits ?? 1;
  for (let place = 1; place < claims.length; place += 1) {
    const { kind, permits = 1 } = claims[place] ?? first;
    least = Math.min(least, permits);
    // All claims before it hold, so they are of the same kind.
    const isBeside = kind === first.kind && (kind === 'read' || place < least);
    if (!isBeside) return claims.slice(0, place);
  }
  return claims;
}

function count(claims: readonly Mode[], before: number, isOne: (claim: Mode) => boolean): number {
  let found = 0;
  for (let at = 0; at < before; at += 1) {
    const claim = claims[at];
    if (claim && isOne(claim)) found += 1;
  }
  return found;
}
