/**
 * What is said to etcd about a claim, and what its answers mean. Pure.
 */
import { BackendError } from '../../api/errors.js';
import type {
  ClaimRequest,
  EnqueueResult,
  Lease,
  DequeueResult,
  MarkRequest,
  MarkResult,
  Queue,
  QueuedClaim,
  RewriteResult,
} from '../../backend/port.js';
import { wouldWait } from '../../rules/blockers.js';
import type { RequestOp, TxnRequest, TxnResponse } from './client/messages.js';
import type { Revocation } from '../../api/revocation.js';
import {
  claimKey,
  claimsOf,
  decodeClaim,
  encodeAsked,
  encodeClaim,
  keyIn,
  markerName,
  rangeOf,
  queuedAs,
  tombstoneKey,
} from './keys.js';
import type { KeyRange } from './keys.js';

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

/** As many as one transaction takes: three comparisons each, of 128 operations. */
export const MAX_TOGETHER = 42;

/** How many of a queue an answer to entering carries. Whoever comes behind more than that reads and watches. */
const LOOK = 16;
const OLDEST_FEW = { sort_target: 'Create', sort_order: 'Ascend', limit: LOOK } as const;

/** Nothing of it is in, and it was not withdrawn. */
const isNew = (claim: ClaimRequest, key: Buffer) => [isAbsent(key), isAbsent(tombstoneKey(claim))];
const put = (claim: ClaimRequest, key: Buffer) => ({
  request_put: { key, value: encodeClaim(claim), lease: idOf(claim.lease) },
});

/** Mostly nobody is there, and to hear just that costs half of what it costs to read our own claim back (measured). */
const lookAt = (name: string): RequestOp => {
  const { key, range_end } = rangeOf(`${name}/`);
  // etcd compares all of a transaction before it carries out any of it: our claim is not there yet.
  return {
    request_txn: {
      compare: [{ key, range_end, target: 'Create', result: 'Equal', create_revision: 0 }],
      failure: [{ request_range: { key, range_end, ...OLDEST_FEW } }],
    },
  };
};
const lookFor = (key: Buffer) => ({ request_range: { key } });

/** Queues, all of them or none, unless they are there already or withdrawn. */
export function enqueueRequest(claims: readonly ClaimRequest[], mode: 'show' | 'plain'): TxnRequest {
  const each = claims.map((claim) => ({ claim, key: claimKey(claim) }));
  const puts = each.map(({ claim, key }) => put(claim, key));
  return {
    compare: each.flatMap(({ claim, key }) => isNew(claim, key)),
    success: mode === 'show' ? [...puts, ...claims.map(({ key }) => lookAt(key))] : puts,
    // Asked again: rare, and the queue will be read.
    failure: each.map(({ key }) => lookFor(key)),
  };
}

/**
 * Queues only if nobody is in the way: nothing is there, or, where `seen` is a revision at which what was there would
 * not block, nothing has come since. What has left meanwhile does not matter.
 */
