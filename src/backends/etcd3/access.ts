/**
 * The permissions and the space that a transaction needs, written at the top level of a group.
 */
import type { ClaimRequest } from '../../backend/port.js';
import type { RequestOp } from './client/messages.js';
import { rangeOf, tombstoneKey } from './keys.js';

/**
 * What a transaction needs from the server. etcd checks roles and the quota only at the top level of a transaction
 * (3.4, 3.5): without this, a group could do what its members alone would be refused.
 */
export interface Access {
  /** Operations on the keys of the transaction, none of them a put. */
  readonly permissions: readonly RequestOp[];
  /** The key of a tombstone, and the name it belongs to: used as the put of the group. */
  readonly tombstone?: { readonly key: Buffer; readonly name: string } | undefined;
  /** Whether the transaction puts anything. */
  readonly takesSpace: boolean;
}

/** For a deletion that returns the old values, etcd checks the permission to read and to write. */
const readAndWrite = (range: { readonly key: Buffer; readonly range_end?: Buffer }): RequestOp => ({
  request_delete_range: { ...range, prev_kv: true },
});

const shortest = (all: readonly NonNullable<Access['tombstone']>[]) =>
  all.reduce((found, one) => (one.name.length < found.name.length ? one : found));

const accessTo = (claims: readonly ClaimRequest[], takesSpace: boolean): Access => {
  const tombstones = claims.map((claim) => ({ key: tombstoneKey(claim), name: claim.key }));
  const permissions = tombstones.flatMap(({ key, name }) => {
    const claimed = readAndWrite(rangeOf(`${name}/`));
    return takesSpace ? [claimed, readAndWrite({ key })] : [claimed];
  });
  return { permissions, tombstone: shortest(tombstones), takesSpace };
};

/** For claims that are queued or withdrawn: everything below their names is read; claims and tombstones are written. */
export const accessToPut = (claims: readonly ClaimRequest[]): Access => accessTo(claims, true);
export const accessToLeave = (claims: readonly ClaimRequest[]): Access => accessTo(claims, false);

export const accessToRead = (beginning: string): Access => ({
  permissions: [{ request_range: { ...rangeOf(beginning), limit: 1 } }],
  takesSpace: false,
});

/**
 * The failure branch of a group. etcd checks it, but never carries it out, since a group without comparisons succeeds.
 * One put is enough for the quota check, which compares the size of the store with the quota. etcd refuses a put of a
 * key that the same transaction deletes; the tombstone of the shortest name lies below no other name.
 */
export function checkedOnly(all: readonly Access[]): RequestOp[] {
  const permissions = all.flatMap((access) => access.permissions);
  const tombstones = all.flatMap(({ tombstone }) => tombstone ?? []);
  if (tombstones.length === 0 || !all.some(({ takesSpace }) => takesSpace)) return permissions;
  const { key } = shortest(tombstones);
  return [...permissions.filter(({ request_delete_range: range }) => range?.key !== key), { request_put: { key } }];
}
