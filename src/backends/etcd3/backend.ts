/**
 * Locks on etcd v3, through a client of our own or the raw RPCs of npm etcd3: neither its Lease (it reports a loss one
 * whole TTL too late) nor its Lock (it excludes nobody else's).
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
import { deadlineIn } from '../../core/clock.js';
import { BackendError, InvalidOptionError, LockNotOwnedError } from '../../core/errors.js';
import type { HeldLock } from '../../core/lock.js';
import type { Claim, Entered, EnteredAll, Lease, Left, LockBackend, Renewed } from '../../core/port.js';
import { settled } from '../../core/settled.js';
import { call, orWhen, tried } from './calls.js';
import { clientSource } from './client.js';
import type { Etcd3Options } from './client/options.js';
import type { UserClient } from './client/user-client.js';
import { isLeaseGone, isLeaseKnown, isOutOfSpace } from './errors.js';
import { createGroupCommit } from './group-commit.js';
import type { Send } from './group-commit.js';
import { History } from './history.js';
import { endOf, objectionTo, prefixOf } from './keys.js';
import type { StoredClaim } from './keys.js';
import {
  MOST_TOGETHER,
  askRequest,
  clearRequest,
  enterAllRequest,
  enterRequest,
  entered,
  enteredAll,
  idOf,
  leaveAllRequest,
  leaveRequest,
  left,
  proclaimRequest,
  queueOf,
  readRequest,
  removeRequest,
  rewritten,
} from './requests.js';
import type { TxnAnswer, TxnRequest } from './requests.js';
import { streamed } from './stream.js';
import { QUEUE, REGION, regionOf } from './views.js';
import { createWatches } from './watches.js';

/** etcd grants whole seconds. */
const seconds = (ms: number): number => Math.ceil(ms / 1000);

/** The arguments of npm etcd3's `client.if(...)`. */
export type Guard = readonly [key: Buffer, column: 'Create', comparator: '==', token: string];

/** A {@link LockBackend} on etcd v3, which can also guard writes to that etcd. */
export interface Etcd3Backend extends LockBackend {
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

/** A comparator builder of npm etcd3. */
interface Comparator {
  and(...guard: Guard): this;
}

/** A transaction of npm etcd3 that is carried out only if all these claims are still there. */
export const ifAll = <B extends Comparator>(client: { if(...guard: Guard): B }, guards: readonly Guard[]): B => {
  const [first, ...others] = guards;
  if (!first) throw new InvalidOptionError('guards', '[]', 'give what guards() resolved to.');
  return others.reduce((builder, guard) => builder.and(...guard), client.if(...first));
};

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

  const watches = createWatches(() => {
    const { client, failed } = source.endpoint();
    return { open: () => client.watchClient.watch(), failed };
  });
  const history = new History((cause) => watches.broken(cause));

  const send: Send = (txn, within) => {
    const asked = history.asked();
    return call(source, 'carry out a transaction', (client) => client.kv.txn(txn, deadlineIn(within))).pipe(
      map(({ header, succeeded, responses }) => {
        history.answered(asked, header);
        return { revision: BigInt(header.revision), succeeded, responses };
      }),
    );
  };
  const commit = createGroupCommit(send);

  /** A stream for each attempt, with one send: its reply can be credited to nothing else. */
  const keepAlive = (lease: Lease, within: number): Observable<Renewed> => {
    const asked = history.asked();
    return tried(source, ({ client }) =>
      streamed('renew the lease', () => client.leaseClient.leaseKeepAlive(), { ID: idOf(lease) }).pipe(take(1)),
    ).pipe(
      concatMap((answer) => (history.isDoubtful(asked, answer.header) ? undoubted(answer, within) : of(answer))),
      map(({ TTL }): Renewed => {
        const cause = history.objection(lease);
        const ttl = Number(TTL) * 1000;
        return ttl > 0 && !cause ? { status: 'renewed', ttl } : { status: 'gone', reason: 'session', cause };
      }),
    );
  };

  /** Whoever can tell is asked whether the history is still the one we know. */
  const undoubted = <T>(answer: T, within: number): Observable<T> =>
    send({ success: [{ request_range: { key: NOTHING } }] }, within).pipe(map(() => answer));

