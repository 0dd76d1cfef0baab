/**
 * Elections on etcd v3, beside `etcdctl elect`, which is Go's `concurrency.Election`.
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { filter, firstValueFrom, fromEvent, map, scan } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { InvalidOptionError, LockNotOwnedError, createLocks } from '../../src/index.js';
import type { Election, HeldLock, Leader, Locks, Ownership } from '../../src/index.js';
import { ETCDS } from '../support/etcds.js';
import { failureOf, within } from '../support/waiting.js';

jest.setTimeout(30_000);

describe.each(ETCDS)('an election on etcd v3 of $server', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let admin: Etcd3;
  const clients: Locks[] = [];
  const peers: ChildProcessWithoutNullStreams[] = [];
  const client = (): Locks => {
    const locks = createLocks(etcd3Backend({ hosts: etcd.url }), { ttl: 5000 });
    clients.push(locks);
    return locks;
  };
  const env = { ...process.env, ETCDCTL_API: '3' };
  const elect = (...args: string[]): ChildProcessWithoutNullStreams => {
    const peer = spawn(join(dirname(etcd.binary), 'etcdctl'), ['--endpoints', etcd.url, 'elect', ...args], { env });
    peers.push(peer);
    return peer;
  };
  const etcdctl = (...args: string[]): Promise<{ stdout: string }> =>
    promisify(execFile)(join(dirname(etcd.binary), 'etcdctl'), ['--endpoints', etcd.url, ...args], { env });
  /** What it has printed, once that includes the text. */
  const printed = (peer: ChildProcessWithoutNullStreams, text: string): Promise<string> =>
    within(
      10_000,
      fromEvent(peer.stdout, 'data').pipe(
        scan((before, data) => before + String(data), ''),
        filter((all) => all.includes(text)),
      ),
    );
  const leader = (locks: Locks, name: string, isSo: (leader: Leader) => boolean): Promise<Leader> =>
    within(10_000, locks.election(name).leader$.pipe(filter(isSo)));
  const says =
    (value: string) =>
    (state: Leader): boolean =>
      state.status === 'led' && state.value === value;
  const oneWaits = (election: Election): Promise<Ownership> => {
    const ownership$ = election.candidate('').ownership$();
    return within(10_000, ownership$.pipe(filter((now) => now.status === 'held' && now.waiting === 1)));
  };

  beforeAll(async () => {
    etcd = await startEtcd(suite);
    admin = new Etcd3({ hosts: etcd.url });
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) {
      if (peer.exitCode !== null || peer.signalCode !== null) continue;
      peer.kill('SIGINT');
      await once(peer, 'exit');
    }
    await Promise.all(clients.splice(0).map((locks) => locks.close()));
  });
  afterAll(async () => {
    admin.close();
    await etcd.stop();
  });

  it('`etcdctl elect` sees our leader and its value, waits for it, and leads after us', async () => {
    const election = client().election('svc/a');
    const observer = elect('--listen', 'svc/a');
    const campaign$ = election.campaign$('10.0.0.1:8080');
    const leading = campaign$.subscribe();
    expect(await printed(observer, '10.0.0.1:8080\n')).toMatch(/^svc\/a\/[0-9a-f]+-0\n10\.0\.0\.1:8080\n$/);
    const peer = elect('svc/a', 'peer');
    await leader(client(), 'svc/a', says('10.0.0.1:8080'));
    await oneWaits(client().election('svc/a'));
    const proclaimed = printed(observer, '10.0.0.1:9090');
    await election.proclaim('10.0.0.1:9090');
    await proclaimed;
    expect(peer.stdout.readableLength).toBe(0);
    const led = printed(peer, 'peer');
    leading.unsubscribe();
    expect(await led).toMatch(/^svc\/a\/[0-9a-f]+\npeer\n$/);
  });

  it('we see the leader that is `etcdctl elect` and its value, wait for it, and lead after it', async () => {
    const peer = elect('svc/b', 'peer');
    await printed(peer, 'peer');
    const election = client().election('svc/b');
    const held = election.candidate('ours').acquire();
    await leader(client(), 'svc/b', says('peer'));
    await oneWaits(client().election('svc/b'));
    await expect(election.proclaim('early')).rejects.toBeInstanceOf(LockNotOwnedError);
    peer.kill('SIGINT');
    expect((await held).isHeld()).toBe(true);
  });

  it('leads on while it proclaims, and what it says is all that is stored', async () => {
    const election = client().election('svc/c');
    const held = await election.candidate('first').acquire();
    // Followed from here on, so that each event of our own writes is met.
    const followed = leader(client(), 'svc/c', says('last'));
    for (const value of ['', 'second', '{"json":true}', 'last']) await election.proclaim(value);
    await followed;
    expect((await etcdctl('get', '--prefix', 'svc/c/', '--print-value-only')).stdout.trim()).toBe('last');
    const [kv] = (await admin.getAll().prefix('svc/c/').exec()).kvs;
    expect(kv?.create_revision).toBe(held.fencingToken.toString());
    expect(kv?.lease).not.toBe('0');
    expect(held.isHeld()).toBe(true);
    await held.release();
    expect(await admin.getAll().prefix('svc/c/').count()).toBe(0);
  });

  it.each(['theirs', 'ours'])('loses when somebody writes %s over its key', async (value) => {
    const name = `svc/d/${value}`;
    const election = client().election(name);
    const held = await election.candidate('ours').acquire();
    const lost = failureOf(firstValueFrom(held.renewals$.pipe(filter(() => false))));
    const [key = ''] = await admin.getAll().prefix(`${name}/`).keys();
    await etcdctl('put', key, value);
    expect(await lost).toMatchObject({ code: 'LOCK_LOST', reason: 'overwritten' });
    await expect(election.proclaim('too late')).rejects.toBeInstanceOf(LockNotOwnedError);
    // Without its lease: nobody else would ever take it away.
    await leader(client(), name, ({ status }) => status === 'free');
  });

  it('finds out by proclaiming that somebody else wrote over its key, or deleted it', async () => {
    const locks = client();
    const lead = async (name: string): Promise<{ held: HeldLock; key: string; proclaim: () => Promise<void> }> => {
      const election = locks.election(name);
      const held = await election.candidate('ours').acquire();
      const [key = ''] = await admin.getAll().prefix(`${name}/`).keys();
      return { held, key, proclaim: () => election.proclaim('next') };
    };
    const [a, b] = [await lead('svc/e'), await lead('svc/f')];
    await Promise.all([admin.put(a.key).value('theirs'), admin.delete().key(b.key)]);
    await expect(a.proclaim()).rejects.toBeInstanceOf(LockNotOwnedError);
    await expect(b.proclaim()).rejects.toBeInstanceOf(LockNotOwnedError);
    expect(a.held.isHeld() || b.held.isHeld()).toBe(false);
    expect(a.held.signal.reason).toMatchObject({ reason: 'overwritten' });
    expect(b.held.signal.reason).toMatchObject({ reason: 'deleted' });
  });

  it('refuses a value that reads as the claim of a lock, and takes any other JSON', async () => {
    const election = client().election('svc/g');
    const reader = JSON.stringify({ owner: 'a', kind: 'read' });
    expect(() => election.campaign$(reader)).toThrow(InvalidOptionError);
    const held = await election.candidate(JSON.stringify({ kind: 'read' })).acquire();
    await expect(election.proclaim(reader)).rejects.toThrow('reads as the claim of a lock');
    await expect(client().readLock('svc/g').acquire({ wait: 0 })).rejects.toMatchObject({ code: 'ALREADY_LOCKED' });
    const other = client()
      .election('svc/g')
      .candidate(JSON.stringify({ kind: 'read' }));
    await expect(other.acquire({ wait: 0 })).rejects.toMatchObject({ code: 'ALREADY_LOCKED' });
    await held.release();
  });

  it('says who holds a lock of the name as a leader without a value', async () => {
    await client().mutex('svc/h').acquire();
    const state$ = client().election('svc/h').leader$;
    expect(await firstValueFrom(state$.pipe(map((state) => state.status === 'led' && state.value)))).toBe('');
  });
});