export function tryRequest(claims: readonly ClaimRequest[], seen: bigint | undefined): TxnRequest {
  const { compare = [], success = [], failure = [] } = enqueueRequest(claims, 'plain');
  const ranges = claims.map(({ key }) => rangeOf(`${key}/`));
  const nothingCame = ranges.map((range) =>
    seen === undefined
      ? ({ ...range, target: 'Create', result: 'Equal', create_revision: 0 } as const)
      : ({ ...range, target: 'Mod', result: 'Less', mod_revision: Number(seen + 1n) } as const),
  );
  const looks = ranges.map((range) => ({ request_range: { ...range, ...OLDEST_FEW } }));
  const withdrawn = claims.map((claim) => lookFor(tombstoneKey(claim)));
  return { compare: [...compare, ...nothingCame], success, failure: [...failure, ...looks, ...withdrawn] };
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
): RewriteResult {
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

/** Where the claims are: just put, or found where they had been asked for before. */
export function queuedAll(
  claims: readonly ClaimRequest[],
  { revision, succeeded, responses }: TxnAnswer,
): Extract<EnqueueResult, { status: 'queued' }> {
  const shown = succeeded ? responses.slice(claims.length) : [];
  const found = succeeded ? [] : responses;
  const entries = claims.map((claim, i) => placeOf(claim, revision, found[i], shown[i]));
  return { status: 'queued', revision, entries };
}

/** What a try found instead of being let in. */
export interface Busy {
  readonly status: 'busy';
  readonly revision: bigint;
  /** In the order of the claims; nothing for one of which the answer does not show all. */
  readonly queues: readonly (Queue | undefined)[];
}

export function triedAll(claims: readonly ClaimRequest[], answer: TxnAnswer): EnqueueResult | Busy {
  const { revision, succeeded, responses } = answer;
  const own = responses.slice(0, claims.length);
  // A try that is repeated finds its claims where an earlier attempt has put them.
  if (succeeded || own.every(({ response_range: found }) => found.kvs.length > 0)) {
    return queuedAll(claims, { ...answer, responses: own });
  }
  // Nothing that comes or leaves would let it in any more: not to be tried again.
  const gone = claims.find((_, i) => (responses[2 * claims.length + i]?.response_range.kvs.length ?? 0) > 0);
  if (gone) throw withdrawn(gone);
  const queues = claims.map(({ key }, i) => {
    const read = responses[claims.length + i]?.response_range;
    return read && !read.more ? queueOf(key, revision, read.kvs) : undefined;
  });
  return { status: 'busy', revision, queues };
}

/** Whether any of the claims would have to wait in these queues. */
export const isBlocked = (claims: readonly ClaimRequest[], queues: readonly Queue[]): boolean =>
  claims.some((claim, i) => wouldWait(queues[i]?.claims ?? [], claim));

const withdrawn = ({ key }: ClaimRequest): BackendError =>
  new BackendError(`"${key}": the claim was withdrawn before it came in.`, { retryable: false });

/** `found`: the answer to looking for it, where it had been asked before. */
function placeOf(claim: ClaimRequest, revision: bigint, found: Response | undefined, shown: Response | undefined) {
  const [there] = found?.response_range.kvs ?? [];
  const mine = found ? there && decodeClaim(claim.key, there) : queuedAs(claim, revision);
  if (!mine) throw withdrawn(claim);
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
const bury = (claim: ClaimRequest) => ({ request_put: { key: tombstoneKey(claim), lease: idOf(claim.lease) } });
export const isStill = (key: Buffer, { token }: QueuedClaim) =>
  ({ key, target: 'Create', result: 'Equal', create_revision: Number(token) }) as const;

/**
 * Deletes the claims, each if it is still the one that was queued. Where nobody knows whether they were, they must not
 * come in later.
 */
export function dequeueRequest(
  claims: readonly ClaimRequest[],
  queued: readonly QueuedClaim[] | undefined,
  successor: QueuedClaim | undefined,
): TxnRequest {
  if (!queued) return { success: claims.flatMap((claim) => [bury(claim), remove(claimKey(claim))]) };
  const each = queued.flatMap((mine, i): TxnRequest | readonly [] => {
    const claim = claims[i];
    if (!claim) return [];
    const key = claimKey(claim);
    const compare = [isStill(key, mine)];
    if (!successor) return { compare, success: [remove(key)] };
    const look = { request_range: { key: keyIn(claim.key, successor), keys_only: true } };
    return { compare, success: [remove(key), look], failure: [look] };
  });
  return eachByItself(each);
}

/** One of them may be gone, which must not stop the others. */
export function eachByItself(each: readonly TxnRequest[]): TxnRequest {
  const [only, ...others] = each;
  return only && others.length === 0 ? only : { success: each.map((one) => ({ request_txn: one })) };
}

/** Deletes the claims, and says nothing that takes space. */
export const clearRequest = (claims: readonly ClaimRequest[]): TxnRequest => ({
  success: claims.map((claim) => remove(claimKey(claim))),
});

export function dequeued({ responses }: TxnAnswer, successor: QueuedClaim | undefined): DequeueResult {
  if (!successor) return { successor: 'unknown' };
  const [there] = responses.at(-1)?.response_range.kvs ?? [];
  // Whatever is written over it meanwhile: it may have been asked for. A watch tells if it is ours no more.
  return { successor: there?.create_revision === successor.token.toString() ? 'there' : 'gone' };
}

const markerKey = ({ claim }: MarkRequest): Buffer => Buffer.from(markerName(claim.key));

/**
 * Written only while our claim is in the queue, over nothing. At the top level, where roles and the quota are looked at.
 */
export function markRequest(request: MarkRequest): TxnRequest {
  const { claim, mine, lease, value } = request;
  const [claimed, key] = [claimKey(claim), markerKey(request)];
  return {
    compare: [isStill(claimed, mine), isAbsent(key)],
    success: [{ request_put: { key, value: Buffer.from(value), lease: idOf(lease) } }],
    failure: [lookFor(key), lookFor(claimed)],
  };
}

/** Whether the marker there is the one of that request. */
const isOwnMarker = ({ lease }: MarkRequest, found: Response | undefined): boolean =>
  found?.response_range.kvs[0]?.lease === idOf(lease);

export function marked(request: MarkRequest, { succeeded, responses: [marker, claim] }: TxnAnswer): MarkResult {
  if (succeeded || isOwnMarker(request, marker)) return 'written';
  const isQueued = claim?.response_range.kvs[0]?.create_revision === request.mine.token.toString();
  return isQueued ? 'taken' : 'gone';
}

/** Without our claim no attempt to write it comes in any more. */
export function unmarkRequest(request: MarkRequest): TxnRequest {
  const claimed = claimKey(request.claim);
  const look = lookFor(markerKey(request));
  return { compare: [isStill(claimed, request.mine)], success: [look, remove(claimed)], failure: [look] };
}

export const isMarked = (request: MarkRequest, { responses: [marker] }: TxnAnswer): boolean =>
  isOwnMarker(request, marker);

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

/** Of all keys that begin so; those behind `after`, once some are read. */
export function readRequest(beginning: string, limit: number, after?: Buffer): KeyRange & { readonly limit: number } {
  const { key, range_end } = rangeOf(beginning);
  return { key: after ? Buffer.concat([after, Buffer.of(0)]) : key, range_end, limit };
}

/**
 * Asks for the header only, of the leader's word. Not a read, for which no key is inside of every role: a transaction
 * within the transaction, with nothing in it.
 */
export const historyRequest: TxnRequest = { success: [{ request_txn: {} }] };

export const queueOf = (
  key: string,
  revision: bigint,
  stored: Parameters<typeof claimsOf>[1],
  known?: QueuedClaim,
): Queue => ({ key, revision, claims: claimsOf(key, stored, known) });
