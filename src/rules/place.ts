/**
 * The state machine of a contender: what a view of the queue means for one claim in it. Pure.
 */
import type { ForeignWrite } from '../api/revocation.js';
import { blockers } from './blockers.js';
import type { Queue, QueuedClaim } from '../backend/port.js';

/** Where a claim stands. */
export type QueuePosition =
  | { readonly status: 'first' }
  | { readonly status: 'blocked'; readonly ahead: number }
  | {
      readonly status: 'gone';
      readonly reason: 'deleted' | 'overwritten' | 'revoked';
      /** Who has written over it, and why. */
      readonly by?: ForeignWrite;
    };

const FIRST: QueuePosition = { status: 'first' };

/**
 * Finds `mine` among the claims of its queue by its token, which is unique per key. A claim deleted and made again has
 * another token, so it is `deleted`; one with our token and another stamp was written over by somebody.
 */
export function placeOf(claims: readonly QueuedClaim[], mine: QueuedClaim): QueuePosition {
  const place = indexOf(claims, mine.token);
  const found = claims[place];
  if (!found) return { status: 'gone', reason: 'deleted' };
  if (found.id !== mine.id || found.stamp !== mine.stamp) {
    return { status: 'gone', reason: found.revocation ? 'revoked' : 'overwritten', by: found };
  }
  const ahead = blockers(claims, place);
  return ahead === 0 ? FIRST : { status: 'blocked', ahead };
}

/** Binary search for a token, -1 where it is not: queues are in the order of their tokens, and can be long. */
export function indexOf(claims: readonly Pick<QueuedClaim, 'token'>[], token: bigint): number {
  const at = placeFor(claims, token);
  return claims[at]?.token === token ? at : -1;
}

/** Where a token belongs in a queue: the number of those before it. */
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

/** A claim of ours, and what it may say instead by now. */
export interface OwnClaim {
  readonly mine: QueuedClaim;
  /** The revision at which it was so: no older view says anything about it. */
  readonly knownAt: bigint;
  /** Values that are on their way to be written over it. */
  readonly proposed?: ReadonlySet<string> | undefined;
}

/** Whether a claim in the queue is ours as we wrote it, or are about to. */
export function isUnmodified(found: QueuedClaim, { mine, proposed }: OwnClaim): boolean {
  if (found.token !== mine.token || found.id !== mine.id) return false;
  if (found.stamp === mine.stamp || isRevocationRequest(found, mine)) return true;
  return found.value !== undefined && (proposed?.has(found.value) ?? false);
}

/** Whether all that was written over our claim is that somebody would like to have it. With no time left it is taken. */
export function isRevocationRequest({ revocation, kind, permits, value }: QueuedClaim, mine: QueuedClaim): boolean {
  if (!revocation || revocation.within === 0) return false;
  return kind === mine.kind && permits === mine.permits && value === undefined && mine.value === undefined;
}

/**
 * Whether our claim is not in the queue any more as it was. A view older than what we know of a claim says nothing about
 * it.
 */
export function isLost({ claims, revision }: Queue, own: OwnClaim): boolean {
  if (own.knownAt > revision) return false;
  const found = claims[indexOf(claims, own.mine.token)];
  return !found || !isUnmodified(found, own);
}

/**
 * Which part of a queue is not as it was: the claims before `start` are the same, and so are those that were behind
 * `end`. Told by identity, since a queue can be long and mostly one claim comes or goes: a claim that is read again
 * counts as changed.
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

/** The claims without one of them. */
export function without(claims: readonly QueuedClaim[], token: bigint): readonly QueuedClaim[] {
  const place = indexOf(claims, token);
  if (place < 0) return claims;
  const rest = claims.slice();
  rest.splice(place, 1);
  return rest;
}
