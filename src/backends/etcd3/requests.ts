/**
 * The requests about claims, and how to read their answers. Pure.
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
  /** The revision of the whole transaction: a member of a group has none of its own. */
  readonly revision: bigint;
}

const ids = new WeakMap<Lease, string>();

/** The id of a lease in decimal, as npm etcd3 writes the int64. Cached, since one lease has many claims. */
export function idOf(lease: Lease): string {
  const known = ids.get(lease);
  if (known !== undefined) return known;
  const id = BigInt(`0x${lease.id}`).toString();
  ids.set(lease, id);
  return id;
}

/** Written as a literal: an object spread costs as much as encoding the object (measured). */
export const isAbsent = (key: Buffer) => ({ key, target: 'Create', result: 'Equal', create_revision: 0 }) as const;

/** The most claims in one transaction: each needs three of its 128 operations. */
export const MAX_TOGETHER = 42;

/** How many claims of a queue an answer to queueing includes. Behind a longer queue, the engine reads and watches. */
const LOOK = 16;
const OLDEST_FEW = { sort_target: 'Create', sort_order: 'Ascend', limit: LOOK } as const;

/** Compares that the claim is not queued, and was not withdrawn. */
const isNew = (claim: ClaimRequest, key: Buffer) => [isAbsent(key), isAbsent(tombstoneKey(claim))];
const put = (claim: ClaimRequest, key: Buffer) => ({
  request_put: { key, value: encodeClaim(claim), lease: idOf(claim.lease) },
});

/**
 * Reads the queue only if it is not empty. Mostly it is empty, and that answer costs half as much as reading our own
 * claim back (measured).
 */
const lookAt = (name: string): RequestOp => {
  const { key, range_end } = rangeOf(`${name}/`);
  // etcd makes all comparisons of a transaction before it carries out any part of it: our claim is not there yet.
  return {
    request_txn: {
      compare: [{ key, range_end, target: 'Create', result: 'Equal', create_revision: 0 }],
      failure: [{ request_range: { key, range_end, ...OLDEST_FEW } }],
    },
  };
};
export const lookFor = (key: Buffer) => ({ request_range: { key } });

/** Queues all claims or none: none if any is already queued or was withdrawn. */
export function enqueueRequest(claims: readonly ClaimRequest[], mode: 'show' | 'plain'): TxnRequest {
  const each = claims.map((claim) => ({ claim, key: claimKey(claim) }));
  const puts = each.map(({ claim, key }) => put(claim, key));
  return {
    compare: each.flatMap(({ claim, key }) => isNew(claim, key)),
    success: mode === 'show' ? [...puts, ...claims.map(({ key }) => lookAt(key))] : puts,
    // A repeated request: rare, and the queue will be read then.
    failure: each.map(({ key }) => lookFor(key)),
  };
}

/**
 * Queues the claims only if nothing blocks them. Without `seen`, the queues must be empty. With `seen`, a revision at
 * which the queues did not block, no claim may have come since; claims that have left do not matter.
 */
export function tryRequest(claims: readonly ClaimRequest[], seen: bigint | undefined): TxnRequest {
  const { compare = [], success = [], failure = [] } = enqueueRequest(claims, seen === undefined ? 'plain' : 'show');
  const ranges = claims.map(({ key }) => rangeOf(`${key}/`));
  const nothingCame = ranges.map((range) =>
    seen === undefined
      ? ({ ...range, target: 'Create', result: 'Equal', create_revision: 0 } as const)
      : ({ ...range, target: 'Mod', result: 'Less', mod_revision: Number(seen + 1n) } as const),
  );
  const looks = ranges.map((range) => ({ request_range: { ...range, ...OLDEST_FEW } }));
  const tombstones = claims.map((claim) => lookFor(tombstoneKey(claim)));
  // Where it is refused: reads of all claims, then of all queues, then of all tombstones.
  return { compare: [...compare, ...nothingCame], success, failure: [...failure, ...looks, ...tombstones] };
}

export type Response = TxnAnswer['responses'][number];

/**
 * Overwrites a claim, on its own lease, and only if it is as we know it: so no write of another client is lost, and a
 * late attempt of ours fails.
 */
function rewriteRequest(name: string, known: QueuedClaim, value: Buffer): TxnRequest {
  const key = keyIn(name, known);
  return {
    compare: [isStill(key, known), { key, target: 'Mod', result: 'Equal', mod_revision: Number(known.stamp) }],
    success: [{ request_put: { key, value, ignore_lease: true } }],
    failure: [{ request_range: { key } }],
  };
}

/** The result of an overwrite. `written`: the claim with the new value. */
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

/** The entries of the claims: just put, or found from an earlier attempt. */
export function queuedAll(claims: readonly ClaimRequest[], { revision, succeeded, responses }: TxnAnswer): Queued {
  const shown = succeeded ? responses.slice(claims.length) : [];
  const found = succeeded ? [] : responses;
  const entries = claims.map((claim, i) => placeOf(claim, revision, found[i], shown[i]));
  return { status: 'queued', revision, entries };
}

type Queued = Extract<EnqueueResult, { status: 'queued' }>;

/** The queues were empty when the claims came in, so they need not be read. */
function queuedAlone(claims: readonly ClaimRequest[], { revision }: TxnAnswer): Queued {
  const entries = claims.map((claim) => {
    const mine = queuedAs(claim, revision);
    return { claim: mine, queue: { key: claim.key, revision, claims: [mine] } };
  });
  return { status: 'queued', revision, entries };
}

