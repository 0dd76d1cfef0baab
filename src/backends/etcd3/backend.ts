/**
 * Locks on etcd v3, through npm etcd3's raw RPCs: neither its Lease (it reports a loss one whole TTL too late) nor its
 * Lock (it excludes nobody else's).
 */
import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  endWith,
  expand,
  forkJoin,
  ignoreElements,
  lastValueFrom,
  map,
  of,
  reduce,
  switchMap,
  take,
  takeUntil,
  tap,
} from 'rxjs';
import type { Observable } from 'rxjs';
import type { ComparatorBuilder, Etcd3, IOptions } from 'etcd3';
import { deadlineIn } from '../../time/clock.js';
import { BackendError, InvalidOptionError, LockNotOwnedError } from '../../api/errors.js';
import type { HeldLock } from '../../api/lock.js';
import type {
  ClaimRequest,
  EnqueueResult,
  Lease,
  DequeueResult,
  Queue,
  QueueBackend,
  RenewResult,
} from '../../backend/port.js';
import { settled } from '../../backend/settled.js';
import { call, orWhen, tried } from './calls.js';
import { clientSource } from './client.js';
import { isLeaseGone, isLeaseKnown, isOutOfSpace } from './errors.js';
import { createGroupCommit } from './group-commit.js';
import type { Send } from './group-commit.js';
import { Incarnation } from './incarnation.js';
import { endOf, objectionTo, prefixOf } from './keys.js';
import type { StoredClaim } from './keys.js';
import {
  MAX_TOGETHER,
  askRequest,
  clearRequest,
  dequeueRequest,
  dequeued,
  enqueueRequest,
  isBlocked,
  queuedAll,
  triedAll,
  tryRequest,
  idOf,
  proclaimRequest,
  queueOf,
  readRequest,
  removeRequest,
  rewritten,
} from './requests.js';
import type { Busy, TxnAnswer, TxnRequest } from './requests.js';
import { streamed } from './stream.js';
import { QUEUE, PREFIX, prefixViewOf } from './views.js';
import { createWatches } from './watches.js';

/** etcd grants whole seconds. */
const seconds = (ms: number): number => Math.ceil(ms / 1000);

/** The arguments of npm etcd3's `client.if(...)`. */
export type Guard = readonly [key: Buffer, column: 'Create', comparator: '==', token: string];

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
}

/** A transaction of npm etcd3 that is carried out only if all these claims are still there. */
export const ifAll = (client: Etcd3, [first, ...others]: readonly Guard[]): ComparatorBuilder => {
  if (!first) throw new InvalidOptionError('guards', '[]', 'give what guards() resolved to.');
  return others.reduce((builder, guard) => builder.and(...guard), client.if(...first));
};

/**
 * A backend on etcd v3.
 *
 * @param clientOrOptions npm etcd3's options (hosts, credentials, auth): then the client is made with the fault policy
 *   that a lock needs, and closed with the locks. Or a client of yours: then its policy applies, and a `note` event
 *   says what that can cost.
 * @example
 * const locks = createLocks(etcd3Backend({ hosts: ['http://10.0.0.1:2379', 'http://10.0.0.2:2379'] }));
 */
