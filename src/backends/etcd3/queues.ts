/**
 * The verbs for queues, of one key or of all keys with a prefix: read, watch and probe.
 */
import { concat, defer, map, of, switchMap, takeWhile, tap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Queue, QueueBackend } from '../../backend/port.js';
import { queueOf } from './requests.js';
import type { EtcdServer } from './server.js';
import { CLAIM, PREFIX, QUEUE, prefixViewOf, queueWithin } from './views.js';

/**
 * How near the head of a queue each client follows all of it. The nearer, the fewer events for each hand-off, and the
 * sooner after its reading of the queue a client holds: with 1 it would read while the lock is free.
 */
export const NEAR = 4;

export interface Queues extends Required<Pick<QueueBackend, 'queue' | 'queues' | 'probe'>> {
  /** Reads the queue of a key. */
  read(key: string, timeout: number): Observable<Queue>;
}

/** Behind a proxy, so many ranges for the claims of one key are used in turn. */
const RANGES = 4;

export function createQueues({ source, history, watches, read, isDirect }: EtcdServer): Queues {
  let begun = -1;
  /**
   * `etcd grpc-proxy` merges watches of the same range, new ones included. Where it has lost the watch under them, it
   * tells none of them anything more, nor that there is nothing more to come. So whoever reads the queue again watches
   * another range.
   */
  const followed = (queue: Queue): Observable<Queue> =>
    defer(() => {
      if (isDirect(source.endpoint().client)) return watches.follow(QUEUE, queue);
      begun += 1;
      return watches.follow(queueWithin(begun % RANGES), queue);
    });
  const readQueue = (key: string, timeout: number): Observable<Queue> =>
    read(`${key}/`, timeout).pipe(map(({ revision, kvs }) => queueOf(key, revision, kvs)));

  return {
    read: readQueue,

    queue(key, timeout, from, until) {
      const whole$ = readQueue(key, timeout).pipe(switchMap((queue) => concat(of(queue), followed(queue))));
      const queues$ = (): Observable<Queue> => {
        if (!from || !history.has(from)) return whole$;
        if (!until) return followed(from);
        return watches.follow(CLAIM, { key, claim: until, revision: from.revision, isAsBefore: true }).pipe(
          takeWhile(({ isAsBefore }) => isAsBefore, true),
          switchMap(({ isAsBefore }) => (isAsBefore ? of(from) : whole$)),
        );
      };
      return queues$().pipe(tap((queue) => history.read(queue)));
    },

    queues: (prefix, timeout) =>
      read(prefix, timeout).pipe(
        map(({ revision, kvs }) => prefixViewOf(prefix, revision, kvs)),
        switchMap((region) => watches.follow(PREFIX, region)),
        map(({ changed }) => changed),
      ),

    probe: (timeout) => watches.probe(timeout),
  };
}
