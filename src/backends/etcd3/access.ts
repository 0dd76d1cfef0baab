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
  /** How many operations its permissions are. */
  readonly width: number;
  /** Operations on the keys of the transaction, none of them a put. */
  permissions(): readonly RequestOp[];
  /** The claims that it puts or deletes. */
  readonly claims: readonly ClaimRequest[];
  /** Whether it puts anything. */
  readonly takesSpace: boolean;
}

/** For a deletion that returns the old values, etcd checks the permission to read and to write. */
const readAndWrite = (range: { readonly key: Buffer; readonly range_end?: Buffer }): RequestOp => ({
  request_delete_range: { ...range, prev_kv: true },
});

/** For claims that are queued or withdrawn: everything below their names is read; claims and tombstones are written. */
export const accessToPut = (claims: readonly ClaimRequest[]): Access => ({
  width: 2 * claims.length,
  permissions: () =>
    claims.flatMap((claim) => [readAndWrite(rangeOf(`${claim.key}/`)), readAndWrite({ key: tombstoneKey(claim) })]),
  claims,
  takesSpace: true,
});

export const accessToLeave = (claims: readonly ClaimRequest[]): Access => ({
  width: claims.length,
  permissions: () => claims.map(({ key }) => readAndWrite(rangeOf(`${key}/`))),
  claims,
  takesSpace: false,
});

export const accessToRead = (beginning: string): Access => ({
  width: 1,
  permissions: () => [{ request_range: { ...rangeOf(beginning), limit: 1 } }],
  claims: [],
  takesSpace: false,
});

/**
 * The failure branch of a group. etcd checks it, but never carries it out, since a group without comparisons succeeds.
 *
 * `hasRoles`: whether the client has a user, whose roles the server may check. Without one, a server with roles refuses
 * any operation at the top level, so one is enough, and a group has room for twice as many members.
 *
 * One put is enough for the quota check, which compares the size of the store with the quota. etcd refuses a put of a
 * key that the same transaction deletes; the tombstone of the shortest name lies below no other name.
 */
export function checkedOnly(all: readonly Access[], hasRoles: boolean): RequestOp[] {
  const claims = all.flatMap((access) => access.claims);
  const [first] = claims;
  const put =
    first && all.some(({ takesSpace }) => takesSpace)
      ? tombstoneKey(claims.reduce((found, one) => (one.key.length < found.key.length ? one : found), first))
      : undefined;
  if (!hasRoles) return put ? [{ request_put: { key: put } }] : (all[0]?.permissions().slice(0, 1) ?? []);
  const permissions = all.flatMap((access) => access.permissions());
  if (!put) return permissions;
  const others = permissions.filter(({ request_delete_range: range }) => !range?.key?.equals(put));
  return [...others, { request_put: { key: put } }];
}
