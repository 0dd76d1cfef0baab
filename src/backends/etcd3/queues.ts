/**
 * The verbs for queues, of one key or of all keys with a prefix: read, watch and probe.
 */
import { map, of, switchMap, takeWhile } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Queue, QueueBackend, QueuedClaim } from '../../backend/port.js';
import { keyIn } from './keys.js';
import type { StoredClaim } from './keys.js';
import { queueOf } from './requests.js';
import type { EtcdServer } from './server.js';
import { CLAIM, PREFIX, QUEUE, prefixViewOf } from './views.js';
import type { ClaimView } from './views.js';
import type { Following } from './watches.js';

/**
 * How near the head of a queue each client follows all of it. The nearer, the fewer events for each hand-off, and the
 * sooner after its reading of the queue a client holds: with 1 it would read while the lock is free. Measured, see
 * docs/decisions/0016-far-from-the-head.md.
 */
export const NEAR = 4;

export interface Queues extends Required<Pick<QueueBackend, 'queue' | 'queues' | 'probe'>> {
  /** Reads the queue of a key. */
  read(key: string, timeout: number): Observable<Queue>;
}

export function createQueues({ history, watches, read }: EtcdServer): Queues {
  const readQueue = (key: string, timeout: number): Observable<Queue> =>
    read(`${key}/`, timeout).pipe(map(({ revision, kvs }) => history.read(queueOf(key, revision, kvs))));

  const readClaim = (key: string, claim: QueuedClaim, timeout: number): Observable<ClaimView> => {
    const stored = keyIn(key, claim);
    const isIt = ({ key: one, mod_revision }: StoredClaim): boolean =>
      one.equals(stored) && mod_revision === claim.stamp;
    return read(stored.toString(), timeout).pipe(
      map(({ revision, kvs }) => ({ key, claim, revision, isAsBefore: kvs.some(isIt) })),
    );
  };

  /** Views after a change are of the history that is current then. */
  const whole: Following<Queue> = {
    ...QUEUE,
    applied: (queue, changes) => history.read(QUEUE.applied(queue, changes)),
  };
  const followedFromNow = (key: string, timeout: number, known?: Queue): Observable<Queue> =>
    watches.followFromNow(whole, { key, revision: 0n, claims: [] }, readQueue(key, timeout), known);

  return {
    read: readQueue,

    queue(key, timeout, from, until) {
      if (!from || !history.has(from)) return followedFromNow(key, timeout);
      if (!until) {
        // Where somebody waits, no change may be told late. A held lock for which nobody waits has time: there may be
        // ten thousand, and none of them is read again.
        return from.claims.length > 1 ? followedFromNow(key, timeout, from) : watches.follow(whole, from);
      }
      const known = { key, claim: until, revision: from.revision, isAsBefore: true };
      return watches.followFromNow(CLAIM, known, readClaim(key, until, timeout), known).pipe(
        takeWhile(({ isAsBefore }) => isAsBefore, true),
        switchMap(({ isAsBefore }) => (isAsBefore ? of(from) : followedFromNow(key, timeout))),
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
