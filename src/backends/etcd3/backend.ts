/**
 * Locks on etcd v3, through a client of our own or the raw RPCs of npm etcd3: neither its Lease (it reports a loss one
 * whole TTL too late) nor its Lock (it excludes nobody else's).
 */
import { concat, defer, forkJoin, map, of, switchMap, tap } from 'rxjs';
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
} from '../../backend/port.js';
import { createCalls, createSend, orWhen } from './calls.js';
import { clientSource } from './client.js';
import type { Endpoint } from './client.js';
import type { EtcdClient } from './client/etcd-client.js';
import type { Etcd3Options } from './client/options.js';
import type { UserClient } from './client/user-client.js';
import { isAnswerTooLarge, isLeaseKnown, isOutOfSpace } from './errors.js';
import { createGroupCommit } from './group-commit.js';
import { Incarnation } from './incarnation.js';
import { createGuards } from './guards.js';
import type { Guard } from './guards.js';
import { kept$ } from './keep.js';
import { markerName, objectionTo } from './keys.js';
import { createLeases } from './leases.js';
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
  idOf,
  proclaimRequest,
  queueOf,
  removeRequest,
  rewritten,
} from './requests.js';
import type { Busy, TxnRequest } from './requests.js';
import { startRenewalWorker } from './renewal-worker/renewal-worker.js';
import type { Transaction, TransactionResult } from './transaction.js';
import { MARKER, QUEUE, PREFIX, markerViewOf, prefixViewOf } from './views.js';
import { createWatches } from './watches.js';

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
  const calls = createCalls(source, history);
  const { call } = calls;

  const send = createSend(calls, history);
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

  const isDirect = ({ client }: Endpoint): boolean => direct.has(client);
  const leases = createLeases({ source, history, calls, send, isDirect });
  const { options } = source;
  const servers = { newest: () => history.newest, direct: () => source.endpoints().map(isDirect) };

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

  const { guards, guard, transaction } = createGuards(call);

  return {
    name: 'etcd3',
    notes: source.notes,
    objection: objectionTo,
    close: () => source.close(),

    grant: leases.grant,
    renew: leases.renew,
    ...(options && { renewalWorker: (lease, plan) => startRenewalWorker(options, servers, lease, plan) }),
    revoke: leases.revoke,

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
          grant: (own) => leases.granted(own, timeout),
          send: (txn) => send(txn, timeout),
          revoke: (own) => leases.revoke(own, timeout),
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
        return leases.granted(request.lease, timeout).pipe(
          map(() => undefined),
          // By an earlier attempt. What is to be kept is not renewed.
          orWhen(isLeaseKnown, () => of(undefined)),
          switchMap(() => (history.objection(request.claim.lease) ? gone() : send(markRequest(request), timeout))),
          map((answer) => (typeof answer === 'string' ? answer : marked(request, answer))),
        );
      },
      withdraw: (request, timeout) =>
        send(unmarkRequest(request), timeout).pipe(
          switchMap((answer) => (isMarked(request, answer) ? of(undefined) : leases.revoke(request.lease, timeout))),
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
