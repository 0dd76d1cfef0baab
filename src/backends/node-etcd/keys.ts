/**
 * How a lock is written in etcd v2: the layout of microlock, one key whose value says whose it is.
 */
import type { Lease, Queue, QueuedClaim } from '../../core/port.js';
import type { StoredKey } from './client.js';

/** What a URL cannot carry is encoded, as the server decodes it; a plain key is what microlock sends. */
export const pathOf = (key: string): string => key.split('/').map(encodeURIComponent).join('/');

/**
 * Unique for each attempt to take the lock: renewal and release compare it, so that nobody frees what is another's.
 * The index cannot be compared, it moves with each renewal. The lease is the attempt's own here.
 */
export const valueOf = ({ owner, id }: Lease): string => `${owner}#${id}`;

/** The queue of a key with one place: empty, or its holder. */
export function queueOf(key: string, revision: bigint, node: StoredKey | undefined): Queue {
  return { key, revision, claims: node ? [decodeClaim(node)] : [] };
}

/** microlock writes a bare node id: what has no `#` is all owner. */
export function decodeClaim({ value, createdIndex }: StoredKey): QueuedClaim {
  const mark = value.lastIndexOf('#');
  return {
    id: value,
    token: BigInt(createdIndex),
    stamp: value,
    kind: 'mutex',
    owner: mark > 0 ? value.slice(0, mark) : value || 'unnamed',
    since: undefined,
    meta: undefined,
  };
}
