/**
 * The RPCs of etcd that a lock uses: their paths, and how to write requests and read answers.
 */
import * as read from './decode.js';
import * as write from './encode.js';
import { PREFIX, framed } from './frame.js';
import { Reader } from './wire.js';
import type { Writer } from './wire.js';

/** An RPC of etcd. */
export interface Rpc<Request, Response> {
  readonly path: string;
  write(to: Writer, request: Request): void;
  read(from: Reader): Response;
}

const rpc = <Request, Response>(
  path: string,
  write: (to: Writer, request: Request) => void,
  read: (from: Reader) => Response,
): Rpc<Request, Response> => ({ path, write, read });

export const RANGE = rpc('/etcdserverpb.KV/Range', write.writeRange, read.readRange);
export const TXN = rpc('/etcdserverpb.KV/Txn', write.writeTxn, read.readTxn);
export const LEASE_GRANT = rpc('/etcdserverpb.Lease/LeaseGrant', write.writeLeaseGrant, read.readLeaseGrant);
export const LEASE_REVOKE = rpc('/etcdserverpb.Lease/LeaseRevoke', write.writeLease, read.readLeaseRevoke);
export const LEASE_KEEP_ALIVE = rpc('/etcdserverpb.Lease/LeaseKeepAlive', write.writeLease, read.readLeaseKeepAlive);
export const LEASE_TIME_TO_LIVE = rpc(
  '/etcdserverpb.Lease/LeaseTimeToLive',
  write.writeLeaseTimeToLive,
  read.readLeaseTimeToLive,
);
export const WATCH = rpc('/etcdserverpb.Watch/Watch', write.writeWatch, read.readWatch);
export const AUTHENTICATE = rpc('/etcdserverpb.Auth/Authenticate', write.writeAuthenticate, read.readAuthenticate);

/** The request as a gRPC frame. Throws if it cannot be written; the writer is cleared in any case. */
export function encoded<Request>(to: Writer, { write }: Rpc<Request, unknown>, request: Request): Buffer {
  try {
    write(to, request);
    return framed(to.taken(PREFIX));
  } finally {
    to.clear();
  }
}

export const decoded = <Response>({ read }: Rpc<never, Response>, message: Buffer): Response =>
  read(new Reader(message));
