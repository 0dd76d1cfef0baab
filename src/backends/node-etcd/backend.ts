/**
 * Locks on etcd v2, through the user's own node-etcd client. The key is microlock's, so that both exclude each other.
 */
import { concat, defer, filter, map, of, switchMap } from 'rxjs';
import type { MonoTypeOperatorFunction, Observable } from 'rxjs';
import type { WholeSlotBackend } from '../../backend/defaults.js';
import type { MarkResult, RenewResult, TakeResult } from '../../backend/port.js';
import { call, longCall } from './calls.js';
import type { Answer } from './calls.js';
import { clientSource } from './client.js';
import type { NodeEtcd } from './client.js';
import { removeEmpty } from './directories.js';
import { COMPARE_FAILED, KEY_EXISTS, KEY_NOT_FOUND, NOT_A_KEY, directoryError } from './errors.js';
import {
  decodeClaim,
  decodeMarker,
  encodeMarker,
  markerViewOf,
  objectionTo,
  pathOf,
  pathOfLease,
  queueOf,
  urlOf,
  valueOf,
} from './keys.js';
import { kept$ } from './keep.js';
import { createWatches } from './watches.js';

/** etcd counts whole seconds. */
const seconds = (ms: number): number => Math.ceil(ms / 1000);

const known = new WeakMap<NodeEtcd, WholeSlotBackend>();

/**
 * A backend on etcd v2 (servers up to 3.5, started with `--enable-v2`).
 *
 * One key has one slot. A contender that finds it taken watches until it is free and tries again, so processes are not
 * served in the order of arrival. Observers do not see waiters, and `meta` is not stored.
 *
 * @param client a client of npm node-etcd, with its credentials and TLS; for a cluster a list, one client for each
 *   host: when one does not answer, the next is asked. The same client gives the same backend, which uses only a few
 *   sockets of its pool, however many keys are watched.
 * @example
 * const locks = createLocks(nodeEtcdBackend(new Etcd('http://127.0.0.1:2379')));
 */
export function nodeEtcdBackend(client: NodeEtcd | readonly NodeEtcd[]): WholeSlotBackend {
  if (isList(client)) return createBackend(client);
  const there = known.get(client);
  if (there) return there;
  const made = createBackend([client]);
  known.set(client, made);
  return made;
}

const isList = (clients: NodeEtcd | readonly NodeEtcd[]): clients is readonly NodeEtcd[] => Array.isArray(clients);

