/**
 * Rules of several keys as one lock.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { filter, firstValueFrom } from 'rxjs';
import { matches, rejectsWith } from './assertions.js';
import type { Rules } from './world.js';

export const several: Rules = {
  'several keys are held all or none, in whatever order they are named': async ({ admin, key, client, queueNow }) => {
    if (admin.maxClaims < 3) return;
    const [a, b] = [client(), client()];
    const both = a.all(a.mutex(`${key}/x`), a.mutex(`${key}/y`));
    const reverse = b.all(b.mutex(`${key}/y`), b.semaphore(`${key}/x`, 2), b.readLock(`${key}/z`));
    for (let round = 0; round < 10; round += 1) {
      const running = [both, reverse].map((lock) =>
        lock.use((held) => {
          ok(held.keys.length > 1);
        }),
      );
      await Promise.all(running);
    }
    const held = await both.acquire();
    await rejectsWith(b.mutex(`${key}/y`).acquire({ wait: 0 }), 'ALREADY_LOCKED');
    await held.release();
    for (const part of ['x', 'y', 'z']) deepEqual((await queueNow(`${key}/${part}`)).claims, []);
  },
};

/** Rules for a server on which the tests can delete claims. */
export const deletedOfSeveral: Rules = {
  'several keys are lost together, and what is left of them is given back': async ({
    admin,
    key,
    client,

    deleteHolder,
  }) => {
    if (admin.maxClaims < 3) return;
    const locks = client({ ttl: 10_000 });
    const [x, y] = [`${key}/x`, `${key}/y`];
    const held = await locks.all(locks.mutex(x), locks.mutex(y)).acquire();
    const lost = firstValueFrom(held.renewals$.pipe(filter(() => false))).catch((error: unknown) => error);
    await deleteHolder(x);
    matches(await lost, { code: 'LOCK_LOST', reason: 'deleted' });
    equal((await client().mutex(y).acquire()).isHeld(), true);
  },
};
