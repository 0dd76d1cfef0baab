/**
 * Rules of revocation.
 */
import { equal } from 'node:assert/strict';
import { firstValueFrom } from 'rxjs';
import { matches } from './assertions.js';
import type { Rules } from './world.js';

export const revocation: Rules = {
  'a holder is asked by another client, and gives way': async ({
    admin,
    key,
    client,
    holderOf,
    queued,

    queueNow,
  }) => {
    if (!admin.others) return;
    const held = await holderOf(client({ ttl: 10_000 }));
    const asked = firstValueFrom(held.revocation$);
    const waiting = client();
    const inLine = queued(waiting);
    const next = waiting.mutex(key).acquire();
    await inLine;
    const [holder] = await client({ owner: 'ops' }).mutex(key).revoke({ reason: 'drain' });
    equal(holder?.fencingToken, held.fencingToken);
    matches(await asked, { reason: 'drain', by: 'ops', within: Infinity });
    matches((await queueNow(key)).claims[0]?.revocation, { reason: 'drain', by: 'ops' });
    equal(held.isHeld(), true);
    await held.release();
    equal((await next).isHeld(), true);
  },

  'a lock is taken from its holder, who is told by whom and why; so are all keys of several': async ({
    admin,
    key,
    client,
  }) => {
    if (!admin.others) return;
    const locks = client({ ttl: 10_000 });
    const [x, y] = [`${key}/x`, `${key}/y`];
    const held = await locks.all(locks.mutex(x), locks.semaphore(y, 1)).acquire();
    const [loser] = await client({ owner: 'ops' }).mutex(x).revoke({ reason: 'drain', within: 0 });
    equal(loser?.fencingToken, held.fencingToken);
    equal(held.isHeld(), false);
    matches(held.signal.reason, {
      code: 'LOCK_LOST',
      reason: 'revoked',
      revocation: { reason: 'drain', by: 'ops', within: 0 },
    });
    equal((await client().mutex(y).acquire()).isHeld(), true);
  },
};
