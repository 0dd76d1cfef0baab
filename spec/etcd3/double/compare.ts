/**
 * Whether a comparison holds. Of a range it has to hold for every key there; a key that is not there reads as zeros.
 */
import type { Compare, KeyValue } from '../../../src/backends/etcd3/client/messages.js';
import type { Store } from './store.js';

const order = (a: bigint, b: bigint): number => (a === b ? 0 : a < b ? -1 : 1);

function compared(kv: KeyValue | undefined, one: Compare): number | undefined {
  const number = (there: string | undefined, asked: string | number | undefined) =>
    order(BigInt(there ?? 0), BigInt(asked ?? 0));
  switch (one.target ?? 'Version') {
    case 'Version':
      return number(kv?.version, one.version);
    case 'Create':
      return number(kv?.create_revision, one.create_revision);
    case 'Mod':
      return number(kv?.mod_revision, one.mod_revision);
    case 'Lease':
      return number(kv?.lease, one.lease);
    case 'Value':
      // No comparison with the value of what is not there holds.
      return kv && kv.value.compare(one.value ?? Buffer.of());
  }
}

function isSo(kv: KeyValue | undefined, one: Compare): boolean {
  const found = compared(kv, one);
  if (found === undefined) return false;
  switch (one.result ?? 'Equal') {
    case 'Equal':
      return found === 0;
    case 'NotEqual':
      return found !== 0;
    case 'Greater':
      return found > 0;
    case 'Less':
      return found < 0;
  }
}

export function holds(store: Store, one: Compare): boolean {
  const there = store.in(one);
  return there.length === 0 ? isSo(undefined, one) : there.every((kv) => isSo(kv, one));
}
