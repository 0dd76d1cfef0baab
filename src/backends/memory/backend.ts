/**
 * Locks inside one process: the default without a server, and the backend of marble tests.
 */
import { Observable, of } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { timeOf } from '../../time/clock.js';
import { InvalidOptionError } from '../../api/errors.js';
import { checkedNames } from '../../api/known-options.js';
import { checkedFunction, checkedTime } from '../../api/shapes.js';
import type { WholeQueueBackend } from '../../backend/defaults.js';
import { createMemoryServer } from './server.js';

/**
 * Answers come synchronously, so a request that follows from an answer is nested in it. Many nested locks, or a failure
 * that is repeated, could overflow the stack: a request nested deeper than this is answered in a turn of its own.
 */
const MAX_DEPTH = 16;

/** The options of {@link memoryBackend}. */
export interface MemoryBackendOptions {
  /** The scheduler of lease expiry; the machine's time by default. In a marble test give the TestScheduler. */
  readonly scheduler?: SchedulerLike;
  /**
   * The TTL to grant for a requested TTL, milliseconds: a server may grant more or less. By default the requested one.
   */
  readonly grantedTtl?: (asked: number) => number;
}

/**
 * A lock server in memory. All `Locks` made on the same backend contend with each other; they have the semantics of
 * etcd v3, first come first served, without a network.
 *
 * @throws InvalidOptionError for unknown options, and when the granted TTL is not a positive number
 * @example
 * const locks = createLocks(memoryBackend());
 */
export function memoryBackend(options: MemoryBackendOptions = {}): WholeQueueBackend {
  checkedNames('memoryBackend', options);
  checkedTime(options);
  const { scheduler, grantedTtl = (asked: number) => asked } = options;
  checkedFunction('grantedTtl', grantedTtl, 'give a function from the requested to the granted TTL.');
  const checkedTtl = (asked: number): number => {
    const ttl = grantedTtl(asked);
    if (ttl > 0 && Number.isFinite(ttl)) return ttl;
    throw new InvalidOptionError('grantedTtl', ttl, 'return milliseconds greater than 0.');
  };
  const time = timeOf({ scheduler });
  const server = createMemoryServer(time, checkedTtl);
  let depth = 0;
  const answer = <T>(request: () => T): Observable<T> =>
    new Observable((subscriber) => {
      const carryOut = (): void => {
        depth += 1;
        try {
          of(request()).subscribe(subscriber);
        } catch (error) {
          subscriber.error(error);
        } finally {
          depth -= 1;
        }
      };
      if (depth < MAX_DEPTH) return carryOut();
      return time.after(0).subscribe(carryOut);
    });

  return {
    name: 'memory',
    maxClaims: Infinity,
    near: Infinity,
    notes: [],
    objection: () => undefined,
    grant: (lease) => answer(() => server.grant(lease)),
    renew: (lease) => answer(() => server.renew(lease)),
    revoke: (lease) => answer(() => server.revoke(lease)),
    enqueue: (claims, _, mode) => answer(() => server.enqueue(claims, mode)),
    dequeue: (claims, queued, _, successor) => answer(() => server.dequeue(claims, queued, successor)),
    keep: (claims, queued, lease) => answer(() => server.keep(claims, queued, lease)),
    proclaim: (claim, mine, value) => answer(() => server.proclaim(claim, mine, value)),
    others: {
      ask: (key, claim, revocation) => answer(() => server.ask(key, claim, revocation)),
      remove: (key, claim) => answer(() => server.remove(key, claim)),
    },
    markers: {
      read: (key) => answer(() => server.markers.read(key)),
      follow: (key) => server.markers.follow(key),
      write: (request) => answer(() => server.markers.write(request)),
      withdraw: (request) => answer(() => server.markers.withdraw(request)),
    },
    queue: (key, _, from, until) => server.queue(key, from, until),
    queues: (prefix) => server.queues(prefix),
    probe: () => of(undefined),
    audit: (lease) => answer(() => server.audit(lease)),
    close: () => undefined,
  };
}
