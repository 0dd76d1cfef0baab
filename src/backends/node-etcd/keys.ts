/**
 * The layout of a lock in etcd v2, which is that of microlock: one key, whose value names the holder.
 */
import type { Lease, MarkerView, Queue, QueuedClaim, LockSpec } from '../../backend/port.js';
import type { Answer, StoredKey } from './calls.js';

/** The path of the key in the store, as its events name it. */
export const pathOf = (key: string): string => `/${key.replace(/^\//, '')}`;

/** Encodes the characters that a URL cannot carry; the server decodes them. A plain key stays as microlock sends it. */
export const urlOf = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/**
 * Refuses other kinds, since a key has one slot, and paths that the store would normalize like file paths: they would
 * be another key.
 */
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

/** In etcd v2 a TTL belongs to a key, so every lease is for one key. */
export function pathOfLease({ key }: Lease): string {
  if (key === undefined) throw new TypeError('a lease on etcd v2 is for one key: give it `key`.');
  return pathOf(key);
}

/**
 * The value of a claim. It is unique, since here each claim has its own lease. Renewal and release compare it, so that
 * nobody frees the lock of another client. They cannot compare the index, which changes at each renewal.
 *
 * A lone surrogate in the owner becomes U+FFFD here, as it does on the way to the server: else the value on the server
 * would never equal ours.
 */
export const valueOf = ({ owner, id }: Lease): string => `${Buffer.from(owner).toString()}#${id}`;

/** The queue of a key with one slot: empty, or its holder. A directory at the key is no lock. */
export function queueOf(key: string, { index, node }: Answer): Queue {
  return { key, revision: index, claims: node ? [decodeClaim(node)] : [] };
}

/**
 * The beginning of a marker. The value of a claim begins like this only if the label of its owner does, and then it is
 * no JSON.
 */
const MARKED = '{"rxlock":"done",';

/**
 * A key has room for one value, so the marker is written over the claim of the holder, and names that claim. Until it
 * expires, the key is taken by that claim for every client that does not know markers.
 */
export const encodeMarker = (claim: string, value: string): string =>
  `${MARKED}${JSON.stringify({ claim, value }).slice(1)}`;

/** The marker in a value, and the claim that it was written over; `undefined` if the value is no marker. */
export function decodeMarker(value: string): { readonly claim: string; readonly value: string } | undefined {
  if (!value.startsWith(MARKED)) return undefined;
  try {
    const read: unknown = JSON.parse(value);
    if (typeof read !== 'object' || read === null || !('claim' in read && 'value' in read)) return undefined;
    const { claim, value: marked } = read;
    return typeof claim === 'string' && typeof marked === 'string' ? { claim, value: marked } : undefined;
  } catch {
    // Not JSON: the label of an owner that begins like a marker.
    return undefined;
  }
}

/** The marker of a key, if the value is one. Its token is that of its claim, which has one marker at most. */
export function markerViewOf(key: string, { index, node }: Answer): MarkerView {
  const found = node && decodeMarker(node.value);
  return { key, revision: index, marker: found && { token: BigInt(node.createdIndex), value: found.value } };
}

/** Reads a claim. microlock writes only its node id: a value without `#` is all owner. */
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
