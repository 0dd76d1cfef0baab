/**
 * What the everyday asks of every backend, on a real server in real time: locks that stay taken, prefixes, pings, one
 * backend for several `Locks`.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { defaultIfEmpty, filter, firstValueFrom, lastValueFrom, throwError } from 'rxjs';
import { AlreadyLockedError, BackendError, createLocks } from '../../src/index.js';
import type { Lease, LockBackend, Locks, LocksOptions, Ownerships, QueueBackend } from '../../src/index.js';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { asQueueBackend, isSlotBackend } from '../../src/engine/slot/slot-backend.js';
import { startEtcd } from '../../scripts/etcd.cjs';
import { CONTENDERS, queueNow } from './backends.js';
import type { Server } from './backends.js';

jest.setTimeout(60_000);

/** A proxy changes nothing of this. */
const DIRECT = CONTENDERS.filter(({ name }) => !name.includes('proxy'));

describe.each(DIRECT)('the everyday on $name', ({ start, ttl }) => {
  let server: Server;
  let admin: LockBackend;
  const clients: Locks[] = [];
  let keys = 0;
  let key: string;

  const client = (options: LocksOptions = {}, backend = server.backend()): Locks => {
    const locks = createLocks(backend, { ttl, ...options });
    clients.push(locks);
    return locks;
  };
  const queueOf = (one: string) => queueNow(admin, one);
  const verbs = (): QueueBackend => (isSlotBackend(admin) ? asQueueBackend(admin) : admin);

  beforeAll(async () => {
    server = await start();
    admin = server.backend();
  });
  afterAll(async () => {
    admin.close?.();
    await server.stop();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((locks) => locks.close()));
  });
  const next = (): string => (key = `everyday-${String((keys += 1))}`);

  /** After close(): another process waits for it. */
  const staysTaken = async (): Promise<void> => {
    const name = `${key}-closed`;
    const a = client({ owner: 'a' });
    const token = await a.mutex(name).use((held) => held.fencingToken, { atLeast: 1800 });
    await a.close();
    const b = client({ owner: 'b' });
    const refused = await b
      .mutex(name)
      .acquire({ wait: 0 })
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(AlreadyLockedError);
    expect(refused).toMatchObject({ holders: [{ owner: 'a', fencingToken: token }] });
    const held = await b.mutex(name).acquire();
    expect(held.fencingToken).toBeGreaterThan(token);
    await held.release();
    expect((await queueOf(name)).claims).toEqual([]);
  };

  /** In the process that is done with it: the claim is there until its time is over, whoever waits behind it. */
  const isNotHandedOff = async (): Promise<void> => {
    const locks = client();
    const token = await locks.mutex(key).use((held) => held.fencingToken, { atLeast: 1800 });
    const waiting = locks.mutex(key).acquire();
    expect((await queueOf(key)).claims[0]?.token).toBe(token);
    const gone = firstValueFrom(admin.queue(key, 5000).pipe(filter(({ claims }) => claims[0]?.token !== token)));
    const held = await waiting;
    await gone;
    expect(held.fencingToken).toBeGreaterThan(token);
    await held.release();
  };

  it('atLeast: stays taken after the work, the close and the session, with its token, for all alike', async () => {
    next();
    await Promise.all([staysTaken(), isNotHandedOff()]);
  });

  it('a claim that is kept is renewed by nobody, and asked for again it is kept once', async () => {
    next();
    const backend = verbs();
    const lease = { id: `aa${String(keys)}aa`, ttl, owner: 'me', key: isSlotBackend(admin) ? key : undefined };
    await lastValueFrom(backend.grant(lease, 5000));
    const claim = { key, kind: 'mutex', lease, id: '0', since: new Date(), meta: undefined } as const;
    const answer = await lastValueFrom(backend.enqueue([claim], 5000, 'show'));
    const mine = answer.status === 'queued' ? answer.entries[0]?.claim : undefined;
    if (!mine) throw new Error('it is not in');
    const own = { id: `bb${String(keys)}bb`, ttl: 60_000, owner: 'me', key: lease.key };
    const keep = (on: Lease) =>
      lastValueFrom(backend.keep?.([claim], [mine], on, 5000) ?? throwError(() => new Error('cannot')));
    for (let times = 0; times < 2; times += 1) {
      await keep(own);
      expect((await queueOf(key)).claims).toMatchObject([{ token: mine.token, owner: 'me', kind: 'mutex' }]);
    }
    // The end of the lease it had takes it along no more; where it has its own, a late renewal finds another claim.
    const renewed = await lastValueFrom(backend.renew(lease, 5000));
    if (isSlotBackend(admin)) expect(renewed).toEqual({ status: 'gone', reason: 'overwritten' });
    await lastValueFrom(backend.revoke(lease, 5000), { defaultValue: undefined });
    expect((await queueOf(key)).claims.map(({ token }) => token)).toEqual([mine.token]);
    await server.deleteHolder(key);
    // What is gone is nothing to be kept, and no error.
    await keep({ ...own, id: 'cc' });
    expect((await queueOf(key)).claims).toEqual([]);
  });

  it('prefix: is before the keys on the server, and nowhere else', async () => {
    next();
    const a = client({ prefix: 'team/', owner: 'a' });
    const b = client();
    const held = await a.mutex(key).acquire();
    expect([held.key, held.keys]).toEqual([key, [key]]);
    expect((await queueOf(`team/${key}`)).claims).toHaveLength(1);
    expect((await queueOf(key)).claims).toEqual([]);
    const refused = await b
      .mutex(`team/${key}`)
      .acquire({ wait: 0 })
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'ALREADY_LOCKED', holders: [{ owner: 'a' }] });
    expect(await firstValueFrom(a.mutex(key).ownership$())).toMatchObject({ status: 'held', key });
    const waiting = a.mutex(key).acquire();
    await held.release();
    await (await waiting).release();
    expect((await queueOf(`team/${key}`)).claims).toEqual([]);
  });

  it('ping: resolves where it answers', async () => {
    await expect(client().ping()).resolves.toBeUndefined();
    await expect(client({ prefix: 'team/' }).ping({ within: 5000, key: 'x' })).resolves.toBeUndefined();
  });

  it('of two Locks on one backend, one goes on when the other is closed', async () => {
    next();
    const backend = server.backend();
    const [a, b] = [client({}, backend), client({}, backend)];
    const held = await a.mutex(key).acquire();
    await (await b.mutex(`${key}b`).acquire()).release();
    await b.close();
    await (await a.mutex(`${key}c`).acquire()).release();
    expect(held.isHeld()).toBe(true);
    const renewed = await firstValueFrom(held.renewals$.pipe(defaultIfEmpty(undefined)));
    expect(renewed?.count).toBe(1);
    await held.release();
  });
});

