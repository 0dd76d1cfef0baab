/**
 * The worker: renews a lease while the thread that holds it is blocked, with a client of its own. It runs in a thread of
 * its own, and knows its {@link WorkerTask} and what is in the shared memory.
 */
import { workerData } from 'node:worker_threads';
import { EMPTY, catchError, concat, defer, exhaustMap, filter, repeat, takeUntil, takeWhile, tap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { RenewResult } from '../../../backend/port.js';
import { processTime, timeOf } from '../../../time/clock.js';
import { clientSource } from '../client.js';
import { createLeases } from '../leases.js';
import { createServer } from '../server.js';
import { SharedMemory } from './memory.js';
import type { WorkerTask } from './renewal-worker.js';

const isTask = (given: unknown): given is WorkerTask =>
  typeof given === 'object' && given !== null && 'lease' in given && 'buffer' in given;

const given: unknown = workerData;
if (!isTask(given)) throw new TypeError('this file is started by rxlock, as a worker.');
renewWhileBlocked(given);

function renewWhileBlocked({ options, lease, plan, buffer }: WorkerTask): void {
  const { renewEvery, attempt, maxStall } = plan;
  const memory = new SharedMemory(buffer);
  const source = clientSource(options);
  const server = createServer(source);
  const { history } = server;
  history.granted(lease);
  const places = new Map(source.endpoints().map(({ client }, place) => [client, place]));
  const leases = createLeases({ ...server, isDirect: (client) => memory.isDirect(places.get(client) ?? -1) });
  const time = timeOf();
  let nextAt = -Infinity;

  const renewed$: Observable<RenewResult> = defer(() => {
    history.told(memory.newest);
    const sentAt = processTime();
    return leases.renew(lease, attempt).pipe(
      tap((result) => {
        if (result.status === 'gone') return;
        // Through a proxy the server says how long the lease has to run, rounded down: that may be half of a short ttl.
        nextAt = sentAt + Math.min(renewEvery, result.ttl / 3);
        memory.answered({ sentAt, ttl: result.ttl / 1000 });
      }),
      // It is asked for again at the next look.
      catchError(() => EMPTY),
      takeUntil(time.after(attempt)),
    );
  });

  /** It renews by itself unless it is blocked; if that is for too long, it may be for ever. */
  const isDue = (): boolean => {
    const now = processTime();
    const blockedFor = now - memory.aliveAt;
    return blockedFor > renewEvery + lookEvery && blockedFor < maxStall && now >= nextAt;
  };
  // Often enough that an attempt fits between the renewal that did not come and the deadline.
  const lookEvery = attempt / 4;
  const looks$ = time.after(lookEvery).pipe(repeat(), filter(isDue));

  // Of a thread whose lease is gone nothing is left to do, and to end would look like a failure.
  time.awake();
  // The first one connects, signs in, and says of which cluster the server is.
  concat(renewed$, looks$.pipe(exhaustMap(() => renewed$)))
    .pipe(takeWhile(({ status }) => status === 'renewed'))
    .subscribe();
}
