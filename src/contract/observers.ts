/**
 * Rules of observers.
 */
import { deepEqual } from 'node:assert/strict';
import { filter, firstValueFrom, lastValueFrom, shareReplay, take, takeWhile, tap, toArray } from 'rxjs';
import type { Ownership } from '../api/ownership.js';
import { matches, throwsWith } from './assertions.js';
import type { Rules } from './world.js';

export const observers: Rules = {
  'an observer sees who holds, without contending': async ({ key, client }) => {
    const states$ = client()
      .mutex(key)
      .ownership$()
      .pipe(take(3), shareReplay({ bufferSize: 3, refCount: false }));
    // Waits for each state, since a state that lasts only a moment need not be reported.
    const until = (status: Ownership['status']): Promise<unknown> =>
      firstValueFrom(states$.pipe(filter((state) => state.status === status)));
    const done = lastValueFrom(states$.pipe(toArray()));
    await until('free');
    const held = await client({ owner: 'seen' }).mutex(key).acquire();
    await until('held');
    await held.release();
    const seen = await done;
    deepEqual(
      seen.map(({ status }) => status),
      ['free', 'held', 'free'],
    );
    matches(seen[1], {
      key,
      holders: [{ owner: 'seen', kind: 'mutex', fencingToken: held.fencingToken }],
    });
  },

  'an observer of many sees all below a prefix, and each change; or is told at once that he cannot': async ({
    key,
    client,
    admin,
  }) => {
    const prefix = `${key}/`;
    const [observer, locks] = [client(), client({ owner: 'seen' })];
    if (!admin.queues) {
      throwsWith(() => observer.watchAll$(prefix), 'INVALID_OPTION');
      return;
    }
    const first = await locks.mutex(`${prefix}a`).acquire();
    const nested = await locks.mutex(`${prefix}a/b`).acquire();
    const outside = await locks.mutex(prefix.slice(0, -1)).acquire();
    const told: string[] = [];
    const all$ = observer.watchAll$(prefix);
    const seen$ = all$.pipe(
      tap(({ all, changed }) => {
        const names = changed.map(({ key: name, status }) => `${status} ${name.slice(prefix.length)}`);
        told.push(`${all.size}: ${names.sort().join(', ')}`);
      }),
    );
    const done = lastValueFrom(seen$.pipe(takeWhile(({ all }) => all.size > 0)), { defaultValue: undefined });
    await firstValueFrom(all$.pipe(filter(({ all }) => all.size === 2)));
    await outside.release();
    await first.release();
    await nested.release();
    await done;
    deepEqual(told, ['2: held a, held a/b', '1: free a', '0: free a/b']);
  },
};
