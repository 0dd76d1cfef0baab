/**
 * How a lock is written in etcd v2: the layout of microlock, one key whose value says whose it is.
 */
import type { Lease, MarkerView, Queue, QueuedClaim, LockSpec } from '../../backend/port.js';
import type { Answer, StoredKey } from './calls.js';

/** Where the store keeps the key, as its events name it. */
export const pathOf = (key: string): string => `/${key.replace(/^\//, '')}`;

/** What a URL cannot carry is encoded, as the server decodes it; a plain key is what microlock sends. */
export const urlOf = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** One key has one place. And the store's paths are cleaned like file paths: what they would change is another key. */
export function objectionTo({ key, kind, value }: LockSpec): string | undefined {
  if (kind !== 'mutex') {
    return `etcd v2 has one slot for each key and no queue, so it has no lock of kind ${kind}: use mutex(), or etcd v3.`;
  }
  if (value !== undefined) {
    return 'etcd v2 cannot store the value of a candidate: use whileLeader() over a mutex(), or etcd v3.';
  }
  const parts = key.replace(/^\//, '').split('/');
  if (!parts.some((part) => part === '' || part === '.' || part === '..')) return undefined;
  return 'etcd v2 keeps keys as paths: leave out empty parts, `.`, `..` and a `/` at the end.';
}

/** A TTL hangs on one key here, so every lease is for one. */
export function pathOfLease({ key }: Lease): string {
  if (key === undefined) throw new TypeError('a lease on etcd v2 is for one key: give it `key`.');
  return pathOf(key);
}

/**
 * Unique for each attempt to take the lock: renewal and release compare it, so that nobody frees what is another's.
 * The index cannot be compared, it moves with each renewal. The lease is the attempt's own here.
 *
 * The owner is a label that anybody may have chosen: half of a surrogate pair in it becomes U+FFFD here, as it does on
 * its way to the server. Else what the server has would never compare as what we wrote.
 */
export const valueOf = ({ owner, id }: Lease): string => `${Buffer.from(owner).toString()}#${id}`;

/** The queue of a key with one place: empty, or its holder. A directory at the key is nobody's lock. */
export function queueOf(key: string, { index, node }: Answer): Queue {
  return { key, revision: index, claims: node ? [decodeClaim(node)] : [] };
}

/** What a marker begins with. Nothing else of ours does, unless an owner calls itself so, and then it is no JSON. */
const MARKED = '{"rxlock":"done",';

/**
 * A key has room for one value, so the marker of a key is written over the claim of its holder and says which one that
 * was: until it expires the key is taken by that claim, for everybody who does not know markers.
 */
export const encodeMarker = (claim: string, value: string): string =>
  `${MARKED}${JSON.stringify({ claim, value }).slice(1)}`;

/** The marker that a value is, and the claim that it was written over. */
export function decodeMarker(value: string): { readonly claim: string; readonly value: string } | undefined {
  if (!value.startsWith(MARKED)) return undefined;
  try {
    const read: unknown = JSON.parse(value);
    if (typeof read !== 'object' || read === null || !('claim' in read && 'value' in read)) return undefined;
    const { claim, value: marked } = read;
    return typeof claim === 'string' && typeof marked === 'string' ? { claim, value: marked } : undefined;
  } catch {
    // The label of an owner.
    return undefined;
  }
}

/** The marker of a key, if what is there is one. Its claim has a token of its own, and one marker at the most. */
export function markerViewOf(key: string, { index, node }: Answer): MarkerView {
  const found = node && decodeMarker(node.value);
  return { key, revision: index, marker: found && { token: BigInt(node.createdIndex), value: found.value } };
}

/** microlock writes a bare node id: what has no `#` is all owner. */
export function decodeClaim({ value: stored, createdIndex }: StoredKey): QueuedClaim {
  const value = decodeMarker(stored)?.claim ?? stored;
  const mark = value.lastIndexOf('#');
  return {
    id: value,
    token: BigInt(createdIndex),
    stamp: value,
    kind: 'mutex',
    permits: undefined,
    owner: mark > 0 ? value.slice(0, mark) : value || 'unnamed',
    since: undefined,
    meta: undefined,
  };
}
