/**
 * Rules of renewal, and of how a holder learns of a loss.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { NEVER, concat, filter, firstValueFrom, of, tap } from 'rxjs';
import type { HeldLock } from '../api/lock.js';
import { usingLock } from '../operators/using-lock.js';
import { behindNetwork } from '../testing/network.js';
import { codeOf, matches, rejectsWith } from './assertions.js';
import type { Rules } from './world.js';

export const losses: Rules = {
  'a renewed lock outlives its ttl, and its deadline moves on': async ({ key, client, holderOf, ttl }) => {
    const held = await holderOf(client());
    const before = held.validUntil;
    const renewal = await firstValueFrom(held.renewals$.pipe(filter(({ count }) => count === 4)));
    equal(renewal.validUntil, held.validUntil);
    ok(held.validUntil - before > ttl);
    equal(held.isHeld(), true);
    await rejectsWith(client().mutex(key).acquire({ wait: 0 }), 'ALREADY_LOCKED');
  },

  'a holder cut off from the server has lost before the next one holds': async ({
    key,
    client,
    holderOf,
    queued,
    contender,
  }) => {
    const { backend, network } = behindNetwork(contender.backend());
    const a = client({}, backend);
    const held = await holderOf(a);
    const b = client();
    const inLine = queued(b);
    const next = holderOf(b);
    await inLine;
    const order: string[] = [];
    const lost = new Promise<unknown>((resolve) => {
      held.signal.addEventListener('abort', () => {
        order.push('lost');
        resolve(held.signal.reason);
      });
    });
    network.partition();
    await next.then(() => order.push('next'));
    matches(await lost, { code: 'LOCK_LOST', key, reason: 'expired', fencingToken: held.fencingToken });
    deepEqual(order, ['lost', 'next']);
    equal(held.isHeld(), false);
    await rejectsWith(held.release(), 'LOCK_NOT_OWNED');
    network.heal();
  },
};

/** Rules for a server on which the tests can overwrite claims. */
export const overwritten: Rules = {
  'a claim written over by hand is lost at once': async ({ key, client, holderOf, deleteHolder, overwriteHolder }) => {
    const held = await holderOf(client());
    const lost = new Promise((resolve) => {
      held.signal.addEventListener('abort', () => resolve(held.signal.reason));
    });
    await overwriteHolder(key);
    equal(codeOf(await lost), 'LOCK_LOST');
    await deleteHolder(key).catch(() => undefined);
  },
};

/** Rules for a server on which the tests can delete claims. */
export const deleted: Rules = {
  'a claim deleted by hand is lost at once, and the body is stopped first': async ({ key, client, deleteHolder }) => {
    const order: string[] = [];
    let held: HeldLock | undefined;
    const body = usingLock(client().mutex(key), (taken) => {
      held = taken;
      taken.signal.addEventListener('abort', () => order.push('signal'));
      return concat(of('started'), NEVER).pipe(tap({ unsubscribe: () => order.push('stopped') }));
    });
    const ended = new Promise<unknown>((resolve) => {
      body.subscribe({
        next: () => void deleteHolder(key),
        error: (error: unknown) => {
          order.push('error');
          resolve(error);
        },
      });
    });
    matches(await ended, { code: 'LOCK_LOST', reason: 'deleted' });
    deepEqual(order, ['stopped', 'signal', 'error']);
    equal(held?.isHeld(), false);
  },
};
