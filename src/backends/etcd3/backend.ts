/**
 * Locks on etcd v3, through npm etcd3's raw RPCs: neither its Lease (it reports a loss one whole TTL too late) nor its
 * Lock (it excludes nobody else's).
 */
import { catchError, defer, firstValueFrom, from, map, of, scan, startWith, switchMap, take, throwError } from 'rxjs';
import type { MonoTypeOperatorFunction, Observable } from 'rxjs';
import type { Etcd3, IOptions } from 'etcd3';
import { deadlineIn } from '../../core/clock.js';
import { BackendError, LockNotOwnedError } from '../../core/errors.js';
import type { HeldLock } from '../../core/lock.js';
import type { Claim, Entered, Lease, Left, LockBackend, Queue, QueuedClaim, Renewed } from '../../core/port.js';
import { clientSource } from './client.js';
import { isLeaseGone, isLeaseKnown, toBackendError } from './errors.js';
import { claimKey, claimsOf, encodeClaim, endOf, prefixOf, tombstoneKey } from './keys.js';
import type { StoredClaim } from './keys.js';
import { streamed } from './stream.js';
import { watch } from './watch.js';
import type { Changes } from './watch.js';

/** etcd counts lease ids as int64 and npm etcd3 writes them in decimal. */
const idOf = ({ id }: Lease): string => BigInt(`0x${id}`).toString();

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
}

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

  /** One call, as one cold attempt. The client cannot cancel a call: the deadline ends what nobody waits for. */
  const call = <T>(what: string, run: (client: Etcd3) => Promise<T>): Observable<T> =>
    defer(() => from(run(source.client()))).pipe(
      catchError((error: unknown) => throwError(() => toBackendError(what, error))),
    );

  /** A stream for each attempt, with one send: its reply can be credited to nothing else. */
  const keepAlive = (lease: Lease): Observable<Renewed> =>
    streamed('renew the lease', () => source.client().leaseClient.leaseKeepAlive(), { ID: idOf(lease) }).pipe(
      take(1),
      map(({ TTL }) => Number(TTL) * 1000),
      map((ttl): Renewed => (ttl > 0 ? { status: 'renewed', ttl } : { status: 'gone', reason: 'session' })),
    );

  return {
    name: 'etcd3',
    leasePer: 'session',
    notes: source.notes,
    objection: () => undefined,
    close: () => source.close(),

    grant: (lease, within) =>
      call('grant a lease', (client) =>
        client.leaseClient.leaseGrant({ ID: idOf(lease), TTL: seconds(lease.ttl) }, deadlineIn(within)),
      ).pipe(
        map(({ TTL }) => ({ ttl: Number(TTL) * 1000 })),
        // Granted by an attempt whose answer was lost, some time ago: a renewal says how long it lasts from now.
        orWhen(isLeaseKnown, () =>
          keepAlive(lease).pipe(
            map((answer) => {
              if (answer.status === 'renewed') return { ttl: answer.ttl };
              throw new BackendError('etcd3 granted a lease that ran out at once.', { retryable: true });
            }),
          ),
        ),
      ),

    renew: keepAlive,

    revoke: (lease, within) =>
      call('revoke the lease', (client) =>
        client.leaseClient.leaseRevoke({ ID: idOf(lease) }, deadlineIn(within)),
      ).pipe(
        map(() => undefined),
        orWhen(isLeaseGone, () => of(undefined)),
      ),

    enter: (claim, within) =>
      call(`queue for "${claim.key}"`, (client) => client.kv.txn(enterRequest(claim), deadlineIn(within))).pipe(
        map(({ header, responses }) => entered(claim, BigInt(header.revision), responses)),
        orWhen(isLeaseGone, () => of<Entered>({ status: 'lease-gone' })),
      ),

    leave: (claim, mine, within) =>
      call(`release "${claim.key}"`, (client) => client.kv.txn(leaveRequest(claim, mine), deadlineIn(within))).pipe(
        map((): Left => ({ heir: 'unknown' })),
        orWhen(isLeaseGone, () => of<Left>({ heir: 'unknown' })),
      ),

    probe: () => of(undefined),
    audit: () => of(() => true),

    async guard(held) {
      const { key, fencingToken } = held;
      if (!held.isHeld()) throw new LockNotOwnedError({ key });
      const prefix = prefixOf(key);
      const token = fencingToken.toString();
      const exact = { min_create_revision: token, max_create_revision: token, keys_only: true };
      const { kvs } = await firstValueFrom(
        call(`guard "${key}"`, (client) =>
          client.kv.range({ key: prefix, range_end: endOf(prefix), ...exact }, deadlineIn(held.remaining())),
        ),
      );
      const [claim] = kvs;
      if (!claim || !held.isHeld()) throw new LockNotOwnedError({ key });
      return [claim.key, 'Create', '==', token];
    },

    queue: (key, within) => {
      const prefix = prefixOf(key);
      const range = { key: prefix, range_end: endOf(prefix) };
      return call(`read the queue of "${key}"`, (client) => client.kv.range(range, deadlineIn(within))).pipe(
        switchMap(({ header, kvs }) => {
          const revision = BigInt(header.revision);
          const start = { revision, stored: new Map(kvs.map((kv) => [kv.key.toString('latin1'), kv])) };
          return watch(() => source.client(), range, revision).pipe(scan(applied, start), startWith(start));
        }),
        map(({ revision, stored }): Queue => ({ key, revision, claims: claimsOf(key, [...stored.values()]) })),
      );
    },
  };
}

