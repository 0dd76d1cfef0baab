/**
 * The verbs for queues, of one key or of all keys with a prefix: read, watch and probe.
 */
import { concat, map, of, switchMap, tap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Queue, QueueBackend } from '../../backend/port.js';
import { queueOf } from './requests.js';
import type { EtcdServer } from './server.js';
import { PREFIX, QUEUE, prefixViewOf } from './views.js';

export interface Queues extends Required<Pick<QueueBackend, 'queue' | 'queues' | 'probe'>> {
  /** Reads the queue of a key. */
  read(key: string, timeout: number): Observable<Queue>;
}

export function createQueues({ history, watches, read }: EtcdServer): Queues {
  const readQueue = (key: string, timeout: number): Observable<Queue> =>
    read(`${key}/`, timeout).pipe(map(({ revision, kvs }) => queueOf(key, revision, kvs)));

  return {
    read: readQueue,

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
  };
}
