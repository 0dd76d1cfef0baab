/**
 * Reads the answers of etcd: only the fields that a lock needs, the rest is skipped.
 */
import type {
  AuthenticateResponse,
  KeyValue,
  LeaseGrantResponse,
  LeaseKeepAliveResponse,
  LeaseRevokeResponse,
  LeaseTimeToLiveResponse,
  RangeResponse,
  ResponseHeader,
  ResponseOp,
  TxnResponse,
  WatchEvent,
  WatchResponse,
} from './messages.js';
import type { Reader } from './wire.js';

const NO_HEADER: ResponseHeader = { cluster_id: '0', revision: '0' };
const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_RANGE: RangeResponse = { header: NO_HEADER, kvs: [], more: false, count: '0' };
const NO_DELETE = { deleted: '0' } as const;
const NO_TXN: TxnResponse = { header: NO_HEADER, succeeded: false, responses: [] };
const NO_KEY: KeyValue = {
  key: NO_BYTES,
  create_revision: '0',
  mod_revision: '0',
  version: '0',
  value: NO_BYTES,
  lease: '0',
};
const PUT_DONE: ResponseOp = { response_range: NO_RANGE, response_delete_range: NO_DELETE, response_txn: NO_TXN };

function readHeader(from: Reader): ResponseHeader {
  let [cluster_id, revision] = ['0', '0'];
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) cluster_id = from.uint64();
    else if (field === 3) revision = from.int64();
    else from.skip();
  }
  return { cluster_id, revision };
}

function readKeyValue(from: Reader): KeyValue {
  let [key, value] = [NO_BYTES, NO_BYTES];
  let [create_revision, mod_revision, version, lease] = ['0', '0', '0', '0'];
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) key = from.bytes();
    else if (field === 2) create_revision = from.int64();
    else if (field === 3) mod_revision = from.int64();
    else if (field === 4) version = from.int64();
    else if (field === 5) value = from.bytes();
    else if (field === 6) lease = from.int64();
    else from.skip();
  }
  return { key, create_revision, mod_revision, version, value, lease };
}

export function readRange(from: Reader): RangeResponse {
  let header = NO_HEADER;
  const kvs: KeyValue[] = [];
  let more = false;
  let count = '0';
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) header = from.message(readHeader);
    else if (field === 2) kvs.push(from.message(readKeyValue));
    else if (field === 3) more = from.bool();
    else if (field === 4) count = from.int64();
    else from.skip();
  }
  return { header, kvs, more, count };
}

function readDeleteRange(from: Reader): ResponseOp['response_delete_range'] {
  let deleted = '0';
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 2) deleted = from.int64();
    else from.skip();
  }
  return { deleted };
}

function readOperation(from: Reader): ResponseOp {
  let operation = PUT_DONE;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) operation = { ...PUT_DONE, response_range: from.message(readRange) };
    else if (field === 3) operation = { ...PUT_DONE, response_delete_range: from.message(readDeleteRange) };
    else if (field === 4) operation = { ...PUT_DONE, response_txn: from.message(readTxn) };
    else from.skip();
  }
  return operation;
}

export function readTxn(from: Reader): TxnResponse {
  let header = NO_HEADER;
  let succeeded = false;
  const responses: ResponseOp[] = [];
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) header = from.message(readHeader);
    else if (field === 2) succeeded = from.bool();
    else if (field === 3) responses.push(from.message(readOperation));
    else from.skip();
  }
  return { header, succeeded, responses };
}

export function readLeaseGrant(from: Reader): LeaseGrantResponse {
  let header = NO_HEADER;
  let [ID, TTL, error] = ['0', '0', ''];
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) header = from.message(readHeader);
    else if (field === 2) ID = from.int64();
    else if (field === 3) TTL = from.int64();
    else if (field === 4) error = from.text();
    else from.skip();
  }
  return { header, ID, TTL, error };
}

export function readLeaseRevoke(from: Reader): LeaseRevokeResponse {
  let header = NO_HEADER;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) header = from.message(readHeader);
    else from.skip();
  }
  return { header };
}

export function readLeaseKeepAlive(from: Reader): LeaseKeepAliveResponse {
  let header = NO_HEADER;
  let [ID, TTL] = ['0', '0'];
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) header = from.message(readHeader);
    else if (field === 2) ID = from.int64();
    else if (field === 3) TTL = from.int64();
    else from.skip();
  }
  return { header, ID, TTL };
}

export function readLeaseTimeToLive(from: Reader): LeaseTimeToLiveResponse {
  let header = NO_HEADER;
  let [ID, TTL, grantedTTL] = ['0', '0', '0'];
  const keys: Buffer[] = [];
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) header = from.message(readHeader);
    else if (field === 2) ID = from.int64();
    else if (field === 3) TTL = from.int64();
    else if (field === 4) grantedTTL = from.int64();
    else if (field === 5) keys.push(from.bytes());
    else from.skip();
  }
  return { header, ID, TTL, grantedTTL, keys };
}

function readEvent(from: Reader): WatchEvent {
  let type: WatchEvent['type'] = 'Put';
  let kv = NO_KEY;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) type = from.enumerated() === 1 ? 'Delete' : 'Put';
    else if (field === 2) kv = from.message(readKeyValue);
    else from.skip();
  }
  return { type, kv };
}

export function readWatch(from: Reader): WatchResponse {
  let header = NO_HEADER;
  let [watch_id, compact_revision, cancel_reason] = ['0', '0', ''];
  let [created, canceled, fragment] = [false, false, false];
  const events: WatchEvent[] = [];
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) header = from.message(readHeader);
    else if (field === 2) watch_id = from.int64();
    else if (field === 3) created = from.bool();
    else if (field === 4) canceled = from.bool();
    else if (field === 5) compact_revision = from.int64();
    else if (field === 6) cancel_reason = from.text();
    else if (field === 7) fragment = from.bool();
    else if (field === 11) events.push(from.message(readEvent));
    else from.skip();
  }
  return { header, watch_id, created, canceled, compact_revision, cancel_reason, fragment, events };
}

export function readAuthenticate(from: Reader): AuthenticateResponse {
  let header = NO_HEADER;
  let token = '';
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) header = from.message(readHeader);
    else if (field === 2) token = from.text();
    else from.skip();
  }
  return { header, token };
}
