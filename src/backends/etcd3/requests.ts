/**
 * What is said to etcd about a claim, and what its answers mean. Pure.
 */
import type { Etcd3 } from 'etcd3';
import { BackendError } from '../../core/errors.js';
import type { Claim, Entered, Lease, Left, Queue, QueuedClaim } from '../../core/port.js';
import {
  claimKey,
  claimsOf,
  decodeClaim,
  encodeClaim,
  endOf,
  heirKey,
  prefixOf,
  rangeOf,
  queuedAs,
  tombstoneKey,
} from './keys.js';

export type TxnRequest = Parameters<Etcd3['kv']['txn']>[0];
type TxnResponse = Awaited<ReturnType<Etcd3['kv']['txn']>>;

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

const NEVER_MADE = { target: 'Create', result: 'Equal', create_revision: 0 } as const;

/** How many of a queue an answer to entering carries. Whoever comes behind more than that reads and watches. */
const LOOK = 16;

/** Queues unless it is there already or withdrawn. */
export function enterRequest(claim: Claim, look: boolean): TxnRequest {
  const key = claimKey(claim);
  const prefix = prefixOf(claim.key);
  const oldest = { sort_target: 'Create', sort_order: 'Ascend', limit: LOOK } as const;
  const queue = look ? [{ request_range: { key: prefix, range_end: endOf(prefix), ...oldest } }] : [];
  return {
    compare: [
      { key, ...NEVER_MADE },
      { key: tombstoneKey(claim), ...NEVER_MADE },
    ],
    success: [{ request_put: { key, value: encodeClaim(claim), lease: idOf(claim.lease) } }, ...queue],
    // Asked again: rare, and the queue will be read.
    failure: [{ request_range: { key } }],
  };
}

export function entered(claim: Claim, { revision, succeeded, responses }: TxnAnswer): Entered {
  const [own, shown] = responses;
  const [there] = succeeded ? [] : (own?.response_range.kvs ?? []);
  const mine = succeeded ? queuedAs(claim, revision) : there && decodeClaim(claim.key, there);
  if (!mine) throw new BackendError(`"${claim.key}": the claim was withdrawn before it came in.`, { retryable: false });
  // Names nest, and what is nested takes its share of the limit: only what is not cut off is the whole queue.
  const isWhole = shown !== undefined && !shown.response_range.more;
  const queue = isWhole ? queueOf(claim.key, revision, shown.response_range.kvs, mine) : undefined;
  return { status: 'entered', claim: mine, queue };
}

/**
 * Deletes the claim if it is still the one that entered. Where nobody knows whether it did, it must not come in later.
 */
export function leaveRequest(claim: Claim, mine: QueuedClaim | undefined, heir: QueuedClaim | undefined): TxnRequest {
  const key = claimKey(claim);
  const gone = { request_delete_range: { key } };
  const look = heir ? [{ request_range: { key: heirKey(claim.key, heir), keys_only: true } }] : [];
  if (mine) {
    const compare = { key, target: 'Create', result: 'Equal', create_revision: Number(mine.token) } as const;
    return { compare: [compare], success: [gone, ...look], failure: look };
  }
  return { success: [{ request_put: { key: tombstoneKey(claim), lease: idOf(claim.lease) } }, gone, ...look] };
}

export function left({ responses }: TxnAnswer, heir: QueuedClaim | undefined): Left {
  if (!heir) return { heir: 'unknown' };
  const [there] = responses.at(-1)?.response_range.kvs ?? [];
  const isThere = there?.create_revision === heir.token.toString() && there.mod_revision === heir.stamp;
  return { heir: isThere ? 'there' : 'gone' };
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
