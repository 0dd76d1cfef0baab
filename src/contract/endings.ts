/**
 * Rules: nothing is left on the server, however a lock ends.
 */
import { deepEqual, equal, rejects } from 'node:assert/strict';
import { concatMap, filter, firstValueFrom, ignoreElements, lastValueFrom, of, tap, throwError, timer } from 'rxjs';
import { BackendError } from '../api/errors.js';
import type { LockState } from '../api/lock.js';
import type { LockEvent } from '../api/events.js';
import { decorate } from '../backend/decorate.js';
import { withLock } from '../operators/with-lock.js';
import { rejectsWith, rejectsAs } from './assertions.js';
import type { Rules } from './world.js';

/** The error of a request that may have been carried out, and that cannot be repeated. */
const unclear = new BackendError('the server has no space.', { retryable: false, outcome: 'unknown' });

export const endings: Rules = {
  'a failure that waiting does not mend is told at once, and what may be there is withdrawn': async ({
    key,
    client,
    contender,
    ttl,
    empty,
  }) => {
    let isFull = false;
    const backend = decorate(contender.backend(), (answer$, { verb }) => {
      const isWritten = verb === 'enqueue' || verb === 'take';
      return answer$.pipe(concatMap((answer) => (isFull && isWritten ? throwError(() => unclear) : of(answer))));
    });
    const locks = client({}, backend);
    // Keeps the session alive, so that the claim is not deleted by the end of its lease.
    const other = await locks.mutex(`${key}-other`).acquire();
    isFull = true;
    await rejectsAs(locks.mutex(key).acquire({ wait: 100 * ttl }), unclear);
    await empty();
    await other.release();
  },

  'withLock completes only when another can take the lock at once': async ({ key, client }) => {
    const [a, b] = [client(), client()];
    for (let round = 0; round < 20; round += 1) {
      await lastValueFrom(of(round).pipe(withLock(a.mutex(key))));
      await (await b.mutex(key).acquire({ wait: 0 })).release();
    }
  },

  'withLock passes the error of the source on, after the release': async ({ key, client, claims }) => {
    const failure = new Error('from the source');
    const run = lastValueFrom(throwError(() => failure).pipe(withLock(client().mutex(key))));
    await rejectsAs(run, failure);
    equal(await claims(), 0);
  },

  'a subscription that ends at any moment leaves nothing behind': async ({ key, client, holderOf, empty }) => {
    const locks = client();
    const holder = await holderOf(client());
    for (const moment of [undefined, 0, 0, 1, 1, 2, 3, 5, 8]) {
      const contender = locks.mutex(key).lock$().subscribe();
      if (moment !== undefined) await lastValueFrom(timer(moment));
      contender.unsubscribe();
    }
    await holder.release();
    await empty();
    for (const moment of [undefined, 0, 0, 1, 1, 2, 3, 5, 8]) {
      const contender = locks.mutex(key).lock$().subscribe();
      if (moment !== undefined) await lastValueFrom(timer(moment));
      contender.unsubscribe();
    }
    await empty();
  },

  'an aborted signal withdraws a waiter and releases a holder': async ({ key, client, queued, empty }) => {
    const reason = new Error('enough');
    const [holding, waiting] = [new AbortController(), new AbortController()];
    const b = client();
    const first = lastValueFrom(client().mutex(key).lock$({ signal: holding.signal }).pipe(ignoreElements()));
    await firstValueFrom(
      b
        .mutex(key)
        .ownership$()
        .pipe(filter((state) => state.status === 'held')),
    );
    const inLine = queued(b);
    const second = b.mutex(key).acquire({ signal: waiting.signal });
    await inLine;
    waiting.abort(reason);
    await rejectsAs(second, reason);
    holding.abort(reason);
    await rejectsAs(first, reason);
    await empty();
  },

  'close() stops holders and waiters, releases, withdraws, and refuses what comes later': async ({
    key,
    client,
    queued,
    claims,
  }) => {
    const a = client();
    const stream: LockState[] = [];
    const acquired = firstValueFrom(a.events$.pipe(filter((event) => event.type === 'acquired')));
    const first = lastValueFrom(
      a
        .mutex(key)
        .lock$()
        .pipe(tap((state) => stream.push(state))),
    );
    first.catch(() => undefined);
    await acquired;
    const inLine = queued(a);
    const second = a.mutex(key).acquire();
    second.catch(() => undefined);
    await inLine;
    await a.close();
    await rejectsWith(first, 'LOCKS_CLOSED');
    await rejectsWith(second, 'LOCKS_CLOSED');
    await rejectsWith(a.mutex(key).acquire(), 'LOCKS_CLOSED');
    deepEqual(
      stream.map(({ status }) => status),
      ['held'],
    );
    equal(await claims(), 0);
  },

  'use() settles as its body does, after the release': async ({ key, client, claims }) => {
    const locks = client();
    const events: LockEvent['type'][] = [];
    locks.events$.subscribe(({ type }) => events.push(type));
    equal(await locks.mutex(key).use((held) => Promise.resolve(held.key)), key);
    await rejects(
      locks.mutex(key).use(() => {
        throw new Error('from the body');
      }),
      /from the body/,
    );
    equal(await claims(), 0);
    deepEqual(
      events.filter((type) => type === 'acquired' || type === 'released'),
      ['acquired', 'released', 'acquired', 'released'],
    );
  },
};
