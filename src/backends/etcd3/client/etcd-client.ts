/**
 * What the backend needs from a client of etcd: ours, or that of npm etcd3.
 */
import type { Observable } from 'rxjs';
import type { DuplexStream } from './duplex.js';
import type {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchRequest,
  WatchResponse,
} from './messages.js';
import type { CallOptions } from './unary.js';

/** Calls are cold: each subscription sends one. Errors carry the message of the server. */
export interface EtcdClient {
  readonly kv: {
    range(request: RangeRequest, options: CallOptions): Observable<RangeResponse>;
    txn(request: TxnRequest, options: CallOptions): Observable<TxnResponse>;
  };
  readonly leaseClient: {
    leaseGrant(request: LeaseGrantRequest, options: CallOptions): Observable<LeaseGrantResponse>;
    leaseRevoke(request: LeaseRevokeRequest, options: CallOptions): Observable<LeaseRevokeResponse>;
    leaseTimeToLive(request: LeaseTimeToLiveRequest, options: CallOptions): Observable<LeaseTimeToLiveResponse>;
    leaseKeepAlive(): Promise<DuplexStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>>;
  };
  readonly watchClient: {
    watch(): Promise<DuplexStream<WatchRequest, WatchResponse>>;
  };
}
