/**
 * Leases: granted with an id that we choose, renewed with one stream for each attempt, revoked, audited.
 */
import { EMPTY, catchError, concatMap, endWith, ignoreElements, map, merge, of, take, tap, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import type { Audit, Lease, QueueBackend, RenewResult } from '../../backend/port.js';
import { orWhen } from './calls.js';
import type { Endpoint } from './client.js';
import { isAnswerTooLarge, isLeaseGone, isLeaseKnown } from './errors.js';
import { OtherCluster } from './incarnation.js';
import { historyRequest, idOf } from './requests.js';
import type { EtcdServer } from './server.js';
import { streamed } from './stream.js';

/** etcd grants whole seconds. */
const seconds = (ms: number): number => Math.ceil(ms / 1000);

export interface Leases extends Required<Pick<QueueBackend, 'grant' | 'renew' | 'revoke' | 'audit'>> {
  /** Sends only the grant; errors if the lease exists already. */
  granted(lease: Lease, timeout: number): Observable<{ readonly TTL: string }>;
}

export function createLeases({ source, history, isDirect, call, tried, send }: EtcdServer): Leases {
  /** One stream for each attempt, with one send, so that a reply cannot belong to another attempt. */
  const keepAlive = (lease: Lease, timeout: number): Observable<{ readonly ttl: number }> => {
    const asked = history.asked();
    return tried(timeout, (endpoint) =>
      streamed('renew the lease', () => endpoint.client.leaseClient.leaseKeepAlive(), { ID: idOf(lease) }).pipe(
        take(1),
        concatMap((answer) => (isDirect(endpoint.client) ? of(answer) : remaining(endpoint, lease, timeout))),
      ),
    ).pipe(
      concatMap((answer) => (history.isDoubtful(asked, answer.header) ? undoubted(answer, timeout) : of(answer))),
      map(({ TTL }) => ({ ttl: Number(TTL) * 1000 })),
    );
  };

  /**
   * `etcd grpc-proxy` answers a renewal with the next answer of its server, which may belong to a much earlier renewal.
   * So the server is asked for the remaining time of the lease, in whole seconds, rounded down.
   */
  const remaining = (endpoint: Endpoint, lease: Lease, timeout: number) =>
    call(
      'ask how long the lease has to run',
      timeout,
      (client, options) => client.leaseClient.leaseTimeToLive({ ID: idOf(lease) }, options),
      endpoint,
    ).pipe(
      map(({ header, TTL }) => {
        if (Number(TTL) === 0) throw new BackendError('etcd: the lease is about to run out.', { retryable: true });
        return { header, TTL };
      }),
    );

  const renew = (lease: Lease, timeout: number): Observable<RenewResult> =>
    keepAlive(lease, timeout).pipe(
      map(({ ttl }): RenewResult => {
        const cause = history.objection(lease);
        return ttl > 0 && !cause ? { status: 'renewed', ttl } : { status: 'gone', reason: 'session', cause };
      }),
    );

  /** Asks the leader whether the history is still the one we know, then emits the answer. */
  const undoubted = <T>(answer: T, timeout: number): Observable<T> =>
    send(historyRequest, timeout).pipe(map(() => answer));

  /** Checks the cluster id of endpoints that have not reported it yet, as far as they answer soon. */
  const sameCluster = (lease: Lease, timeout: number): Observable<never> => {
    const others = source.endpoints().filter(({ client }) => !history.hasHeardFrom(client));
    const asked = others.map((endpoint) =>
      call(
        'ask for the cluster',
        timeout / 2,
        (client, options) => client.leaseClient.leaseTimeToLive({ ID: idOf(lease) }, options),
        endpoint,
      ).pipe(
        catchError((error: unknown) =>
          error instanceof BackendError && error.cause instanceof OtherCluster ? throwError(() => error) : EMPTY,
        ),
      ),
    );
    return merge(...asked).pipe(ignoreElements());
  };

  const granted = (lease: Lease, timeout: number) =>
    call('grant a lease', timeout, (client, options) =>
      client.leaseClient.leaseGrant({ ID: idOf(lease), TTL: seconds(lease.ttl) }, options),
    );

  return {
    granted,

    grant: (lease, timeout) =>
      granted(lease, timeout).pipe(
        map(({ TTL }) => ({ ttl: Number(TTL) * 1000 })),
        // An earlier attempt has granted the lease; a renewal tells how long it lasts from now on.
        orWhen(isLeaseKnown, () => keepAlive(lease, timeout)),
        concatMap((granted) => sameCluster(lease, timeout).pipe(endWith(granted))),
        tap(({ ttl }) => {
          if (ttl <= 0) throw new BackendError('etcd granted a lease that ran out at once.', { retryable: true });
          history.granted(lease);
        }),
      ),

    renew,

    revoke: (lease, timeout) =>
      call('revoke the lease', timeout, (client, options) =>
        client.leaseClient.leaseRevoke({ ID: idOf(lease) }, options),
      ).pipe(
        map(() => undefined),
        orWhen(isLeaseGone, () => of(undefined)),
      ),

    audit: (lease, timeout) =>
      call('audit the lease', timeout, (client, options) =>
        client.leaseClient.leaseTimeToLive({ ID: idOf(lease), keys: true }, options),
      ).pipe(
        map(({ keys }): Audit => {
          const there = new Set(keys.map((key) => key.toString()));
          return (key, { id }) => there.has(`${key}/${id}`);
        }),
        // The lease has more keys than an answer can carry: then each holder reads its own queue.
        orWhen(isAnswerTooLarge, () => of<Audit>(() => false)),
      ),
  };
}