describe('the everyday on etcd v3', () => {
  it('guards: one taken before an early release holds until the lock is free, and no longer', async () => {
    const etcd = await startEtcd();
    const admin = new Etcd3({ hosts: etcd.url });
    const backend = etcd3Backend({ hosts: etcd.url });
    const a = createLocks(backend, { ttl: 2000, prefix: 'team/' });
    const b = createLocks(etcd3Backend({ hosts: etcd.url }), { ttl: 2000, prefix: 'team/' });
    try {
      const guard = await a.mutex('k').use((held) => backend.guard(held), { atLeast: 1800 });
      const write = async (value: string) =>
        (
          await admin
            .if(...guard)
            .then(admin.put('written').value(value))
            .commit()
        ).succeeded;
      // Nobody else can hold it meanwhile.
      expect(await write('late, but ours')).toBe(true);
      const held = await b.mutex('k').acquire();
      expect(await write('too late')).toBe(false);
      await held.release();
    } finally {
      await Promise.all([a.close(), b.close()]);
      admin.close();
      await etcd.stop();
    }
  });

  it('watchAll$: the keys of a prefix are told without it, those of others are not', async () => {
    const etcd = await startEtcd();
    const a = createLocks(etcd3Backend({ hosts: etcd.url }), { ttl: 2000, prefix: 'team/' });
    const b = createLocks(etcd3Backend({ hosts: etcd.url }), { ttl: 2000 });
    try {
      await Promise.all([a.mutex('jobs/1').acquire(), b.mutex('jobs/2').acquire()]);
      const isWhole = ({ all }: Ownerships): boolean => all.size > 0;
      const { all } = await firstValueFrom(a.watchAll$('jobs/').pipe(filter(isWhole)));
      expect([...all.keys()]).toEqual(['jobs/1']);
      expect(all.get('jobs/1')?.key).toBe('jobs/1');
    } finally {
      await Promise.all([a.close(), b.close()]);
      await etcd.stop();
    }
  });

  it('ping: rejects where nobody answers, in time', async () => {
    const locks = createLocks(etcd3Backend({ hosts: 'http://127.0.0.1:1' }), { ttl: 2000 });
    await expect(locks.ping({ within: 300 })).rejects.toThrow(BackendError);
    await locks.close();
  });
});
