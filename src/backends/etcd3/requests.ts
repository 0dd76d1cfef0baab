/**
 * What is said to etcd about a claim, and what its answers mean. Pure.
 */
import { BackendError } from '../../core/errors.js';
import type { Claim, Entered, EnteredAll, Lease, Left, Queue, QueuedClaim, Rewritten } from '../../core/port.js';
import type { Revocation } from '../../core/revocation.js';
import type { RequestOp, TxnRequest, TxnResponse } from './client/messages.js';
import {
  claimKey,
  claimsOf,
  decodeClaim,
  encodeAsked,
  encodeClaim,
  keyIn,
  rangeOf,
  queuedAs,
  tombstoneKey,
} from './keys.js';

export type { TxnRequest };

/** The answer to one transaction, alone or as a member of another. */
export interface TxnAnswer extends Pick<TxnResponse, 'succeeded' | 'responses'> {
  /** Of the store when it was carried out: a member has none of its own. */
  readonly revision: bigint;
}

const ids = new WeakMap<Lease, string>();

/** etcd counts lease ids as int64 and npm etcd3 writes them in decimal. One lease has many claims. */
export function idOf(lease: Lease): string {
  const known = ids.get(lease);
  if (known !== undefined) return known;
  const id = BigInt(`0x${lease.id}`).toString();
  ids.set(lease, id);
  return id;
}

/** Spelled out, since to spread an object costs as much as to encode it (measured). */
const isAbsent = (key: Buffer) => ({ key, target: 'Create', result: 'Equal', create_revision: 0 }) as const;

/** As many as one transaction takes: two comparisons each, of 128 operations. */
export const MOST_TOGETHER = 60;

/** How many of a queue an answer to entering carries. Whoever comes behind more than that reads and watches. */
const LOOK = 16;

/** Nothing of it is in, and it was not withdrawn. */
const isNew = (claim: Claim, key: Buffer) => [isAbsent(key), isAbsent(tombstoneKey(claim))];
const put = (claim: Claim, key: Buffer) => ({
  request_put: { key, value: encodeClaim(claim), lease: idOf(claim.lease) },
});

/** Mostly nobody is there, and to hear just that costs half of what it costs to read our own claim back (measured). */
const lookAt = (name: string): RequestOp => {
  const { key, range_end } = rangeOf(`${name}/`);
  // etcd compares all of a transaction before it carries out any of it: our claim is not there yet.
  return {
    request_txn: {
      compare: [{ key, range_end, target: 'Create', result: 'Equal', create_revision: 0 }],
      failure: [{ request_range: { key, range_end, sort_target: 'Create', sort_order: 'Ascend', limit: LOOK } }],
    },
  };
};
const lookFor = (key: Buffer) => ({ request_range: { key } });

/** Queues unless it is there already or withdrawn. */
export function enterRequest(claim: Claim, look: boolean): TxnRequest {
  const key = claimKey(claim);
  return {
    compare: isNew(claim, key),
    success: look ? [put(claim, key), lookAt(claim.key)] : [put(claim, key)],
    // Asked again: rare, and the queue will be read.
    failure: [lookFor(key)],
  };
}

/** The same for claims at several keys. */
export function enterAllRequest(claims: readonly Claim[]): TxnRequest {
  const each = claims.map((claim) => ({ claim, key: claimKey(claim) }));
  return {
    compare: each.flatMap(({ claim, key }) => isNew(claim, key)),
    success: [...each.map(({ claim, key }) => put(claim, key)), ...claims.map(({ key }) => lookAt(key))],
    failure: each.map(({ key }) => lookFor(key)),
  };
}

type Response = TxnAnswer['responses'][number];

/**
 * Writes over a claim, on the lease it has, only as we know it: somebody else's value is not lost, and an attempt of
 * ours that comes late fails.
 */
function rewriteRequest(name: string, known: QueuedClaim, value: Buffer): TxnRequest {
  const key = keyIn(name, known);
  return {
    compare: [isStill(key, known), { key, target: 'Mod', result: 'Equal', mod_revision: Number(known.stamp) }],
    success: [{ request_put: { key, value, ignore_lease: true } }],
    failure: [{ request_range: { key } }],
  };
}

/** `written`: what it says once that is carried out. */
export function rewritten(
  name: string,
  written: QueuedClaim,
  { revision, succeeded, responses: [found] }: TxnAnswer,
): Rewritten {
  if (succeeded) return { claim: { ...written, stamp: revision.toString() }, revision };
  const [there] = found?.response_range.kvs ?? [];
  return { claim: there && decodeClaim(name, there), revision };
}

export const proclaimRequest = (name: string, mine: QueuedClaim, value: string): TxnRequest =>
  rewriteRequest(name, mine, Buffer.from(value));

