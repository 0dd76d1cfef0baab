/**
 * The answer to a range: bounded by revisions, sorted, cut off, in that order.
 */
import type { KeyValue, RangeRequest } from '../../../src/backends/etcd3/client/messages.js';
import type { Store } from './store.js';

export interface Found {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: string;
}

const byRevision = (a: string, b: string): number => (BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0);

const ORDERS: Record<NonNullable<RangeRequest['sort_target']>, (a: KeyValue, b: KeyValue) => number> = {
  Key: (a, b) => a.key.compare(b.key),
  Value: (a, b) => a.value.compare(b.value),
  Version: (a, b) => byRevision(a.version, b.version),
  Create: (a, b) => byRevision(a.create_revision, b.create_revision),
  Mod: (a, b) => byRevision(a.mod_revision, b.mod_revision),
};

const isBetween = (revision: string, least: string | number | undefined, most: string | number | undefined): boolean =>
  BigInt(revision) >= BigInt(least ?? 0) && (BigInt(most ?? 0) === 0n || BigInt(revision) <= BigInt(most ?? 0));

export function query(store: Store, request: RangeRequest): Found {
  const all = store.in(request, BigInt(request.revision ?? 0));
  const count = all.length.toString();
  if (request.count_only) return { kvs: [], more: false, count };
  const kept = all.filter(
    (kv) =>
      isBetween(kv.mod_revision, request.min_mod_revision, request.max_mod_revision) &&
      isBetween(kv.create_revision, request.min_create_revision, request.max_create_revision),
  );
  const { sort_target: target = 'Key', sort_order: direction = target === 'Key' ? 'None' : 'Ascend' } = request;
  const order = ORDERS[target];
  if (direction !== 'None') kept.sort(direction === 'Ascend' ? order : (a, b) => order(b, a));
  const limit = Number(request.limit ?? 0);
  const kvs = limit > 0 ? kept.slice(0, limit) : kept;
  return {
    kvs: request.keys_only ? kvs.map((kv) => ({ ...kv, value: Buffer.of() })) : kvs,
    more: kvs.length < kept.length,
    count,
  };
}
