/**
 * The state machine of a contender: what a view of the queue means for one claim in it. Pure.
 */
import type { ForeignWrite } from '../api/revocation.js';
import { blockers } from './blockers.js';
import type { QueuedClaim } from '../backend/port.js';

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
 * Those of ours, in the order of their tokens, that are not in the queue any more as they were. A view older than what
 * we know of a claim says nothing about it.
 */
export function lostClaims<One extends OwnClaim>(
  claims: readonly QueuedClaim[],
  ours: readonly One[],
  revision: bigint,
): readonly One[] {
  let place = 0;
  return ours.filter((one) => {
    const { mine, knownAt } = one;
    if (knownAt > revision) return false;
    for (let there = claims[place]; there && there.token < mine.token; there = claims[place]) place += 1;
    const found = claims[place];
    return !found || !isUnmodified(found, one);
  });
}
