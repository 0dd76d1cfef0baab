/**
 * Writes our requests. Fields are written from the last to the first: see {@link Writer}.
 */
import type {
  AuthenticateRequest,
  Compare,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
  WatchCreateRequest,
  WatchRequest,
} from './messages.js';
import type { Writer } from './wire.js';

const SORT_ORDER = { None: 0, Ascend: 1, Descend: 2 } as const;
const SORT_TARGET = { Key: 0, Version: 1, Create: 2, Mod: 3, Value: 4 } as const;
const COMPARE_RESULT = { Equal: 0, Greater: 1, Less: 2, NotEqual: 3 } as const;
const COMPARE_TARGET = { Version: 0, Create: 1, Mod: 2, Value: 3, Lease: 4 } as const;
const FILTER = { Noput: 0, Nodelete: 1 } as const;

export function writeRange(to: Writer, range: RangeRequest): void {
  to.int64(13, range.max_create_revision);
  to.int64(12, range.min_create_revision);
  to.int64(11, range.max_mod_revision);
  to.int64(10, range.min_mod_revision);
  to.bool(9, range.count_only);
  to.bool(8, range.keys_only);
  to.bool(7, range.serializable);
  to.enumerated(6, range.sort_target && SORT_TARGET[range.sort_target]);
  to.enumerated(5, range.sort_order && SORT_ORDER[range.sort_order]);
  to.int64(4, range.revision);
  to.int64(3, range.limit);
  to.bytes(2, range.range_end);
  to.bytes(1, range.key);
}

function writePut(to: Writer, put: PutRequest): void {
  to.bool(6, put.ignore_lease);
  to.bool(5, put.ignore_value);
  to.bool(4, put.prev_kv);
  to.int64(3, put.lease);
  to.bytes(2, put.value);
  to.bytes(1, put.key);
}

function writeDeleteRange(to: Writer, range: DeleteRangeRequest): void {
  to.bool(3, range.prev_kv);
  to.bytes(2, range.range_end);
  to.bytes(1, range.key);
}

export function writeTxn(to: Writer, { compare, success, failure }: TxnRequest): void {
  writeOperations(to, 3, failure);
  writeOperations(to, 2, success);
  if (!compare) return;
  for (let i = compare.length - 1; i >= 0; i -= 1) {
    const from = to.mark;
    const one = compare[i];
    if (one) writeCompare(to, one);
    to.message(1, from);
  }
}

function writeOperations(to: Writer, field: number, operations: readonly RequestOp[] | undefined): void {
  if (!operations) return;
  for (let i = operations.length - 1; i >= 0; i -= 1) {
    const from = to.mark;
    const one = operations[i];
    if (one) writeOperation(to, one);
    to.message(field, from);
  }
}

function writeOperation(to: Writer, operation: RequestOp): void {
  const { request_range, request_put, request_delete_range, request_txn } = operation;
  const from = to.mark;
  if (request_put) {
    writePut(to, request_put);
    to.message(2, from);
  } else if (request_delete_range) {
    writeDeleteRange(to, request_delete_range);
    to.message(3, from);
  } else if (request_txn) {
    writeTxn(to, request_txn);
    to.message(4, from);
  } else if (request_range) {
    writeRange(to, request_range);
    to.message(1, from);
  }
}

function writeCompare(to: Writer, compare: Compare): void {
  to.bytes(64, compare.range_end);
  // One of these must be set: without any, etcd compares with an empty value, whatever the target.
  to.int64(8, compare.lease);
  to.bytes(7, compare.value);
  to.int64(6, compare.mod_revision);
  to.int64(5, compare.create_revision);
  to.int64(4, compare.version);
  to.bytes(3, compare.key);
  to.enumerated(2, compare.target && COMPARE_TARGET[compare.target]);
  to.enumerated(1, compare.result && COMPARE_RESULT[compare.result]);
}

export function writeLeaseGrant(to: Writer, { TTL, ID }: LeaseGrantRequest): void {
  to.int64(2, ID);
  to.int64(1, TTL);
}

export function writeLease(to: Writer, { ID }: LeaseRevokeRequest | LeaseKeepAliveRequest): void {
  to.int64(1, ID);
}

export function writeLeaseTimeToLive(to: Writer, { ID, keys }: LeaseTimeToLiveRequest): void {
  to.bool(2, keys);
  to.int64(1, ID);
}

export function writeWatch(to: Writer, { create_request, cancel_request, progress_request }: WatchRequest): void {
  const from = to.mark;
  if (create_request) {
    writeWatchCreate(to, create_request);
    to.message(1, from);
  } else if (cancel_request) {
    to.int64(1, cancel_request.watch_id);
    to.message(2, from);
  } else if (progress_request) {
    to.message(3, from);
  }
}

function writeWatchCreate(to: Writer, create: WatchCreateRequest): void {
  to.bool(8, create.fragment);
  to.int64(7, create.watch_id);
  to.bool(6, create.prev_kv);
  for (const filter of [...(create.filters ?? [])].reverse()) to.enumerated(5, FILTER[filter]);
  to.bool(4, create.progress_notify);
  to.int64(3, create.start_revision);
  to.bytes(2, create.range_end);
  to.bytes(1, create.key);
}

export function writeAuthenticate(to: Writer, { name, password }: AuthenticateRequest): void {
  to.text(2, password);
  to.text(1, name);
}
