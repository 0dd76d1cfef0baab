/**
 * What a transaction needs of the server, for the top level of a group: etcd looks no deeper.
 */
import type { ClaimRequest } from '../../backend/port.js';
import type { RequestOp } from './client/messages.js';
import { rangeOf, tombstoneKey } from './keys.js';

/**
 * What a transaction needs of the server, said at the top level of a group: etcd looks no deeper when it checks roles and
 * when it counts what a request costs of its quota (3.4, 3.5), so that a group would get what its members are refused.
 */
export interface Access {
  /** Operations on the same keys. None of them puts. */
  readonly permissions: readonly RequestOp[];
  /** A tombstone's key, and its name: what may be put. */
  readonly tombstone?: { readonly key: Buffer; readonly name: string } | undefined;
  /** Whether it puts something. */
  readonly takesSpace: boolean;
}

/** A deletion that asks for what was there is checked for reading and for writing. */
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

/** Of claims that enter, or are withdrawn: all below their names is read, and a claim and a tombstone are written. */
export const accessToPut = (claims: readonly ClaimRequest[]): Access => accessTo(claims, true);
export const accessToLeave = (claims: readonly ClaimRequest[]): Access => accessTo(claims, false);

export const accessToRead = (beginning: string): Access => ({
  permissions: [{ request_range: { ...rangeOf(beginning), limit: 1 } }],
  takesSpace: false,
});

/**
 * The branch of a group that is checked and counted and never carried out: the group compares nothing, so it succeeds.
 * One put is enough for the quota, since etcd compares the size of its store with that. etcd refuses to put what it
 * deletes: the tombstone of the shortest name lies below no other name.
 */
export function checkedOnly(all: readonly Access[]): RequestOp[] {
  const permissions = all.flatMap((access) => access.permissions);
  const tombstones = all.flatMap(({ tombstone }) => tombstone ?? []);
  if (tombstones.length === 0 || !all.some(({ takesSpace }) => takesSpace)) return permissions;
  const { key } = shortest(tombstones);
  return [...permissions.filter(({ request_delete_range: range }) => range?.key !== key), { request_put: { key } }];
}
