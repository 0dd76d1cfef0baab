/**
 * Our own client of one host. It makes single attempts; the engine decides about retries.
 */
import { lastValueFrom } from 'rxjs';
import type { Observable } from 'rxjs';
import { Channel } from './channel.js';
import { duplex } from './duplex.js';
import type { EtcdClient } from './etcd-client.js';
import type { Host } from './hosts.js';
import type { Reach } from './options.js';
import { RpcError } from './rpc-error.js';
import {
  AUTHENTICATE,
  LEASE_GRANT,
  LEASE_KEEP_ALIVE,
  LEASE_REVOKE,
  LEASE_TIME_TO_LIVE,
  RANGE,
  TXN,
  WATCH,
} from './rpcs.js';
import type { Rpc } from './rpcs.js';
import { Tokens, isStale } from './tokens.js';
import type { WatchResponse } from './messages.js';
import { unary } from './unary.js';
import type { CallOptions } from './unary.js';

export interface OwnClient extends EtcdClient {
  /** Closes the connection after the running calls have been answered. */
  close(): void;
}

export function ownClient(host: Host, reach: Reach): OwnClient {
  const channel = new Channel(host, reach);
  const tokens =
    reach.auth && new Tokens((request, options) => unary(channel, AUTHENTICATE, request, options), reach.auth);

  const asks =
    <Request, Response>(rpc: Rpc<Request, Response>) =>
    (request: Request, options: CallOptions): Observable<Response> =>
      tokens
        ? tokens.signed(options, (token) => unary(channel, rpc, request, options, token))
        : unary(channel, rpc, request, options);

  return {
    kv: { range: asks(RANGE), txn: asks(TXN) },
    leaseClient: {
      leaseGrant: asks(LEASE_GRANT),
      leaseRevoke: asks(LEASE_REVOKE),
      leaseTimeToLive: asks(LEASE_TIME_TO_LIVE),
      // A renewal needs no token: so it waits for none, and works even if the user was deleted.
      leaseKeepAlive: () => Promise.resolve(duplex(channel, LEASE_KEEP_ALIVE, {})),
    },
    watchClient: {
      async watch() {
        // `hasLeader`, since a member that is cut off from its cluster would otherwise be silent.
        if (!tokens) return duplex(channel, WATCH, { hasLeader: true });
        const { token$ } = tokens;
        const token = await lastValueFrom(token$);
        return duplex(channel, WATCH, { hasLeader: true, token }, (heard) => {
          if (isStale(refusalIn(heard))) tokens.forget(token$);
        });
      },
    },
    close: () => channel.close(),
  };
}

/** The text of a refusal: a watch is refused by a message, a stream by its end. */
const refusalIn = (heard: WatchResponse | RpcError): string =>
  heard instanceof RpcError ? heard.details : heard.canceled ? heard.cancel_reason : '';
