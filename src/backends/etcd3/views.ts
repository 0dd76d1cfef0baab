/**
 * The views that a watch keeps up to date: one queue, the queues of all keys with a prefix, or a marker.
 */
import type { Marker, MarkerView, Queue, QueuedClaim } from '../../backend/port.js';
import { appliedTo, byName, claimsOf, keyIn, markerName, only, rangeWithin } from './keys.js';
import type { StoredClaim } from './keys.js';
import type { Following } from './watches.js';

export const QUEUE: Following<Queue> = {
  range: ({ key }, turn) => rangeWithin(`${key}/`, turn),
  revision: ({ revision }) => revision,
  applied: appliedTo,
};

/** One claim in a queue: whether it is still there, as it was. */
export interface ClaimView {
  readonly key: string;
  readonly claim: QueuedClaim;
  readonly revision: bigint;
  readonly isAsBefore: boolean;
}

export const CLAIM: Following<ClaimView> = {
  range: ({ key, claim }, turn) => only(keyIn(key, claim), turn),
  revision: ({ revision }) => revision,
  applied: (view, changes) => ({ ...view, isAsBefore: view.isAsBefore && changes.length === 0 }),
};

/** The queues of all keys with a prefix. `queues` is the same map in each view. */
export interface PrefixView {
  readonly prefix: string;
  readonly revision: bigint;
  readonly queues: Map<string, Queue>;
  readonly changed: readonly Queue[];
}

export function prefixViewOf(prefix: string, revision: bigint, stored: readonly StoredClaim[]): PrefixView {
  const queues = new Map<string, Queue>();
  for (const [key, entries] of byName(stored, (entry) => entry.key)) {
    if (key.startsWith(prefix)) queues.set(key, { key, revision, claims: claimsOf(key, entries) });
  }
  return { prefix, revision, queues, changed: [...queues.values()] };
}

export const PREFIX: Following<PrefixView> = {
  range: ({ prefix }, turn) => rangeWithin(prefix, turn),
  revision: ({ revision }) => revision,
  applied({ prefix, queues, ...region }, changes) {
    const changed: Queue[] = [];
    for (const [key, own] of byName(changes, ({ kv }) => kv.key)) {
      if (!key.startsWith(prefix)) continue;
      const queue = appliedTo(queues.get(key) ?? { key, revision: region.revision, claims: [] }, own);
      if (queue.claims.length > 0) queues.set(key, queue);
      else queues.delete(key);
      changed.push(queue);
    }
    const last = changes.at(-1);
    return { prefix, queues, changed, revision: last ? BigInt(last.kv.mod_revision) : region.revision };
  },
};

const markerOf = ({ create_revision: token, value }: StoredClaim): Marker => ({
  token: BigInt(token),
  value: value.toString(),
});

export const markerViewOf = (key: string, revision: bigint, [stored]: readonly StoredClaim[]): MarkerView => ({
  key,
  revision,
  marker: stored && markerOf(stored),
});

export const MARKER: Following<MarkerView> = {
  range: ({ key }, turn) => only(Buffer.from(markerName(key)), turn),
  revision: ({ revision }) => revision,
  applied(view, changes) {
    const last = changes.at(-1);
    if (!last) return view;
    const { type, kv } = last;
    const marker = type === 'Put' ? markerOf(kv) : undefined;
    return { key: view.key, revision: BigInt(kv.mod_revision), marker };
  },
};
