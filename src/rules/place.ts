/**
 * What a view of the queue means for one claim in it. Pure.
 */
import type { ForeignWrite } from '../api/revocation.js';
import { blockers } from './blockers.js';
import type { Queue, QueuedClaim } from '../backend/port.js';

/** The position of a claim in its queue. */
export type QueuePosition =
  | { readonly status: 'first' }
  | { readonly status: 'blocked'; readonly ahead: number }
  | {
      readonly status: 'gone';
      readonly reason: 'deleted' | 'overwritten' | 'revoked';
      /** What was written over the claim. */
      readonly by?: ForeignWrite;
    };

const FIRST: QueuePosition = { status: 'first' };

/**
 * Finds `mine` in its queue by its token, which is unique per key. A claim that was deleted and created again has
 * another token, so ours is `deleted`. A claim with our token and another stamp was overwritten.
 */
export function placeOf(claims: readonly QueuedClaim[], mine: QueuedClaim): QueuePosition {
  const place = indexOf(claims, mine.token);
  const found = claims[place];
  if (!found) return { status: 'gone', reason: 'deleted' };
  if (!isSameClaim(found, mine)) {
    return { status: 'gone', reason: found.revocation ? 'revoked' : 'overwritten', by: found };
  }
  const ahead = blockers(claims, place);
  return ahead === 0 ? FIRST : { status: 'blocked', ahead };
}

/** Whether nobody has written over the claim, nor deleted it and created it again. */
const isSameClaim = (found: QueuedClaim, known: QueuedClaim): boolean =>
  found.id === known.id && found.stamp === known.stamp;

/** Whether a claim is still in the queue, as it was. */
export function isAsBefore(claims: readonly QueuedClaim[], known: QueuedClaim): boolean {
  const found = claims[indexOf(claims, known.token)];
  return found !== undefined && isSameClaim(found, known);
}

/**
 * The index of a token, -1 if it is not there. A binary search: queues are in the order of their tokens, and can be
 * long.
 */
export function indexOf(claims: readonly Pick<QueuedClaim, 'token'>[], token: bigint): number {
  const at = placeFor(claims, token);
  return claims[at]?.token === token ? at : -1;
}

/** The place of a token in a queue: the number of claims with a lower token. */
export function placeFor(claims: readonly Pick<QueuedClaim, 'token'>[], token: bigint): number {
  let low = 0;
  let high = claims.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const there = claims[middle];
    if (there && there.token < token) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A claim of ours, and the changes to it that we expect. */
export interface OwnClaim {
  readonly mine: QueuedClaim;
  /** The revision at which the claim was known to be so: an older view says nothing about it. */
  readonly knownAt: bigint;
  /** Values that we are about to write over it. */
  readonly proposed?: ReadonlySet<string> | undefined;
}

/** Whether a claim in the queue is ours, as we wrote it or are about to write it, or with a request to release. */
export function isUnmodified(found: QueuedClaim, { mine, proposed }: OwnClaim): boolean {
  if (found.token !== mine.token || found.id !== mine.id) return false;
  if (found.stamp === mine.stamp || isRevocationRequest(found, mine)) return true;
  return found.value !== undefined && (proposed?.has(found.value) ?? false);
}

/**
 * Whether only a request to release was written over our claim. With `within: 0` it is not a request: the lock is
 * taken.
 */
export function isRevocationRequest({ revocation, kind, permits, value }: QueuedClaim, mine: QueuedClaim): boolean {
  if (!revocation || revocation.within === 0) return false;
  return kind === mine.kind && permits === mine.permits && value === undefined && mine.value === undefined;
}

/**
 * Whether our claim is no longer in the queue, or was overwritten. A view that is older than our knowledge of the claim
 * proves nothing.
 */
export function isLost({ claims, revision }: Queue, own: OwnClaim): boolean {
  if (own.knownAt > revision) return false;
  const found = claims[indexOf(claims, own.mine.token)];
  return !found || !isUnmodified(found, own);
}

/**
 * The part of a queue that changed: the claims before `start` are the same, and so are those from `end` on (counted in
 * `before`). Claims are compared by identity, which is fast for a long queue where mostly one claim comes or goes; a
 * claim that was read again counts as changed.
 */
export function changedPart(
  before: readonly QueuedClaim[],
  after: readonly QueuedClaim[],
): { readonly start: number; readonly end: number } {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  const grown = after.length - before.length;
  let end = before.length;
  while (end > start && end + grown > start && before[end - 1] === after[end - 1 + grown]) end -= 1;
  return { start, end };
}

/** The claims without the one that has this token. */
export function without(claims: readonly QueuedClaim[], token: bigint): readonly QueuedClaim[] {
  const place = indexOf(claims, token);
  if (place < 0) return claims;
  const rest = claims.slice();
  rest.splice(place, 1);
  return rest;
}
