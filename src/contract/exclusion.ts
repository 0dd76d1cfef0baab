/**
 * Rules of mutual exclusion.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { concat, defer, lastValueFrom, tap, timer } from 'rxjs';
import type { Observable } from 'rxjs';
import type { HeldLock } from '../api/lock.js';
import { usingLock } from '../operators/using-lock.js';
import { codeOf, matches, rejectsWith, throwsWith } from './assertions.js';
import type { Rules } from './world.js';

export const exclusion: Rules = {
  'one holds, the next waits and gets it when the first gives it back': async ({ client, holderOf, queued }) => {
    const [a, b] = [client(), client()];
    const held = await holderOf(a);
    const waiting = queued(b);
    const second = holderOf(b);
    await waiting;
    equal(held.isHeld(), true);
    await held.release();
    const next = await second;
    equal(next.isHeld(), true);
    equal(held.isHeld(), false);
    ok(next.fencingToken > held.fencingToken);
  },

  'clients with one owner label exclude each other, and so do subscriptions of one client': async ({
    key,
    client,
    holderOf,
  }) => {
    const [a, b] = [client({ owner: 'same' }), client({ owner: 'same' })];
    await holderOf(a);
    await rejectsWith(b.mutex(key).acquire({ wait: 0 }), 'ALREADY_LOCKED');
    await rejectsWith(a.mutex(key).acquire({ wait: 0 }), 'ALREADY_LOCKED');
  },

  'a try names the holder and leaves no trace': async ({ key, client, holderOf, claims }) => {
    const held = await holderOf(client({ owner: 'the holder' }));
    const error: unknown = await client()
      .mutex(key)
      .acquire({ wait: 0 })
      .catch((reason: unknown) => reason);
    equal(codeOf(error), 'ALREADY_LOCKED');
    matches(error, {
      code: 'ALREADY_LOCKED',
      key,
      holders: [{ owner: 'the holder', fencingToken: held.fencingToken }],
    });
    await held.release();
    equal(await claims(), 0);
  },

  'a wait ends in a timeout that names the holder, and the waiter is withdrawn': async ({
    key,
    client,
    holderOf,
    empty,
  }) => {
    const held = await holderOf(client({ owner: 'the holder' }));
    const error: unknown = await client()
      .mutex(key)
      .acquire({ wait: 1000 })
      .catch((reason: unknown) => reason);
    equal(codeOf(error), 'LOCK_TIMEOUT');
    matches(error, { code: 'LOCK_TIMEOUT', key, wait: 1000, holders: [{ owner: 'the holder' }] });
    await held.release();
    await empty();
  },

  'a hundred cycles through ten contenders: one at a time, tokens growing': async ({ key, client }) => {
    let inside = 0;
    const tokens: bigint[] = [];
    const work = (held: HeldLock): Observable<number> =>
      defer(() => {
        inside += 1;
        equal(inside, 1);
        tokens.push(held.fencingToken);
        return timer(1).pipe(tap(() => (inside -= 1)));
      });
    const runs = Array.from({ length: 10 }, () => {
      const lock = client().mutex(key);
      return lastValueFrom(concat(...Array.from({ length: 10 }, () => usingLock(lock, work))));
    });
    await Promise.all(runs);
    equal(tokens.length, 100);
    deepEqual(
      [...tokens].sort((x, y) => (x < y ? -1 : 1)),
      tokens,
    );
    equal(new Set(tokens).size, 100);
  },

  'serves those of one client in the order of their coming': async ({ key, client, holderOf, queued }) => {
    const held = await holderOf(client());
    const locks = client();
    const lock = locks.mutex(key);
    const served: number[] = [];
    const all: Promise<void>[] = [];
    for (const place of [0, 1, 2, 3, 4, 5, 6, 7]) {
      const waiting = queued(locks);
      all.push(lock.use(() => void served.push(place)));
      await waiting;
    }
    await held.release();
    await Promise.all(all);
    deepEqual(served, [0, 1, 2, 3, 4, 5, 6, 7]);
  },

  'a kind of lock that it cannot carry is refused at the call': ({ key, client, admin }) => {
    const locks = client();
    const kinds = [
      [{ key, kind: 'semaphore', permits: 2 }, () => locks.semaphore(key, 2)],
      [{ key, kind: 'read' }, () => locks.readLock(key)],
      [{ key, kind: 'write' }, () => locks.writeLock(key)],
    ] as const;
    for (const [spec, make] of kinds) if (admin.objection(spec) !== undefined) throwsWith(make, 'INVALID_OPTION');
    return Promise.resolve();
  },
};