/** A try that was not queued, and what it found. */
export interface Busy {
  readonly status: 'busy';
  readonly revision: bigint;
  /** In the order of the claims; `undefined` for a queue of which the answer shows only a part. */
  readonly queues: readonly (Queue | undefined)[];
}

export function triedAll(
  claims: readonly ClaimRequest[],
  answer: TxnAnswer,
  seen: bigint | undefined,
): EnqueueResult | Busy {
  const { revision, succeeded, responses } = answer;
  if (succeeded) return seen === undefined ? queuedAlone(claims, answer) : queuedAll(claims, answer);
  // In the order of the reads of a refused `tryRequest`.
  const count = claims.length;
  const own = responses.slice(0, count);
  const read = responses.slice(count, 2 * count);
  const tombstones = responses.slice(2 * count);
  // A repeated try finds the claims of an earlier attempt.
  if (own.every(isFound)) return queuedAll(claims, { ...answer, responses: own });
  // It was withdrawn: no change of the queues can let it in any more, so it must not be tried again.
  const gone = claims.find((_, i) => isFound(tombstones[i]));
  if (gone) throw withdrawn(gone);
  const queues = claims.map(({ key }, i) => wholeQueue(key, revision, read[i]));
  return { status: 'busy', revision, queues };
}

const isFound = (response: Response | undefined): boolean => (response?.response_range.kvs.length ?? 0) > 0;

/** Whether any of the claims would have to wait behind these queues. */
export const isBlocked = (claims: readonly ClaimRequest[], queues: readonly Queue[]): boolean =>
  claims.some((claim, i) => wouldWait(queues[i]?.claims ?? [], claim));

const withdrawn = ({ key }: ClaimRequest): BackendError =>
  new BackendError(`"${key}": the claim was withdrawn before it came in.`, { retryable: false });

/** The entry of a claim. `found`: the read of the claim, if the request was a repeated one. */
function placeOf(claim: ClaimRequest, revision: bigint, found: Response | undefined, shown: Response | undefined) {
  const [there] = found?.response_range.kvs ?? [];
  const mine = found ? there && decodeClaim(claim.key, there) : queuedAs(claim, revision);
  if (!mine) throw withdrawn(claim);
  return { claim: mine, queue: shown && queueWith(mine, claim.key, revision, shown.response_txn) };
}

/** The queue: only our claim if it was empty, else what was read. */
function queueWith(mine: QueuedClaim, key: string, revision: bigint, looked: Response['response_txn']) {
  if (looked.succeeded) return { key, revision, claims: [mine] };
  return wholeQueue(key, revision, looked.responses[0], mine);
}

/** The queue that was read. Names can be nested, and nested keys count towards the limit: only a complete answer is it. */
function wholeQueue(key: string, revision: bigint, response: Response | undefined, mine?: QueuedClaim) {
  const read = response?.response_range;
  return read && !read.more ? queueOf(key, revision, read.kvs, mine) : undefined;
}

export const remove = (key: Buffer) => ({ request_delete_range: { key } });
const bury = (claim: ClaimRequest) => ({ request_put: { key: tombstoneKey(claim), lease: idOf(claim.lease) } });
export const isStill = (key: Buffer, { token }: QueuedClaim) =>
  ({ key, target: 'Create', result: 'Equal', create_revision: Number(token) }) as const;

/**
 * Deletes each claim that is still the one that was queued. If it is not known whether the claims were queued,
 * tombstones keep them from being queued later.
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

/** Wraps each part in a transaction of its own: one claim may be gone, and that must not affect the others. */
export function eachByItself(each: readonly TxnRequest[]): TxnRequest {
  const [only, ...others] = each;
  return only && others.length === 0 ? only : { success: each.map((one) => ({ request_txn: one })) };
}

/** Deletes the claims, and writes nothing that takes space. */
export const clearRequest = (claims: readonly ClaimRequest[]): TxnRequest => ({
  success: claims.map((claim) => remove(claimKey(claim))),
});

export function dequeued({ responses }: TxnAnswer, successor: QueuedClaim | undefined): DequeueResult {
  if (!successor) return { successor: 'unknown' };
  const [there] = responses.at(-1)?.response_range.kvs ?? [];
  // Compares only the revision, since a request may have been written over the claim. If it is no longer ours, the
  // watch reports that.
  return { successor: there?.create_revision === successor.token.toString() ? 'there' : 'gone' };
}

/** The range of all keys that begin with a text; with `after`, only those behind that key. */
export function readRequest(beginning: string, limit: number, after?: Buffer): KeyRange & { readonly limit: number } {
  const { key, range_end } = rangeOf(beginning);
  return { key: after ? Buffer.concat([after, Buffer.of(0)]) : key, range_end, limit };
}

/**
 * Asks only for the header, through the leader. Not a read, since no key is readable for every role: an empty
 * transaction inside the transaction.
 */
export const historyRequest: TxnRequest = { success: [{ request_txn: {} }] };

export const queueOf = (
  key: string,
  revision: bigint,
  stored: Parameters<typeof claimsOf>[1],
  known?: QueuedClaim,
): Queue => ({ key, revision, claims: claimsOf(key, stored, known) });
