/**
 * The state machine of a contender: what a view of the queue means for one claim in it. Pure.
 */
import { blockers, holding } from './blockers.js';
import type { Queue, QueuedClaim } from './port.js';

/** Where a claim stands. */
export type Place =
  | { readonly status: 'first' }
  | { readonly status: 'blocked'; readonly ahead: number; readonly holders: readonly QueuedClaim[] }
  | { readonly status: 'gone'; readonly reason: 'deleted' | 'overwritten' };

const FIRST: Place = { status: 'first' };

/**
 * Finds `mine` in the queue by its token, which is unique per key. A claim deleted and made again has another token,
 * so it is `deleted`; one with our token and another stamp was written over by somebody.
 */
export function placeOf(queue: Queue, mine: QueuedClaim): Place {
  const { claims } = queue;
  const place = indexOf(claims, mine.token);
  const found = place === undefined ? undefined : claims[place];
  if (place === undefined || !found) return { status: 'gone', reason: 'deleted' };
  if (found.id !== mine.id || found.stamp !== mine.stamp) return { status: 'gone', reason: 'overwritten' };
  const ahead = blockers(claims, place);
  return ahead === 0 ? FIRST : { status: 'blocked', ahead, holders: holding(claims) };
}

/** Binary search: the queue is in the order of its tokens, and a thousand waiters look at each view. */
function indexOf(claims: readonly QueuedClaim[], token: bigint): number | undefined {
  let low = 0;
  let high = claims.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = claims[middle];
    if (!found) return undefined;
    if (found.token === token) return middle;
    if (found.token < token) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}
