/**
 * The state machine of a contender: what a view of the queue means for one claim in it. Pure.
 */
import { blockers } from './blockers.js';
import type { QueuedClaim } from './port.js';

/** Where a claim stands. */
export type Place =
  | { readonly status: 'first' }
  | { readonly status: 'blocked'; readonly ahead: number }
  | { readonly status: 'gone'; readonly reason: 'deleted' | 'overwritten' };

const FIRST: Place = { status: 'first' };

/**
 * Finds `mine` among the claims of its queue by its token, which is unique per key. A claim deleted and made again has
 * another token, so it is `deleted`; one with our token and another stamp was written over by somebody.
 */
export function placeOf(claims: readonly QueuedClaim[], mine: QueuedClaim): Place {
  const place = indexOf(claims, mine.token);
  const found = claims[place];
  if (!found) return { status: 'gone', reason: 'deleted' };
  if (found.id !== mine.id || found.stamp !== mine.stamp) return { status: 'gone', reason: 'overwritten' };
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

/**
 * Those of ours, in the order of their tokens, that are not in the queue any more as they were. A view older than a
 * claim says nothing about it.
 */
export function missingFrom<Ours extends { readonly mine: QueuedClaim }>(
  claims: readonly QueuedClaim[],
  ours: readonly Ours[],
  revision: bigint,
): readonly Ours[] {
  let place = 0;
  return ours.filter(({ mine }) => {
    if (mine.token > revision) return false;
    for (let there = claims[place]; there && there.token < mine.token; there = claims[place]) place += 1;
    const found = claims[place];
    return found?.token !== mine.token || found.id !== mine.id || found.stamp !== mine.stamp;
  });
}
