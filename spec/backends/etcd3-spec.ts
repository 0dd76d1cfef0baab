/**
 * What is special about etcd v3: peers on the same keys, guarded writes, a client that is the user's own.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { filter, firstValueFrom, lastValueFrom, map, skipWhile, take, toArray } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend, ifAll } from '../../src/backends/etcd3/index.js';
import { AlreadyLockedError, BackendError, LockNotOwnedError, createLocks } from '../../src/index.js';
import type { LockBackend, Locks } from '../../src/index.js';
import { ETCDS } from '../support/etcds.js';
import { failureOf, ownedBy } from '../support/waiting.js';

jest.setTimeout(30_000);

describe.each(ETCDS)('on etcd v3 of $server', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let admin: Etcd3;
  const clients: Locks[] = [];
  const client = (backend: LockBackend = etcd3Backend({ hosts: etcd.url })): Locks => {
    const locks = createLocks(backend, { ttl: 5000 });
    clients.push(locks);
    return locks;
  };
  /** `etcdctl` comes with the server. */
  const etcdctl = (): string => join(dirname(etcd.binary), 'etcdctl');
  const env = { ...process.env, ETCDCTL_API: '3' };

  beforeAll(async () => {
    etcd = await startEtcd(suite);
    admin = new Etcd3({ hosts: etcd.url });
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((locks) => locks.close()));
  });
  afterAll(async () => {
    admin.close();
    await etcd.stop();
  });

  it('is excluded by a holder that is `etcdctl lock`, and gets the lock when that one ends', async () => {
    const peer = spawn(etcdctl(), ['--endpoints', etcd.url, 'lock', 'peer/first'], { env });
    await once(peer.stdout, 'data');
    const lock = client().mutex('peer/first');
    const error: unknown = await lock.acquire({ wait: 0 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AlreadyLockedError);
    expect(error).toMatchObject({ message: expect.stringContaining('unnamed (lease ') });
    const acquired = lock.acquire();
    peer.kill('SIGINT');
    expect((await acquired).isHeld()).toBe(true);
  });

  it('excludes `etcdctl lock`, which gets the lock after us', async () => {
    const held = await client().mutex('peer/second').acquire();
    const peer = promisify(execFile)(etcdctl(), ['--endpoints', etcd.url, 'lock', 'peer/second', 'echo', 'got it'], {
      env,
    });
    await firstValueFrom(
      client()
        .mutex('peer/second')
        .ownership$()
        .pipe(filter((state) => state.status === 'held' && state.waiting === 1)),
    );
    expect(held.isHeld()).toBe(true);
    await held.release();
    expect((await peer).stdout).toBe('got it\n');
  });

  it('who has something written over its claim by hand reads it in its loss, and leaves', async () => {
    const held = await client().mutex('by-hand').acquire();
    const lost = firstValueFrom(held.renewals$).catch((error: unknown) => error);
    const [key] = Object.keys(await admin.getAll().prefix('by-hand/'));
    await promisify(execFile)(
      etcdctl(),
      ['--endpoints', etcd.url, 'put', '--ignore-lease', key ?? '', 'host 7 is being drained'],
      { env },
    );
    expect(await lost).toMatchObject({
      reason: 'overwritten',
      message: expect.stringContaining('overwritten on the server, with "host 7 is being drained".'),
    });
    expect((await client().mutex('by-hand').acquire()).isHeld()).toBe(true);
  });

  it('is taken from `etcdctl lock`, which cannot be asked', async () => {
    const peer = spawn(etcdctl(), ['--endpoints', etcd.url, 'lock', 'peer/taken'], { env });
    await once(peer.stdout, 'data');
    const lock = client().mutex('peer/taken');
    expect(await lock.revoke({ reason: 'only asked' })).toEqual([]);
    const [loser] = await lock.revoke({ reason: 'stuck', within: 10 });
    expect(loser?.owner).toMatch(/^unnamed/);
    expect((await lock.acquire({ wait: 0 })).isHeld()).toBe(true);
    peer.kill('SIGINT');
    await once(peer, 'exit');
  });

  it('is not delayed by a holder of a name that lies below its own', async () => {
    await client().mutex('nest/a/b').acquire();
    await client().mutex('nest').acquire({ wait: 0 });
    await client().mutex('nest/a').acquire({ wait: 0 });
  });

  it('is taken though what lies below its name is more than one answer carries, and seen', async () => {
    const large = Buffer.alloc(1_200_000);
    for (const part of [1, 2, 3, 4]) await admin.put(`large/${String(part)}/value`).value(large);
    const locks = client();
    const held = await locks.mutex('large').acquire({ wait: 4000 });
    await firstValueFrom(
      client()
        .mutex('large')
        .ownership$()
        .pipe(filter(ownedBy(held.fencingToken))),
    );
    expect((await firstValueFrom(client().watchAll$('large'))).all.has('large')).toBe(true);
    await admin.delete().prefix('large/');
  });

  it('is not delayed by a claim below its own name that was withdrawn before anybody knew whether it was in', async () => {
    const backend = etcd3Backend({ hosts: etcd.url });
    const lease = { id: '7e57', ttl: 5000, owner: 'withdrawn', key: undefined };
    const claim = { key: 'tomb/a/b', lease, id: '0', kind: 'mutex', since: new Date(), meta: undefined } as const;
    await lastValueFrom(backend.grant(lease, 1000));
    await lastValueFrom(backend.dequeue([claim], undefined, 1000));
    await client(backend).mutex('tomb/a').acquire({ wait: 0 });
    expect((await firstValueFrom(client().watchAll$('tomb/'))).all.size).toBe(1);
    await lastValueFrom(backend.revoke(lease, 1000), { defaultValue: undefined });
  });

  it('tells all of 5,000 locks below a prefix, page by page, then each change', async () => {
    const keys = Array.from({ length: 5000 }, (_, i) => `many/${String(i)}`);
    const lease = await admin.leaseClient.leaseGrant({ TTL: 60 });
    for (let i = 0; i < keys.length; i += 100) {
      const puts = keys.slice(i, i + 100).map((name) => ({
        request_put: { key: Buffer.from(`${name}/7e57-0`), value: Buffer.from('{"owner":"many"}'), lease: lease.ID },
      }));
      await admin.kv.txn({ success: puts });
    }
    const seen$ = client().watchAll$('many/');
    const first = firstValueFrom(seen$.pipe(map(({ all, changed }) => [all.size, changed.length])));
    const gone = firstValueFrom(
      seen$.pipe(
        skipWhile(({ all }) => all.has('many/17')),
        map(({ all, changed }) => [all.size, changed]),
      ),
    );
    expect(await first).toEqual([5000, 5000]);
    await admin.delete().key('many/17/7e57-0');
    expect(await gone).toEqual([4999, [{ status: 'free', key: 'many/17' }]]);
    await admin.leaseClient.leaseRevoke({ ID: lease.ID });
  });

  it('guards a write by all keys of a lock: one of them gone, it is refused', async () => {
    const backend = etcd3Backend({ hosts: etcd.url });
    const locks = client(backend);
    const held = await locks.all(locks.mutex('accounts/1'), locks.readLock('rates')).acquire();
    const write = async (value: number) => ifAll(admin, guards).then(admin.put('guarded-by-all').value(value)).commit();
    const guards = await backend.guards(held);
    expect(guards).toHaveLength(2);
    expect((await write(1)).succeeded).toBe(true);
    await expect(backend.guard(held)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    const lost = failureOf(lastValueFrom(held.renewals$));
    await admin.delete().prefix('rates/');
    expect((await write(2)).succeeded).toBe(false);
    expect(await lost).toMatchObject({ code: 'LOCK_LOST', reason: 'deleted' });
    await expect(backend.guards(held)).rejects.toBeInstanceOf(LockNotOwnedError);
    await firstValueFrom(
      locks
        .mutex('accounts/1')
        .ownership$()
        .pipe(filter(({ status }) => status === 'free')),
    );
    expect(await admin.get('guarded-by-all')).toBe('1');
  });

  it('guards a write: it is put while the lock is held, and refused once it is not', async () => {
    const backend = etcd3Backend({ hosts: etcd.url });
    const held = await client(backend).mutex('guarded').acquire();
    const guard = await backend.guard(held);
    const write = (value: string) =>
      admin
        .if(...guard)
        .then(admin.put('balance').value(value))
        .commit();
    expect(await write('1')).toMatchObject({ succeeded: true });
    await held.release();
    expect(await write('2')).toMatchObject({ succeeded: false });
    expect(await admin.get('balance').string()).toBe('1');
    await expect(backend.guard(held)).rejects.toBeInstanceOf(LockNotOwnedError);
  });

  it("does not disturb the user's own client, whose breaker is that of the package", async () => {
    const own = new Etcd3({ hosts: etcd.url });
    const locks = client(etcd3Backend(own));
    const notes = firstValueFrom(locks.events$.pipe(filter((event) => event.type === 'note')));
    const held = await locks.mutex('own/held').acquire();
    expect(await notes).toMatchObject({ message: expect.stringContaining('its circuit breaker stops renewals') });
    // Four watches given up in a row would be four failures, if giving up counted as one.
    const states = [1, 2, 3, 4].map((n) => firstValueFrom(locks.mutex(`own/${String(n)}`).ownership$()));
    await Promise.all(states);
    await firstValueFrom(held.renewals$.pipe(take(2), toArray()));
    await own.put('own/value').value('there');
    expect(await own.get('own/value').string()).toBe('there');
    expect(held.isHeld()).toBe(true);
    own.close();
  });

  it('says within a bounded time that nobody answers, and what to look at', async () => {
    const locks = client(etcd3Backend({ hosts: 'http://127.0.0.1:1' }));
    const error: unknown = await locks
      .mutex('k')
      .acquire()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({
      message: expect.stringContaining('no answer: is etcd running, and are the `hosts`'),
    });
    await locks.close();
  });

  it('says that a frozen server does not answer, and leaves nothing on it', async () => {
    const locks = client();
    etcd.signal('SIGSTOP');
    const error: unknown = await locks
      .mutex('frozen')
      .acquire({ wait: 500 })
      .catch((reason: unknown) => reason);
    etcd.signal('SIGCONT');
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({
      retryable: true,
      message: expect.stringContaining('did not answer within the 500 ms'),
    });
    await locks.close();
    expect(await admin.getAll().prefix('frozen/').keys()).toEqual([]);
  });
});