export const askRequest = (name: string, claim: QueuedClaim, revocation: Revocation): TxnRequest =>
  rewriteRequest(name, claim, encodeAsked(claim, revocation));

export function removeRequest(name: string, claim: QueuedClaim): TxnRequest {
  const key = keyIn(name, claim);
  return { compare: [isStill(key, claim)], success: [remove(key)] };
}

export function entered(claim: Claim, { revision, succeeded, responses: [own, shown] }: TxnAnswer): Entered {
  const { claim: mine, queue } = placeOf(claim, revision, succeeded ? undefined : own, shown);
  return { status: 'entered', revision, claim: mine, queue };
}

export function enteredAll(claims: readonly Claim[], { revision, succeeded, responses }: TxnAnswer): EnteredAll {
  const shown = succeeded ? responses.slice(claims.length) : [];
  const found = succeeded ? [] : responses;
  return {
    status: 'entered',
    revision,
    places: claims.map((claim, i) => placeOf(claim, revision, found[i], shown[i])),
  };
}

/** `found`: the answer to looking for it, where it had been asked before. */
function placeOf(claim: Claim, revision: bigint, found: Response | undefined, shown: Response | undefined) {
  const [there] = found?.response_range.kvs ?? [];
  const mine = found ? there && decodeClaim(claim.key, there) : queuedAs(claim, revision);
  if (!mine) throw new BackendError(`"${claim.key}": the claim was withdrawn before it came in.`, { retryable: false });
  return { claim: mine, queue: shown && queueWith(mine, claim.key, revision, shown.response_txn) };
}

/** The queue of which nothing but ours was there, or what was read of it. */
function queueWith(mine: QueuedClaim, key: string, revision: bigint, looked: Response['response_txn']) {
  if (looked.succeeded) return { key, revision, claims: [mine] };
  const read = looked.responses[0]?.response_range;
  // Names nest, and what is nested takes its share of the limit: only what is not cut off is the whole queue.
  return read && !read.more ? queueOf(key, revision, read.kvs, mine) : undefined;
}

const remove = (key: Buffer) => ({ request_delete_range: { key } });
const bury = (claim: Claim) => ({ request_put: { key: tombstoneKey(claim), lease: idOf(claim.lease) } });
const isStill = (key: Buffer, { token }: QueuedClaim) =>
  ({ key, target: 'Create', result: 'Equal', create_revision: Number(token) }) as const;

/**
 * Deletes the claim if it is still the one that entered. Where nobody knows whether it did, it must not come in later.
 */
export function leaveRequest(claim: Claim, mine: QueuedClaim | undefined, heir: QueuedClaim | undefined): TxnRequest {
  const key = claimKey(claim);
  if (!mine) return { success: [bury(claim), remove(key)] };
  const compare = [isStill(key, mine)];
  if (!heir) return { compare, success: [remove(key)] };
  const look = { request_range: { key: keyIn(claim.key, heir), keys_only: true } };
  return { compare, success: [remove(key), look], failure: [look] };
}

/** The same for claims at several keys: each by itself, since one of them may be gone. */
export function leaveAllRequest(claims: readonly Claim[], mine: readonly QueuedClaim[] | undefined): TxnRequest {
  if (!mine) return { success: claims.flatMap((claim) => [bury(claim), remove(claimKey(claim))]) };
  const each = mine.flatMap((one, i) => {
    const claim = claims[i];
    if (!claim) return [];
    const key = claimKey(claim);
    return [{ compare: [isStill(key, one)], success: [remove(key)] }];
  });
  return { success: each.map((one) => ({ request_txn: one })) };
}

/** Deletes the claims, and says nothing that takes space. */
export const clearRequest = (claims: readonly Claim[]): TxnRequest => ({
  success: claims.map((claim) => remove(claimKey(claim))),
});

export function left({ responses }: TxnAnswer, heir: QueuedClaim | undefined): Left {
  if (!heir) return { heir: 'unknown' };
  const [there] = responses.at(-1)?.response_range.kvs ?? [];
  // Whatever is written over it meanwhile: it may have been asked for. A watch tells if it is ours no more.
  return { heir: there?.create_revision === heir.token.toString() ? 'there' : 'gone' };
}

/** How many keys one answer may carry: gRPC takes 4 MB. */
const PAGE = 2000;

/** Of all keys that begin so; those behind `after`, once some are read. */
export function readRequest(beginning: string, after?: Buffer): { key: Buffer; range_end: Buffer; limit: number } {
  const { key, range_end } = rangeOf(beginning);
  return { key: after ? Buffer.concat([after, Buffer.of(0)]) : key, range_end, limit: PAGE };
}

export const queueOf = (
  key: string,
  revision: bigint,
  stored: Parameters<typeof claimsOf>[1],
  known?: QueuedClaim,
): Queue => ({ key, revision, claims: claimsOf(key, stored, known) });
