/**
 * The messages of etcd that a lock needs, in the shape of npm etcd3: int64 is decimal text in answers, and text or
 * number in requests; the names are those of the .proto fields. They are defined in etcd's api/etcdserverpb/rpc.proto.
 */

type Int64 = string | number;

export interface RangeRequest {
  key?: Buffer;
  range_end?: Buffer;
  limit?: Int64;
  revision?: Int64;
  sort_order?: 'None' | 'Ascend' | 'Descend';
  sort_target?: 'Key' | 'Version' | 'Create' | 'Mod' | 'Value';
  serializable?: boolean;
  keys_only?: boolean;
  count_only?: boolean;
  min_mod_revision?: Int64;
  max_mod_revision?: Int64;
  min_create_revision?: Int64;
  max_create_revision?: Int64;
}

export interface PutRequest {
  key?: Buffer;
  value?: Buffer;
  lease?: Int64;
  prev_kv?: boolean;
  ignore_value?: boolean;
  ignore_lease?: boolean;
}

export interface DeleteRangeRequest {
  key?: Buffer;
  range_end?: Buffer;
  prev_kv?: boolean;
}

/** One of them. */
export interface RequestOp {
  request_range?: RangeRequest;
  request_put?: PutRequest;
  request_delete_range?: DeleteRangeRequest;
  request_txn?: TxnRequest;
}

export interface Compare {
  result?: 'Equal' | 'Greater' | 'Less' | 'NotEqual';
  target?: 'Version' | 'Create' | 'Mod' | 'Value' | 'Lease';
  key?: Buffer;
  range_end?: Buffer;
  version?: Int64;
  create_revision?: Int64;
  mod_revision?: Int64;
  value?: Buffer;
  lease?: Int64;
}

export interface TxnRequest {
  compare?: Compare[];
  success?: RequestOp[];
  failure?: RequestOp[];
}

export interface LeaseGrantRequest {
  TTL?: Int64;
  ID?: Int64;
}

export interface LeaseRevokeRequest {
  ID?: Int64;
}

export interface LeaseKeepAliveRequest {
  ID?: Int64;
}

export interface LeaseTimeToLiveRequest {
  ID?: Int64;
  keys?: boolean;
}

export interface WatchCreateRequest {
  key?: Buffer;
  range_end?: Buffer;
  start_revision?: Int64;
  progress_notify?: boolean;
  filters?: ('Noput' | 'Nodelete')[];
  prev_kv?: boolean;
  watch_id?: Int64;
  fragment?: boolean;
}

/** One of them. */
export interface WatchRequest {
  create_request?: WatchCreateRequest;
  cancel_request?: { watch_id?: Int64 };
  progress_request?: Record<string, never>;
}

export interface AuthenticateRequest {
  name: string;
  password: string;
}

/** The header of an answer, as far as a lock needs it. */
export interface ResponseHeader {
  readonly cluster_id: string;
  readonly revision: string;
}

export interface KeyValue {
  readonly key: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly version: string;
  readonly value: Buffer;
  readonly lease: string;
}

export interface RangeResponse {
  readonly header: ResponseHeader;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: string;
}

/** One of these is set; the others read as empty messages. */
export interface ResponseOp {
  readonly response_range: RangeResponse;
  readonly response_delete_range: { readonly deleted: string };
  readonly response_txn: TxnResponse;
}

export interface TxnResponse {
  readonly header: ResponseHeader;
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}

export interface LeaseGrantResponse {
  readonly header: ResponseHeader;
  readonly ID: string;
  readonly TTL: string;
  readonly error: string;
}

export interface LeaseRevokeResponse {
  readonly header: ResponseHeader;
}

export interface LeaseKeepAliveResponse {
  readonly header: ResponseHeader;
  readonly ID: string;
  readonly TTL: string;
}

export interface LeaseTimeToLiveResponse extends LeaseKeepAliveResponse {
  readonly grantedTTL: string;
  readonly keys: readonly Buffer[];
}

/** A change of a key. */
export interface WatchEvent {
  readonly type: 'Put' | 'Delete';
  readonly kv: KeyValue;
}

export interface WatchResponse {
  readonly header: ResponseHeader;
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

export interface AuthenticateResponse {
  readonly header: ResponseHeader;
  readonly token: string;
}