export function etcd3Backend(clientOrOptions: Etcd3 | IOptions): Etcd3Backend {
  const source = clientSource(clientOrOptions);

  const watches = createWatches(() => {
    const { client, failed } = source.endpoint();
    return { open: () => client.watchClient.watch(), failed };
  });
  const history = new Incarnation((cause) => watches.broken(cause));

  const send: Send = (txn, timeout) => {
    const asked = history.asked();
    return call(source, 'carry out a transaction', (client) => client.kv.txn(txn, deadlineIn(timeout))).pipe(
      map(({ header, succeeded, responses }) => {
        history.answered(asked, header);
        return { revision: BigInt(header.revision), succeeded, responses };
      }),
    );
  };
  const commit = createGroupCommit(send);

  /** A stream for each attempt, with one send: its reply can be credited to nothing else. */
  const keepAlive = (lease: Lease, timeout: number): Observable<RenewResult> => {
    const asked = history.asked();
    return tried(source, ({ renewing }) =>
      streamed('renew the lease', () => renewing.leaseClient.leaseKeepAlive(), { ID: idOf(lease) }).pipe(take(1)),
    ).pipe(
      concatMap((answer) => (history.isDoubtful(asked, answer.header) ? undoubted(answer, timeout) : of(answer))),
      map(({ TTL }): RenewResult => {
        const cause = history.objection(lease);
        const ttl = Number(TTL) * 1000;
        return ttl > 0 && !cause ? { status: 'renewed', ttl } : { status: 'gone', reason: 'session', cause };
      }),
    );
  };

  /** Whoever can tell is asked whether the history is still the one we know. */
  const undoubted = <T>(answer: T, timeout: number): Observable<T> =>
    send({ success: [{ request_range: { key: HEADER_PROBE_KEY } }] }, timeout).pipe(map(() => answer));

  /** All that begins so, page by page, as it was when the first page was read. */
  const read = (beginning: string, timeout: number): Observable<Page> => {
    const what = `read what begins with "${beginning}"`;
    const txn = (): TxnRequest => ({ success: [{ request_range: readRequest(beginning) }] });
    const read = ({ revision, responses: [response] }: TxnAnswer): Page => {
      const { kvs = [], more = false } = response?.response_range ?? {};
      return { revision, kvs, more };
    };
    const first = commit({ what, txn, names: [beginning], kind: 'read', lease: '', read }, timeout);
    const page = (revision: bigint, after: StoredClaim): Observable<Page> =>
      call(source, what, (client) =>
        client.kv.range({ ...readRequest(beginning, after.key), revision: revision.toString() }, deadlineIn(timeout)),
      ).pipe(map(({ kvs, more }) => ({ revision, kvs, more })));
    return first.pipe(
      expand(({ revision, kvs, more }) => {
        const last = kvs.at(-1);
        return more && last ? page(revision, last) : EMPTY;
      }),
      reduce((all, { revision, kvs }) => ({ revision, kvs: [...all.kvs, ...kvs], more: false })),
    );
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

  /** Lets them in if they would hold at once. What is there may not block (readers, nested names): then nothing else may come. */
  const tried$ = (
    claims: readonly ClaimRequest[],
    timeout: number,
    seen: bigint | undefined,
  ): Observable<EnqueueResult> =>
    commit<EnqueueResult | Busy>(
      {
        ...enqueuing(claims),
        txn: () => tryRequest(claims, seen),
        read: (answer) => triedAll(claims, answer),
      },
      timeout,
    ).pipe(
      switchMap((answer) => {
        if (answer.status !== 'busy') return of(answer);
        return forkJoin(
          answer.queues.map((queue, i) => (queue ? of(queue) : readQueue(claims[i]?.key ?? '', timeout))),
        ).pipe(
          switchMap((queues) => {
            if (isBlocked(claims, queues)) return of({ status: 'refused', queues } as const);
            return tried$(
              claims,
              timeout,
              queues.reduce((oldest, { revision }) => (revision < oldest ? revision : oldest), answer.revision),
            );
          }),
        );
      }),
    );

  const readQueue = (key: string, timeout: number): Observable<Queue> =>
    read(`${key}/`, timeout).pipe(map(({ revision, kvs }) => queueOf(key, revision, kvs)));

  const guard = (held: HeldLock, key: string): Observable<Guard> => {
    const prefix = prefixOf(key);
    const token = held.fencingToken.toString();
    const exact = { min_create_revision: token, max_create_revision: token, keys_only: true };
    return call(source, `guard "${key}"`, (client) =>
      client.kv.range({ key: prefix, range_end: endOf(prefix), ...exact }, deadlineIn(held.remaining())),
    ).pipe(
      map(({ kvs }): Guard => {
        const claim = kvs.find((kv) => !kv.key.includes('/', prefix.length));
        if (!claim || !held.isHeld()) throw new LockNotOwnedError({ key: held.key });
        return [claim.key, 'Create', '==', token];
      }),
    );
  };

  const guards = async (held: HeldLock): Promise<readonly Guard[]> => {
    // Until then a predecessor in this process could still write under its own guard.
    await lastValueFrom(settled(held).pipe(takeUntil(ended(held))), { defaultValue: undefined });
    if (!held.isHeld()) throw new LockNotOwnedError({ key: held.key });
    return lastValueFrom(forkJoin(held.keys.map((key) => guard(held, key))));
  };

  return {
    name: 'etcd3',
    notes: source.notes,
    objection: objectionTo,
    close: () => source.close(),

    grant: (lease, timeout) =>
      call(source, 'grant a lease', (client) =>
        client.leaseClient.leaseGrant({ ID: idOf(lease), TTL: seconds(lease.ttl) }, deadlineIn(timeout)),
      ).pipe(
        map(({ TTL }) => ({ ttl: Number(TTL) * 1000 })),
        tap(() => history.granted(lease)),
        // Granted by an attempt whose answer was lost, some time ago: a renewal says how long it lasts from now.
        orWhen(isLeaseKnown, () =>
          keepAlive(lease, timeout).pipe(
            map((answer) => {
              if (answer.status === 'renewed') return { ttl: answer.ttl };
              throw new BackendError('etcd3 granted a lease that ran out at once.', { retryable: true });
            }),
          ),
        ),
      ),

    renew: keepAlive,

    revoke: (lease, timeout) =>
      call(source, 'revoke the lease', (client) =>
        client.leaseClient.leaseRevoke({ ID: idOf(lease) }, deadlineIn(timeout)),
      ).pipe(
        map(() => undefined),
        orWhen(isLeaseGone, () => of(undefined)),
      ),

    maxClaims: MAX_TOGETHER,

    enqueue(claims, timeout, mode) {
      if (history.objection(leaseOf(claims))) return of({ status: 'lease-gone' });
      if (mode === 'try') return tried$(claims, timeout, undefined);
      return commit<EnqueueResult>(
        {
          ...enqueuing(claims),
          txn: () => enqueueRequest(claims, mode),
          read: (answer) => queuedAll(claims, answer),
        },
        timeout,
      );
    },

    dequeue: (claims, queued, timeout, successor) =>
      commit<DequeueResult>(
        {
          what: `release ${listed(claims)}`,
          txn: () => dequeueRequest(claims, queued, successor),
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

    proclaim: ({ key }, mine, value, timeout) =>
      send(proclaimRequest(key, mine, value), timeout).pipe(
        map((answer) => rewritten(key, { ...mine, value }, answer)),
      ),

    others: {
      ask: (key, claim, revocation, timeout) =>
        send(askRequest(key, claim, revocation), timeout).pipe(
          map((answer) => rewritten(key, { ...claim, revocation }, answer)),
        ),
      remove: (key, claim, timeout) => send(removeRequest(key, claim), timeout).pipe(map(() => undefined)),
    },

    queue(key, timeout, from) {
      if (from && history.has(from.revision)) return watches.follow(QUEUE, from);
      return readQueue(key, timeout).pipe(switchMap((queue) => concat(of(queue), watches.follow(QUEUE, queue))));
    },

    queues: (prefix, timeout) =>
      read(prefix, timeout).pipe(
        map(({ revision, kvs }) => prefixViewOf(prefix, revision, kvs)),
        switchMap((region) => watches.follow(PREFIX, region)),
        map(({ changed }) => changed),
      ),

    probe: () => watches.probe(),

    audit: (lease, timeout) =>
      call(source, 'audit the lease', (client) =>
        client.leaseClient.leaseTimeToLive({ ID: idOf(lease), keys: true }, deadlineIn(timeout)),
      ).pipe(
        map(({ keys }) => {
          const there = new Set(keys.map((key) => key.toString()));
          return (key, { id }) => there.has(`${key}/${id}`);
        }),
      ),

    async guard(held) {
      const [guard, ...others] = await guards(held);
      if (guard && others.length === 0) return guard;
      throw new InvalidOptionError('held', held.key, 'it is the lock of several keys: use guards() and ifAll().');
    },

    guards,
  };
}

const listed = (claims: readonly ClaimRequest[]): string => claims.map(({ key }) => `"${key}"`).join(', ');

/** What all requests to queue have in common. */
const enqueuing = (claims: readonly ClaimRequest[]) =>
  ({
    what: `queue for ${listed(claims)}`,
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

/** A key that is read to ask for the header only. */
const HEADER_PROBE_KEY = Buffer.of(0);

/** Some keys of a prefix, and whether there are more. */
interface Page {
  readonly revision: bigint;
  readonly kvs: readonly StoredClaim[];
  readonly more: boolean;
}

/** Emits when the lock is given back or lost. */
const ended = (held: HeldLock): Observable<unknown> =>
  held.renewals$.pipe(
    ignoreElements(),
    catchError(() => EMPTY),
    endWith(true),
  );