function createBackend(clients: readonly NodeEtcd[]): WholeSlotBackend {
  const source = clientSource(clients, (cause) => watches.broken(cause));

  const read = (path: string, timeout: number): Observable<Answer> =>
    call(source, `read "${path}"`, timeout, (client, once, done) =>
      client.get(urlOf(path), once({ quorum: true }), done),
    );

  const watches = createWatches({
    // Without a timeout: the probe finds out whether the endpoint answers.
    read: (path) => read(path, Infinity),
    poll: ({ path, isFolder }, after) =>
      longCall(source, `watch "${path}"`, (client, once, done) => {
        const from = { wait: true, waitIndex: (after + 1n).toString(), ...(isFolder && { recursive: true }) };
        return client.get(urlOf(path), once(from), done);
      }),
  });

  return {
    name: 'node-etcd',
    notes: source.notes,
    objection: objectionTo,
    close: () => undefined,

    grantedTtl: (asked) => seconds(asked) * 1000,

    renew: (lease, timeout) => {
      const path = pathOfLease(lease);
      return call(source, `renew "${path}"`, timeout, (client, once, done) => {
        // `refresh` wakes no watcher and leaves createdIndex, our fencing token, as it is.
        const same = { prevExist: true, prevValue: valueOf(lease), ttl: seconds(lease.ttl) };
        return client.set(urlOf(path), null, once({ refresh: true, ...same }), done);
      }).pipe(
        switchMap(({ refusal }): Observable<RenewResult> => {
          if (refusal?.code === KEY_NOT_FOUND || refusal?.code === NOT_A_KEY)
            return of({ status: 'gone', reason: 'deleted' });
          const renewed = { status: 'renewed', ttl: seconds(lease.ttl) * 1000 } as const;
          if (refusal?.code !== COMPARE_FAILED) return of(renewed);
          // If it is the marker of this claim, we have overwritten it ourselves: the claim still counts as renewed,
          // until the holder knows that the marker is written.
          return read(path, timeout).pipe(
            map(({ node }) =>
              node && decodeMarker(node.value)?.claim === valueOf(lease)
                ? renewed
                : { status: 'gone', reason: 'overwritten' },
            ),
          );
        }),
      );
    },

    markers: {
      read: (key, timeout) => read(pathOf(key), timeout).pipe(map((answer) => markerViewOf(key, answer))),
      follow: (key, timeout) => {
        const path = pathOf(key);
        return read(path, timeout).pipe(
          switchMap((answer) => concat(of(answer), watches.follow(path, answer.index))),
          newsOnly(({ index }) => index),
          map((answer) => markerViewOf(key, answer)),
        );
      },
      write: ({ claim, lease, value }, timeout) => {
        const path = pathOf(claim.key);
        const mine = valueOf(claim.lease);
        return call(source, `mark "${claim.key}"`, timeout, (client, once, done) => {
          const instead = { prevExist: true, prevValue: mine, ttl: seconds(lease.ttl) };
          return client.set(urlOf(path), encodeMarker(mine, value), once(instead), done);
        }).pipe(
          switchMap((answer) => (answer.refusal?.code === COMPARE_FAILED ? read(path, timeout) : of(answer))),
          // Any other refusal, such as a missing key, means that the key is not ours.
          map(({ node }): MarkResult => (node && decodeMarker(node.value)?.claim === mine ? 'written' : 'gone')),
        );
      },
      // Nothing to do: the release removes the claim, so the comparison of a late attempt fails.
      withdraw: () => of(undefined),
    },

    take: ({ key, lease }, timeout) => {
      const path = pathOf(key);
      const value = valueOf(lease);
      const create$ = call(source, `lock "${key}"`, timeout, (client, once, done) =>
        client.set(urlOf(path), value, once({ prevExist: false, ttl: seconds(lease.ttl) }), done),
      );
      // The key exists: the claim of somebody else, our own claim of an attempt whose answer was lost, or a directory.
      const attempt$ = create$.pipe(
        switchMap((answer) => (answer.refusal?.code === KEY_EXISTS ? read(path, timeout) : of(answer))),
      );
      return attempt$.pipe(
        switchMap((answer) => {
          if (!answer.isFolder) return of(answer);
          return removeEmpty(source, path, timeout).pipe(switchMap(() => attempt$));
        }),
        map((answer): TakeResult => {
          if (answer.isFolder) throw directoryError(`lock "${key}"`);
          const queue = queueOf(key, answer);
          if (answer.node?.value !== value) return { status: 'refused', queue };
          return { status: 'taken', claim: decodeClaim(answer.node), queue };
        }),
      );
    },

    release: ({ key, lease }, timeout) =>
      call(source, `release "${key}"`, timeout, (client, once, done) =>
        client.compareAndDelete(urlOf(pathOf(key)), valueOf(lease), once(), done),
      ).pipe(map(() => undefined)),

    keep: (claim, ms, timeout) => kept$(source, claim, seconds(ms), timeout),

    // A read shows whether the endpoint answers; a long poll cannot show that.
    probe: (timeout) => {
      const path = watches.any();
      return path === undefined ? of(undefined) : read(path, timeout).pipe(map(() => undefined));
    },

    queue: (key, timeout, from) => {
      const path = pathOf(key);
      const start$ = from ? of(from) : read(path, timeout).pipe(map((answer) => queueOf(key, answer)));
      return start$.pipe(
        switchMap((start) => {
          const events$ = watches.follow(path, start.revision).pipe(map((answer) => queueOf(key, answer)));
          return concat(of(start), events$);
        }),
        newsOnly(({ revision }) => revision),
      );
    },
  };
}

/** Drops old news: a poll that starts at an earlier index reports events again. */
const newsOnly =
  <T>(revisionOf: (one: T) => bigint): MonoTypeOperatorFunction<T> =>
  (source$) =>
    defer(() => {
      let last = -1n;
      return source$.pipe(
        filter((one) => {
          const revision = revisionOf(one);
          if (revision <= last) return false;
          last = revision;
          return true;
        }),
      );
    });
