/**
 * The worker: renews a lease while the thread that holds it is blocked. It runs in a second thread, with a client of
 * its own; it knows only its {@link WorkerTask} and the shared memory.
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
        // Through a proxy the answer is the remaining time of the lease, rounded down, which may be half of a short
        // ttl.
        nextAt = sentAt + Math.min(renewEvery, result.ttl / 3);
        memory.answered({ sentAt, ttl: result.ttl / 1000 });
      }),
      // The next look tries again.
      catchError(() => EMPTY),
      takeUntil(time.after(attempt)),
    );
  });

  /**
   * The worker renews only while the other thread is blocked, and not for longer than `maxStall`, since that thread may
   * be stuck for ever.
   */
  const isDue = (): boolean => {
    const now = processTime();
    const blockedFor = now - memory.aliveAt;
    return blockedFor > renewEvery + lookEvery && blockedFor < maxStall && now >= nextAt;
  };
  // Short enough for an attempt between the missing renewal and the deadline.
  const lookEvery = attempt / 4;
  const looks$ = time.after(lookEvery).pipe(repeat(), filter(isDue));

  // Keeps this thread alive after its lease is gone: an end would look like a failure.
  time.awake();
  // The first renewal connects, signs in, and learns the cluster of the server.
  concat(renewed$, looks$.pipe(exhaustMap(() => renewed$)))
    .pipe(takeWhile(({ status }) => status === 'renewed'))
    .subscribe();
}
