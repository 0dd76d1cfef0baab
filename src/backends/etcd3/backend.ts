/**
 * Locks on etcd v3, through a client of our own or the raw RPCs of npm etcd3: neither its Lease (it reports a loss one
 * whole TTL too late) nor its Lock (it excludes nobody else's).
 */
import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  endWith,
  forkJoin,
  ignoreElements,
  map,
  merge,
  of,
  switchMap,
  take,
  tap,
  throwError,
} from 'rxjs';
import type { Observable } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import type { HeldLock } from '../../api/lock.js';
import type {
  Audit,
  ClaimRequest,
  EnqueueResult,
  Lease,
  DequeueResult,
  MarkResult,
  MarkerView,
  Queue,
  QueueBackend,
  RenewResult,
} from '../../backend/port.js';
import { createCalls, orWhen } from './calls.js';
import { clientSource } from './client.js';
import type { Endpoint } from './client.js';
import type { EtcdClient } from './client/etcd-client.js';
import type { Etcd3Options } from './client/options.js';
import type { UserClient } from './client/user-client.js';
import { isAnswerTooLarge, isLeaseGone, isLeaseKnown, isOutOfSpace } from './errors.js';
import { createGroupCommit } from './group-commit.js';
import type { Send } from './group-commit.js';
import { Incarnation, OtherCluster } from './incarnation.js';
import { createGuards } from './guards.js';
import type { Guard } from './guards.js';
import { kept$ } from './keep.js';
import { markerName, objectionTo } from './keys.js';
import { createReader } from './pages.js';
import {
  MAX_TOGETHER,
  accessToLeave,
  accessToPut,
  askRequest,
  clearRequest,
  dequeueRequest,
  dequeued,
  enqueueRequest,
  isBlocked,
  isMarked,
  markRequest,
  marked,
  unmarkRequest,
  queuedAll,
  triedAll,
  tryRequest,
  historyRequest,
  idOf,
  proclaimRequest,
  queueOf,
  removeRequest,
  rewritten,
} from './requests.js';
import type { Busy, TxnRequest } from './requests.js';
import { streamed } from './stream.js';
import type { Transaction, TransactionResult } from './transaction.js';
import { MARKER, QUEUE, PREFIX, markerViewOf, prefixViewOf } from './views.js';
import { createWatches } from './watches.js';

/** etcd grants whole seconds. */
const seconds = (ms: number): number => Math.ceil(ms / 1000);

/** A {@link QueueBackend} on etcd v3, which can also guard writes to that etcd. */
export interface Etcd3Backend extends QueueBackend {
  /**
   * Has the server itself refuse a write once the lock is no longer held: the comparison that our claim is still
   * there. Take it before reading what you will write.
   *
   * Rejects with {@link LockNotOwnedError} when the lock is not held any more, with {@link BackendError} when the
   * server cannot be asked.
   *
   * @example
   * const guard = await backend.guard(held);
   * const { succeeded } = await client.if(...guard).then(client.put('balance').value('42')).commit();
   */
  guard(held: HeldLock): Promise<Guard>;
  /**
   * The same for the lock of several keys, one for each: see {@link ifAll}. Rejects as {@link guard}.
   *
   * @example
   * const transaction = ifAll(client, await backend.guards(held));
   * const { succeeded } = await transaction.then(client.put('balance').value('42')).commit();
   */
  guards(held: HeldLock): Promise<readonly Guard[]>;
  /**
   * Puts and deletes keys of that etcd, all of it or nothing, and only while the lock is held: the server itself refuses
   * it later. For who has no other client of it; `get` reads in the same step.
   *
   * Resolves with `succeeded: false`, and nothing written, where a value was not as `if` says. Rejects with
   * {@link LockNotOwnedError} when the lock is not held any more, with {@link BackendError} when the server cannot be
   * asked or did not answer: then it may have been carried out, or not.
   *
   * @example
   * const { values } = await backend.transaction(held, { get: ['balance'] });
   * const { succeeded } = await backend.transaction(held, {
   *   if: { balance: values['balance'] ?? null },
   *   put: { balance: String(Number(values['balance'] ?? 0) + 10) },
   * });
   */
  transaction(held: HeldLock, transaction: Transaction): Promise<TransactionResult>;
}