  /** All that begins so, page by page, as it was when the first page was read. */
  const read = (beginning: string, within: number): Observable<Page> => {
    const what = `read what begins with "${beginning}"`;
    const txn = (): TxnRequest => ({ success: [{ request_range: readRequest(beginning) }] });
    const read = ({ revision, responses: [response] }: TxnAnswer): Page => {
      const { kvs = [], more = false } = response?.response_range ?? {};
      return { revision, kvs, more };
    };
    const first = commit({ what, txn, names: [beginning], kind: 'read', lease: '', read }, within);
    const page = (revision: bigint, after: StoredClaim): Observable<Page> =>
      call(source, what, (client) =>
        client.kv.range({ ...readRequest(beginning, after.key), revision: revision.toString() }, deadlineIn(within)),
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
  const cleared$ = (claims: readonly Claim[], within: number, cause: unknown): Observable<unknown> | undefined =>
    isOutOfSpace(cause) ? send(clearRequest(claims), within) : undefined;

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
    leasePer: 'session',
    notes: source.notes,
    objection: objectionTo,
    close: () => source.close(),

    grant: (lease, within) =>
      call(source, 'grant a lease', (client) =>
        client.leaseClient.leaseGrant({ ID: idOf(lease), TTL: seconds(lease.ttl) }, deadlineIn(within)),
      ).pipe(
        map(({ TTL }) => ({ ttl: Number(TTL) * 1000 })),
        tap(() => history.granted(lease)),
        // Granted by an attempt whose answer was lost, some time ago: a renewal says how long it lasts from now.
        orWhen(isLeaseKnown, () =>
          keepAlive(lease, within).pipe(
            map((answer) => {
              if (answer.status === 'renewed') return { ttl: answer.ttl };
              throw new BackendError('etcd3 granted a lease that ran out at once.', { retryable: true });
            }),
          ),
        ),
      ),

    renew: keepAlive,

    revoke: (lease, within) =>
      call(source, 'revoke the lease', (client) =>
        client.leaseClient.leaseRevoke({ ID: idOf(lease) }, deadlineIn(within)),
      ).pipe(
        map(() => undefined),
        orWhen(isLeaseGone, () => of(undefined)),
      ),

    enter: (claim, within, look) => {
      if (history.objection(claim.lease)) return of({ status: 'lease-gone' });
      return commit<Entered>(
        {
          what: `queue for "${claim.key}"`,
          txn: () => enterRequest(claim, look),
          names: [claim.key],
          kind: 'enter',
          lease: claim.lease.id,
          read: (answer) => entered(claim, answer),
          leaseGone: { status: 'lease-gone' },
        },
        within,
      );
    },

    leave: (claim, mine, within, heir) =>
      commit<Left>(
        {
          what: `release "${claim.key}"`,
          txn: () => leaveRequest(claim, mine, heir),
          names: [claim.key],
          kind: 'leave',
          lease: claim.lease.id,
          read: (answer) => left(answer, heir),
          leaseGone: { heir: 'unknown' },
          before: (cause) => cleared$([claim], within, cause),
        },
        within,
      ),

    proclaim: ({ key }, mine, value, within) =>
      send(proclaimRequest(key, mine, value), within).pipe(map((answer) => rewritten(key, { ...mine, value }, answer))),

    others: {
      ask: (key, claim, revocation, within) =>
        send(askRequest(key, claim, revocation), within).pipe(
          map((answer) => rewritten(key, { ...claim, revocation }, answer)),
        ),
      remove: (key, claim, within) => send(removeRequest(key, claim), within).pipe(map(() => undefined)),
    },

    together: {
      most: MOST_TOGETHER,

      enter(claims, within) {
        const [lease, what] = [leaseOf(claims), `queue for ${listed(claims)}`];
        if (history.objection(lease)) return of({ status: 'lease-gone' });
        return commit<EnteredAll>(
          {
            what,
            txn: () => enterAllRequest(claims),
            names: claims.map(({ key }) => key),
            size: 2 * claims.length,
            kind: 'enter',
            lease: lease.id,
            read: (answer) => enteredAll(claims, answer),
            leaseGone: { status: 'lease-gone' },
          },
          within,
        );
      },

      leave: (claims, mine, within) =>
        commit<Left>(
          {
            what: `release ${listed(claims)}`,
            txn: () => leaveAllRequest(claims, mine),
            names: claims.map(({ key }) => key),
            size: 2 * claims.length,
            kind: 'leave',
            lease: leaseOf(claims).id,
            read: () => ({ heir: 'unknown' }),
            leaseGone: { heir: 'unknown' },
            before: (cause) => cleared$(claims, within, cause),
          },
          within,
        ),
    },

    queue(key, within, from) {
      if (from && history.has(from.revision)) return watches.follow(QUEUE, from);
      return read(`${key}/`, within).pipe(
        map(({ revision, kvs }) => queueOf(key, revision, kvs)),
        switchMap((queue) => concat(of(queue), watches.follow(QUEUE, queue))),
      );
    },

    queues: (prefix, within) =>
      read(prefix, within).pipe(
        map(({ revision, kvs }) => regionOf(prefix, revision, kvs)),
        switchMap((region) => watches.follow(REGION, region)),
        map(({ changed }) => changed),
      ),

    probe: () => watches.probe(),

    audit: (lease, within) =>
      call(source, 'audit the lease', (client) =>
        client.leaseClient.leaseTimeToLive({ ID: idOf(lease), keys: true }, deadlineIn(within)),
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

const listed = (claims: readonly Claim[]): string => claims.map(({ key }) => `"${key}"`).join(', ');

/** All of them are of one. */
function leaseOf([first]: readonly Claim[]): Lease {
  if (first) return first.lease;
  throw new TypeError('claims that are to go together are one at least.');
}

/** A key that is read to ask for the header only. */
const NOTHING = Buffer.of(0);

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
