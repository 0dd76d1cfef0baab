/**
 * What is said to etcd about a claim, and what its answers mean. Pure.
 */
import { BackendError } from '../../api/errors.js';
import type {
  ClaimRequest,
  EnqueueResult,
  Lease,
  DequeueResult,
  Queue,
  QueuedClaim,
  RewriteResult,
} from '../../backend/port.js';
import { queuedAs } from '../../backend/claims.js';
import { wouldWait } from '../../rules/blockers.js';
import type { RequestOp, TxnRequest, TxnResponse } from './client/messages.js';
import type { Revocation } from '../../api/revocation.js';
import { claimKey, claimsOf, decodeClaim, encodeAsked, encodeClaim, keyIn, rangeOf, tombstoneKey } from './keys.js';
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
export const isAbsent = (key: Buffer) => ({ key, target: 'Create', result: 'Equal', create_revision: 0 }) as const;

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
export const lookFor = (key: Buffer) => ({ request_range: { key } });

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

export type Response = TxnAnswer['responses'][number];

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

/** @param wereEmpty whether they were let in only where nothing was: then each queue is known */
export function triedAll(claims: readonly ClaimRequest[], answer: TxnAnswer, wereEmpty = false): EnqueueResult | Busy {
  const { revision, succeeded, responses } = answer;
  const own = responses.slice(0, claims.length);
  // A try that is repeated finds its claims where an earlier attempt has put them.
  if (succeeded || own.every(({ response_range: found }) => found.kvs.length > 0)) {
    const queued = queuedAll(claims, { ...answer, responses: own });
    if (!succeeded || !wereEmpty) return queued;
    const entries = queued.entries.map(({ claim }, i) => {
      return { claim, queue: { key: claims[i]?.key ?? '', revision, claims: [claim] } };
    });
    return { ...queued, entries };
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

export const remove = (key: Buffer) => ({ request_delete_range: { key } });
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
