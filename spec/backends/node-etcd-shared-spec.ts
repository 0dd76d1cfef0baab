/**
 * Several `Locks` on one backend object: closing one is no matter of the others.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { filter, firstValueFrom, from, take, toArray, lastValueFrom } from 'rxjs';
import { createLocks } from '../../src/index.js';
import type { LockEvent } from '../../src/index.js';
import { CONTENDERS } from '../contract/backends.js';
import type { Server } from '../contract/backends.js';
import { inLine, ownedBy, within } from '../support/waiting.js';

jest.setTimeout(30_000);

describe.each(CONTENDERS.filter(({ name }) => !name.startsWith('etcd v3')))('on one backend of $name', ({ start }) => {
  let server: Server;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.stop());

  it('locks that are closed take nothing from others: these hold, renew, wait and look on', async () => {
    const backend = server.backend();
    const [closed, other] = [createLocks(backend, { ttl: 6000 }), createLocks(backend, { ttl: 6000 })];
    const told: LockEvent['type'][] = [];
    other.events$.subscribe(({ type }) => told.push(type));
    const statuses: string[] = [];

    const held = await other.mutex('held').acquire();
    await closed.mutex('awaited').acquire();
    const waiting = inLine(other);
    const next = other.mutex('awaited').acquire();
    await waiting;
    const looking = other
      .mutex('held')
      .ownership$()
      .subscribe(({ status }) => statuses.push(status));
    await within(
      5000,
      other
        .mutex('held')
        .ownership$()
        .pipe(filter(ownedBy(held.fencingToken))),
    );

    await closed.close();
    expect((await within(5000, from(next))).isHeld()).toBe(true);
    await lastValueFrom(held.renewals$.pipe(take(2), toArray()));
    expect(held.isHeld()).toBe(true);
    await held.release();
    await within(
      5000,
      other
        .mutex('held')
        .ownership$()
        .pipe(filter(({ status }) => status === 'free')),
    );
    looking.unsubscribe();
    expect(statuses).not.toContain('unknown');
    expect(told).not.toContain('renewal-failed');
    await other.close();
    await other.close();
  });

  it('a backend all of whose locks were closed serves new ones', async () => {
    const backend = server.backend();
    await createLocks(backend).close();
    await using locks = createLocks(backend);
    const held = await locks.mutex('anew').acquire();
    await firstValueFrom(locks.mutex('anew').ownership$());
    await held.release();
  });
});
