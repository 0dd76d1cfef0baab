/**
 * Rules of queues, beyond mutual exclusion: first come, first served, and what builds on that.
 */
import { deepEqual, ok } from 'node:assert/strict';
import { ReplaySubject, filter, firstValueFrom, lastValueFrom, map, of, share, take, tap, toArray } from 'rxjs';
import { withLock } from '../operators/with-lock.js';
import { matches, rejectsWith } from './assertions.js';
import type { Rules } from './world.js';

export const queues: Rules = {
  'serves in the order of coming': async ({ key, client, holderOf, queued }) => {
    const held = await holderOf(client());
    const served: number[] = [];
    const all: Promise<unknown>[] = [];
    for (const place of [1, 2, 3, 4, 5]) {
      const locks = client();
      const inLine = queued(locks);
      all.push(
        lastValueFrom(
          of(place).pipe(
            tap((one) => served.push(one)),
            withLock(locks.mutex(key)),
          ),
        ),
      );
      await inLine;
    }
    await held.release();
    await Promise.all(all);
    deepEqual(served, [1, 2, 3, 4, 5]);
  },

  'what an observer is told first is not older than its question': async ({ admin, key, client }) => {
    if (admin.objection({ key, kind: 'semaphore', permits: 2 }) !== undefined) return;
    const [a, b] = [client(), client()].map((locks) => locks.semaphore(key, 2));
    if (!a || !b) throw new Error('there are two');
    const holds = [];
    for (let round = 0; round < 20; round += 1) {
      const first = await a.acquire();
      const second = await b.acquire();
      // A holder that observes knows its own claim, and must not take it for the whole queue.
      const state = await firstValueFrom(a.ownership$());
      holds.push(state.status === 'held' ? state.holders.length : state.status);
      await Promise.all([first.release(), second.release()]);
    }
    deepEqual(
      holds,
      holds.map(() => 2),
    );
  },

  'a semaphore is held by so many clients, the next one gets the place of the first who goes': async ({
    admin,
    key,
    client,
    queued,
  }) => {
    if (admin.objection({ key, kind: 'semaphore', permits: 2 }) !== undefined) return;
    const [a, b, c] = [client(), client(), client()].map((locks) => ({ locks, lock: locks.semaphore(key, 2) }));
    if (!a || !b || !c) throw new Error('there are three');
    const [first, second] = [await a.lock.acquire(), await b.lock.acquire()];
    const waiting = queued(c.locks);
    const third = c.lock.acquire();
    await waiting;
    const state = await firstValueFrom(a.lock.ownership$().pipe(filter((one) => one.status === 'held')));
    matches(state, { waiting: 1, holders: [{ kind: 'semaphore' }, { kind: 'semaphore' }] });
    await second.release();
    deepEqual([first.isHeld(), (await third).isHeld()], [true, true]);
  },

  'a reader holds beside readers, and behind a writer that waits for them': async ({ admin, key, client, queued }) => {
    if (admin.objection({ key, kind: 'read' }) !== undefined) return;
    const [a, b, writer, late] = [client(), client(), client(), client()];
    const readers = [await a.readLock(key).acquire(), await b.readLock(key).acquire()];
    const writing = queued(writer);
    const written = writer.writeLock(key).acquire();
    await writing;
    const behind = queued(late);
    const read = late.readLock(key).acquire();
    await behind;
    await Promise.all(readers.map((held) => held.release()));
    const held = await written;
    await rejectsWith(client().readLock(key).acquire({ wait: 0 }), 'ALREADY_LOCKED');
    await held.release();
    ok((await read).fencingToken > held.fencingToken);
  },

  'tells a waiter how many are ahead': async ({ key, client, holderOf, queued }) => {
    const first = await holderOf(client());
    const [b, c] = [client(), client()];
    const inLine = queued(b);
    const second = b.mutex(key).acquire();
    await inLine;
    const states$ = c
      .mutex(key)
      .lock$()
      .pipe(
        map((state) => (state.status === 'waiting' ? state.ahead : 'held')),
        share({ connector: () => new ReplaySubject(3) }),
      );
    const seen = (state: number | string): Promise<unknown> =>
      firstValueFrom(states$.pipe(filter((one) => one === state)));
    const all = firstValueFrom(states$.pipe(take(3), toArray()));
    await seen(2);
    await first.release();
    // Waits for each state: events that come together can be reported as one.
    await seen(1);
    await (await second).release();
    deepEqual(await all, [2, 1, 'held']);
  },
};
