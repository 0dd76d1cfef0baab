/**
 * Locks on etcd v2, through the user's own node-etcd: microlock's key, so that both exclude each other.
 */
import { NEVER, concat, defer, expand, finalize, map, of, switchMap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Entered, LockBackend, Queue, Renewed } from '../../core/port.js';
import { call } from './client.js';
import type { Answer, NodeEtcd, RequestOptions } from './client.js';
import { COMPARE_FAILED, KEY_EXISTS, KEY_NOT_FOUND } from './errors.js';
import { decodeClaim, pathOf, queueOf, valueOf } from './keys.js';

/** etcd counts whole seconds. */
const seconds = (ms: number): number => Math.ceil(ms / 1000);

/**
 * node-etcd repeats what fails for up to 27 s; the engine has its own patience. An object of its own for each call:
 * node-etcd writes into the options it is given (`compareAndDelete` adds its `prevValue`).
 */
const once = (options: RequestOptions = {}): RequestOptions => ({ ...options, maxRetries: 0 });

/**
 * A watch holds a socket of node-etcd's pool of 100, and when all are taken nothing gets through any more, renewals
 * included. Keys beyond these are read again once in a while instead.
 */
const MOST_WATCHES = 50;

/**
 * A backend on etcd v2 (servers up to 3.5, started with `--enable-v2`).
 *
 * One key has one place: who comes second watches until it is free and tries again, so the order among processes is
 * not that of their coming. Waiters are not seen by observers, and `meta` is not stored.
 *
 * @param client npm node-etcd's client, with its hosts, credentials and TLS
 * @example
 * const locks = createLocks(nodeEtcdBackend(new Etcd('http://127.0.0.1:2379')));
 */
export function nodeEtcdBackend(client: NodeEtcd): LockBackend {
  let watches = 0;

  const read = (key: string): Observable<Answer> =>
    call(`read "${key}"`, (callback) => client.get(pathOf(key), once({ quorum: true }), callback));

  const next = (key: string, after: bigint): Observable<Answer> =>
    call(`watch "${key}"`, (callback) =>
      client.get(pathOf(key), once({ wait: true, waitIndex: (after + 1n).toString() }), callback),
    );

  /** Every answer asks for the one after it; each is waited for from the index of the last, so none is missed. */
  const follow = (key: string, start: Answer): Observable<Answer> =>
    defer(() => {
      if (watches >= MOST_WATCHES) return concat(of(start), NEVER);
      watches += 1;
      return of(start).pipe(
        expand((last) => next(key, last.index), 1),
        finalize(() => (watches -= 1)),
      );
    });

  return {
    name: 'node-etcd',
    leasePer: 'claim',
    notes: [],
    objection: objectionTo,
    close: () => undefined,

    // The TTL hangs on the key itself: there is a lease as soon as the key is written, and it ends with it.
    grant: ({ ttl }) => of({ ttl: seconds(ttl) * 1000 }),
    revoke: () => of(undefined),

    renew: (lease) =>
      call(`renew "${lease.key}"`, (callback) => {
        // `refresh` wakes no watcher and leaves createdIndex, our fencing token, as it is.
        const same = { prevExist: true, prevValue: valueOf(lease), ttl: seconds(lease.ttl) };
        return client.set(pathOf(lease.key ?? ''), null, once({ refresh: true, ...same }), callback);
      }).pipe(
        map(({ refusal }): Renewed => {
          if (refusal?.code === KEY_NOT_FOUND) return { status: 'gone', reason: 'deleted' };
          if (refusal?.code === COMPARE_FAILED) return { status: 'gone', reason: 'overwritten' };
          return { status: 'renewed', ttl: seconds(lease.ttl) * 1000 };
        }),
      ),

    enter: ({ key, lease }) => {
      const value = valueOf(lease);
      return call(`lock "${key}"`, (callback) =>
        client.set(pathOf(key), value, once({ prevExist: false, ttl: seconds(lease.ttl) }), callback),
      ).pipe(
        // Taken: by somebody else, or by an attempt of ours whose answer was lost.
        switchMap((answer) => (answer.refusal?.code === KEY_EXISTS ? read(key) : of(answer))),
        map(({ index, node }): Entered => {
          const queue = queueOf(key, index, node);
          if (node?.value !== value) return { status: 'refused', queue };
          return { status: 'entered', claim: decodeClaim(node), queue };
        }),
      );
    },

    leave: ({ key, lease }) =>
      call(`release "${key}"`, (callback) =>
        client.compareAndDelete(pathOf(key), valueOf(lease), once(), callback),
      ).pipe(map(() => ({ heir: 'unknown' }))),

    // A long poll for each key, and none that speaks for the others: the engine reads again once in a while.
    probe: () => of(undefined),
    // A renewal compares the value, and so it finds out by itself.
    audit: () => of(() => true),

    queue: (key) =>
      read(key).pipe(
        switchMap((answer) => follow(key, answer)),
        map(({ index, node }): Queue => queueOf(key, index, node)),
      ),
  };
}

/** The store's paths are cleaned like file paths: what they would change is another key than the one given. */
function objectionTo(key: string): string | undefined {
  const parts = key.replace(/^\//, '').split('/');
  if (!parts.some((part) => part === '' || part === '.' || part === '..')) return undefined;
  return 'etcd v2 keeps keys as paths: leave out empty parts, `.`, `..` and a `/` at the end.';
}