/**
 * A backend on etcd v3.
 *
 * @param clientOrOptions where etcd is (hosts, credentials, auth): then a client of our own is used, made for locks, and
 *   closed with them. Or a client of npm etcd3 that you have: then its policy applies, and a `note` event says what that
 *   can cost.
 * @throws InvalidOptionError at the call, for options that cannot be meant
 * @example
 * const locks = createLocks(etcd3Backend({ hosts: ['http://10.0.0.1:2379', 'http://10.0.0.2:2379'] }));
 */
export function etcd3Backend(clientOrOptions: UserClient | Etcd3Options): Etcd3Backend {
  const source = clientSource(clientOrOptions);

  /** Clients known to talk to etcd itself, and to no proxy. */
  const direct = new WeakSet<EtcdClient>();
  const watches = createWatches(() => {
    const { client, failed } = source.endpoint();
    const keepsIds = (does: boolean): unknown => (does ? direct.add(client) : direct.delete(client));
    return { open: () => client.watchClient.watch(), failed, keepsIds };
  });
  const history = new Incarnation((cause) => watches.broken(cause));
  const { call, tried } = createCalls(source, history);

  const send: Send = (txn, timeout) => {
    const asked = history.asked();
    return call('carry out a transaction', timeout, (client, options) => client.kv.txn(txn, options)).pipe(
      map(({ header, succeeded, responses }) => {
        history.answered(asked, header);
        return { revision: BigInt(header.revision), succeeded, responses };
      }),
    );
  };
  /** What somebody else has written can be more than JSON.stringify can repeat: nested too deep, for one. */
  const write = (what: string, txn: () => TxnRequest, timeout: number) =>
    defer(() => {
      try {
        return send(txn(), timeout);
      } catch (cause) {
        const message = `etcd3 could not ${what}: what is to be written cannot be written as JSON.`;
        throw new BackendError(message, { retryable: false, cause });
      }
    });
  const commit = createGroupCommit(send);
  const read = createReader(commit, (request, what, timeout) =>
    call(what, timeout, (client, options) => client.kv.range(request, options)),
  );

  /** A stream for each attempt, with one send: its reply can be credited to nothing else. */
  const keepAlive = (lease: Lease, timeout: number): Observable<{ readonly ttl: number }> => {
    const asked = history.asked();
    return tried(timeout, (endpoint) =>
      streamed('renew the lease', () => endpoint.client.leaseClient.leaseKeepAlive(), { ID: idOf(lease) }).pipe(
        take(1),
        concatMap((answer) => (direct.has(endpoint.client) ? of(answer) : remaining(endpoint, lease, timeout))),
      ),
    ).pipe(
      concatMap((answer) => (history.isDoubtful(asked, answer.header) ? undoubted(answer, timeout) : of(answer))),
      map(({ TTL }) => ({ ttl: Number(TTL) * 1000 })),
    );
  };

  /**
   * `etcd grpc-proxy` answers a renewal with whatever its server answers next, be it to a renewal sent long before: then
   * the server is asked how long the lease has still to run. Whole seconds, rounded down.
   */
  const remaining = (endpoint: Endpoint, lease: Lease, timeout: number) =>
    call(
      'ask how long the lease has to run',
      timeout,
      (client, options) => client.leaseClient.leaseTimeToLive({ ID: idOf(lease) }, options),
      endpoint,
    ).pipe(
      map(({ header, TTL }) => {
        if (Number(TTL) === 0) throw new BackendError('etcd3: the lease is about to run out.', { retryable: true });
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

  /** The leader is asked whether the history is still the one we know. */
  const undoubted = <T>(answer: T, timeout: number): Observable<T> =>
    send(historyRequest, timeout).pipe(map(() => answer));

  /** Those endpoints that have not said yet of which cluster they are, as far as they answer soon. */
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

  /**
   * A withdrawal writes a tombstone, for which a server may have no space: then its claims are taken out at least, since
   * others may wait behind them. No attempt to queue that comes late comes in either until there is space again.
   */
  const cleared$ = (
    claims: readonly ClaimRequest[],
    timeout: number,
    cause: unknown,
  ): Observable<unknown> | undefined => (isOutOfSpace(cause) ? send(clearRequest(claims), timeout) : undefined);

  /** Of the answer to queueing, what can be gone on from. */
  const known = <Answer extends EnqueueResult | Busy>(answer: Answer): Answer => {
    if (answer.status === 'queued') for (const { queue } of answer.entries) if (queue) history.read(queue);
    if (answer.status === 'refused') for (const queue of answer.queues) history.read(queue);
    return answer;
  };

  /** Lets them in if they would hold at once. What is there may not block (readers, nested names): then nothing else may come. */
  const tried$ = (
    claims: readonly ClaimRequest[],
    timeout: number,
    seen: bigint | undefined,
  ): Observable<EnqueueResult> => {
    // Of another history than this one, what was seen says nothing about who has come since.
    if (history.objection(leaseOf(claims))) return of({ status: 'lease-gone' });
    return commit<EnqueueResult | Busy>(
      {
        ...enqueuing(claims),
        txn: () => tryRequest(claims, seen),
        read: (answer) => known(triedAll(claims, answer)),
      },
      timeout,
    ).pipe(
      switchMap((answer) => {
        if (answer.status !== 'busy') return of(answer);
        return forkJoin(
          answer.queues.map((queue, i) => (queue ? of(queue) : readQueue(claims[i]?.key ?? '', timeout))),
        ).pipe(
          switchMap((queues) => {
            if (isBlocked(claims, queues)) return of(known({ status: 'refused', queues } as const));
            return tried$(
              claims,
              timeout,
              queues.reduce((oldest, { revision }) => (revision < oldest ? revision : oldest), answer.revision),
            );
          }),
        );
      }),
    );
  };

  const readQueue = (key: string, timeout: number): Observable<Queue> =>
    read(`${key}/`, timeout).pipe(map(({ revision, kvs }) => queueOf(key, revision, kvs)));

  const readMarker = (key: string, timeout: number): Observable<MarkerView> =>
    read(markerName(key), timeout).pipe(map(({ revision, kvs }) => markerViewOf(key, revision, kvs)));

  const granted = (lease: Lease, timeout: number) =>
    call('grant a lease', timeout, (client, options) =>
      client.leaseClient.leaseGrant({ ID: idOf(lease), TTL: seconds(lease.ttl) }, options),
    );

  const revoke = (lease: Lease, timeout: number): Observable<void> =>
    call('revoke the lease', timeout, (client, options) =>
      client.leaseClient.leaseRevoke({ ID: idOf(lease) }, options),
    ).pipe(
      map(() => undefined),
      orWhen(isLeaseGone, () => of(undefined)),
    );

  const { guards, guard, transaction } = createGuards(call);

  return {
    name: 'etcd3',
    notes: source.notes,
    objection: objectionTo,
    close: () => source.close(),

    grant: (lease, timeout) =>
      granted(lease, timeout).pipe(
        map(({ TTL }) => ({ ttl: Number(TTL) * 1000 })),
        // Granted by an attempt whose answer was lost, some time ago: a renewal says how long it lasts from now.
        orWhen(isLeaseKnown, () => keepAlive(lease, timeout)),
        concatMap((granted) => sameCluster(lease, timeout).pipe(endWith(granted))),
        tap(({ ttl }) => {
          if (ttl <= 0) throw new BackendError('etcd3 granted a lease that ran out at once.', { retryable: true });
          history.granted(lease);
        }),
      ),

    renew,

    revoke,

    maxClaims: MAX_TOGETHER,

    enqueue(claims, timeout, mode) {
      if (history.objection(leaseOf(claims))) return of({ status: 'lease-gone' });
      if (mode === 'try') return tried$(claims, timeout, undefined);
      return commit<EnqueueResult>(
        {
          ...enqueuing(claims),
          txn: () => enqueueRequest(claims, mode),
          read: (answer) => known(queuedAll(claims, answer)),
        },
        timeout,
      );
    },

    dequeue: (claims, queued, timeout, successor) =>
      commit<DequeueResult>(
        {
          what: `release ${listed(claims)}`,
          txn: () => dequeueRequest(claims, queued, successor),
          access: queued ? accessToLeave(claims) : accessToPut(claims),
          names: claims.map(({ key }) => key),
          size: 2 * claims.length,
          kind: 'leave',
          lease: leaseOf(claims).id,
          read: (answer) => dequeued(answer, successor),
          leaseGone: { successor: 'unknown' },
          before: (cause) => cleared$(claims, timeout, cause),
        },
        timeout,
      ),

    keep: (claims, queued, lease, timeout) =>
      kept$(
        {
          grant: (own) => granted(own, timeout),
          send: (txn) => send(txn, timeout),
          revoke: (own) => revoke(own, timeout),
        },
        claims,
        queued,
        lease,
      ),

    proclaim: ({ key }, mine, value, timeout) =>
      write(`proclaim at "${key}"`, () => proclaimRequest(key, mine, value), timeout).pipe(
        map((answer) => rewritten(key, { ...mine, value }, answer)),
      ),

    others: {
      ask: (key, claim, revocation, timeout) =>
        write(`ask for "${key}"`, () => askRequest(key, claim, revocation), timeout).pipe(
          map((answer) => rewritten(key, { ...claim, revocation }, answer)),
        ),
      remove: (key, claim, timeout) => send(removeRequest(key, claim), timeout).pipe(map(() => undefined)),
    },

    markers: {
      read: readMarker,
      follow: (key, timeout) => readMarker(key, timeout).pipe(switchMap((view) => watches.follow(MARKER, view))),
      write: (request, timeout) => {
        const gone = (): Observable<MarkResult> => of('gone');
        // Of another history than this one, the token of our claim may be somebody else's.
        if (history.objection(request.claim.lease)) return gone();
        return granted(request.lease, timeout).pipe(
          map(() => undefined),
          // By an earlier attempt, some time ago: what it says is kept from now on. After this it is renewed no more.
          orWhen(isLeaseKnown, () => keepAlive(request.lease, timeout).pipe(map(() => undefined))),
          switchMap(() => (history.objection(request.claim.lease) ? gone() : send(markRequest(request), timeout))),
          map((answer) => (typeof answer === 'string' ? answer : marked(request, answer))),
        );
      },
      withdraw: (request, timeout) =>
        send(unmarkRequest(request), timeout).pipe(
          switchMap((answer) => (isMarked(request, answer) ? of(undefined) : revoke(request.lease, timeout))),
        ),
    },

    queue(key, timeout, from) {
      if (from && history.has(from)) return watches.follow(QUEUE, from).pipe(tap((queue) => history.read(queue)));
      return readQueue(key, timeout).pipe(
        switchMap((queue) => concat(of(queue), watches.follow(QUEUE, queue))),
        tap((queue) => history.read(queue)),
      );
    },

    queues: (prefix, timeout) =>
      read(prefix, timeout).pipe(
        map(({ revision, kvs }) => prefixViewOf(prefix, revision, kvs)),
        switchMap((region) => watches.follow(PREFIX, region)),
        map(({ changed }) => changed),
      ),

    probe: (timeout) => watches.probe(timeout),

    audit: (lease, timeout) =>
      call('audit the lease', timeout, (client, options) =>
        client.leaseClient.leaseTimeToLive({ ID: idOf(lease), keys: true }, options),
      ).pipe(
        map(({ keys }): Audit => {
          const there = new Set(keys.map((key) => key.toString()));
          return (key, { id }) => there.has(`${key}/${id}`);
        }),
        // More names than an answer carries: then whoever holds looks at its own queue.
        orWhen(isAnswerTooLarge, () => of<Audit>(() => false)),
      ),

    guard,
    guards,
    transaction,
  };
}

const listed = (claims: readonly ClaimRequest[]): string => claims.map(({ key }) => `"${key}"`).join(', ');

/** What all requests to queue have in common. */
const enqueuing = (claims: readonly ClaimRequest[]) =>
  ({
    what: `queue for ${listed(claims)}`,
    access: accessToPut(claims),
    names: claims.map(({ key }) => key),
    size: 3 * claims.length,
    kind: 'enter',
    lease: leaseOf(claims).id,
    leaseGone: { status: 'lease-gone' },
  }) as const;

/** All of them are of one. */
function leaseOf([first]: readonly ClaimRequest[]): Lease {
  if (first) return first.lease;
  throw new TypeError('claims that are to go together are one at least.');
}