/** An answer of the server that its client reports as an error. */
const orWhen = <T>(isAnswer: (cause: unknown) => boolean, answer: () => Observable<T>): MonoTypeOperatorFunction<T> =>
  catchError((error: unknown) =>
    error instanceof BackendError && isAnswer(error.cause) ? answer() : throwError(() => error),
  );

type TxnRequest = Parameters<Etcd3['kv']['txn']>[0];
type TxnResponses = Awaited<ReturnType<Etcd3['kv']['txn']>>['responses'];

/** Queues unless it is there already or withdrawn, and reads the queue at that same revision. */
function enterRequest(claim: Claim): TxnRequest {
  const key = claimKey(claim);
  const prefix = prefixOf(claim.key);
  const queue = { request_range: { key: prefix, range_end: endOf(prefix) } };
  return {
    compare: [
      { key, target: 'Create', result: 'Equal', create_revision: '0' },
      { key: tombstoneKey(claim), target: 'Create', result: 'Equal', create_revision: '0' },
    ],
    success: [{ request_put: { key, value: encodeClaim(claim), lease: idOf(claim.lease) } }, queue],
    failure: [queue],
  };
}

function entered(claim: Claim, revision: bigint, responses: TxnResponses): Entered {
  const stored = responses.at(-1)?.response_range.kvs ?? [];
  const claims = claimsOf(claim.key, stored);
  const id = claimKey(claim).subarray(prefixOf(claim.key).length).toString();
  const mine = claims.find((queued) => queued.id === id);
  if (mine) return { status: 'entered', claim: mine, queue: { key: claim.key, revision, claims } };
  throw new BackendError(`"${claim.key}": the claim was withdrawn before it came in.`, { retryable: false });
}

/** Deletes the claim if it is still the one that entered. Where nobody knows whether it did, it must not come in later. */
function leaveRequest(claim: Claim, mine: QueuedClaim | undefined): TxnRequest {
  const key = claimKey(claim);
  const gone = { request_delete_range: { key } };
  if (mine) {
    const compare = { key, target: 'Create', result: 'Equal', create_revision: mine.token.toString() } as const;
    return { compare: [compare], success: [gone] };
  }
  return { success: [{ request_put: { key: tombstoneKey(claim), lease: idOf(claim.lease) } }, gone] };
}

interface StoredQueue {
  readonly revision: bigint;
  readonly stored: ReadonlyMap<string, StoredClaim>;
}

/** From the watch's events to the queue, without reading again. */
function applied({ stored }: StoredQueue, { revision, events }: Changes): StoredQueue {
  const next = new Map(stored);
  for (const { type, kv } of events) {
    if (type === 'Put') next.set(kv.key.toString('latin1'), kv);
    else next.delete(kv.key.toString('latin1'));
  }
  return { revision, stored: next };
}
