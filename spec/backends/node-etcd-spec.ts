/**
 * What is special about etcd v2: what its answers mean, what node-etcd does to them, and its peer microlock.
 */
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import Microlock, { AlreadyLockedError as Taken, LockNotOwnedError as NotOwned } from 'microlock';
import Etcd from 'node-etcd';
import { Subject, filter, firstValueFrom, from, lastValueFrom, skip, take } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { nodeEtcdBackend } from '../../src/backends/node-etcd/index.js';
import type { Callback, NodeEtcd } from '../../src/backends/node-etcd/index.js';
import { AlreadyLockedError, BackendError, createLocks } from '../../src/index.js';
import type { LockBackend, Locks, LocksOptions } from '../../src/index.js';
import { watchedClient } from '../support/node-etcd-clients.js';
import { failureOf, inLine, isUnknown, ownedBy, within } from '../support/waiting.js';
import { ETCDS } from '../support/etcds.js';

jest.setTimeout(30_000);

/** An attempt is a sixth of it: long enough for a machine that has much else to do. */
const TTL = 6000;

describe.each(ETCDS)('on the v2 API of $server', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let admin: Etcd;
  const open: Locks[] = [];

  beforeAll(async () => {
    etcd = await startEtcd(suite, { 'enable-v2': true });
    admin = new Etcd(etcd.url);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((locks) => locks.close()));
  });
  afterAll(() => etcd.stop());

  const client = (
    backend: LockBackend = nodeEtcdBackend(new Etcd(etcd.url)),
    options: LocksOptions = { ttl: TTL },
  ): Locks => {
    const locks = createLocks(backend, options);
    open.push(locks);
    return locks;
  };
  const done = (run: (callback: Callback) => unknown): Promise<void> =>
    new Promise((resolve, reject) => run((error) => (error instanceof Error ? reject(error) : resolve())));
  const put = (key: string, value: string): Promise<void> => done((callback) => admin.set(key, value, {}, callback));
  const remove = (key: string): Promise<void> => done((callback) => admin.del(key, {}, callback));
  const failure = (attempt: PromiseLike<unknown>): Promise<unknown> => failureOf(Promise.resolve(attempt));

  describe('beside npm microlock', () => {
    const peers: Microlock[] = [];
    const peer = (key: string, nodeId = 'the peer'): Microlock => {
      const made = new Microlock(new Etcd(etcd.url), key, nodeId, 10);
      made.on('error', () => undefined);
      peers.push(made);
      return made;
    };
    afterEach(() => {
      for (const each of peers.splice(0)) each.destroy();
    });

    it('is kept out by it, waits for it, and keeps it out', async () => {
      const key = 'shared/one';
      const theirs = peer(key);
      const locks = client();
      await theirs.lock();
      const refused = await failure(locks.mutex(key).acquire({ wait: 0 }));
      expect(refused).toBeInstanceOf(AlreadyLockedError);
      expect(refused).toMatchObject({ holders: [{ owner: 'the peer' }] });
      const waiting = inLine(locks);
      const next = locks.mutex(key).acquire();
      await waiting;
      await theirs.unlock();
      const held = await next;
      expect(await failure(theirs.lock())).toBeInstanceOf(Taken);
      const unlocked = once(theirs, 'unlocked');
      await held.release();
      await unlocked;
      await theirs.lock();
      await theirs.unlock();
    });

    it('cannot be freed nor renewed by it, nor the other way round, though the names are the same', async () => {
      const key = 'shared/two';
      const theirs = peer(key, 'the host');
      const locks = client(undefined, { ttl: TTL, owner: 'the host' });
      const held = await locks.mutex(key).acquire();
      expect(await failure(theirs.unlock())).toBeInstanceOf(NotOwned);
      expect(await failure(theirs.renew())).toBeInstanceOf(NotOwned);
      await firstValueFrom(held.renewals$);
      await held.release();
      await theirs.lock();
      expect(await failure(locks.mutex(key).acquire({ wait: 0 }))).toBeInstanceOf(AlreadyLockedError);
      await theirs.renew();
      await theirs.unlock();
    });
  });

  it('has the createdIndex for a token, which a renewal leaves as it is', async () => {
    const key = 'token';
    const held = await client().mutex(key).acquire();
    await firstValueFrom(held.renewals$);
    const node = await new Promise<unknown>((resolve) => admin.get(key, {}, (_, body) => resolve(body)));
    expect(node).toMatchObject({ node: { createdIndex: Number(held.fencingToken) } });
    expect(held.isHeld()).toBe(true);
  });

  it('holds though the answer was lost that said so', async () => {
    const real = watchedClient(etcd.url);
    const deaf: NodeEtcd = {
      ...real,
      set: (key, value, options, callback) =>
        real.set(key, value, options, real.attempts() === 0 ? () => undefined : callback),
    };
    const held = await client(nodeEtcdBackend(deaf)).mutex('answer/lost').acquire();
    expect(held.isHeld()).toBe(true);
    // The same claim again, and it is found to be in.
    expect(real.attempts()).toBe(2);
  });

  it('tries again when the holder has gone between the refusal and the look at it', async () => {
    const key = 'gone-meanwhile';
    await put(key, 'peer');
    let looks = 0;
    const late: NodeEtcd = {
      set: (...call) => admin.set(...call),
      compareAndDelete: (...call) => admin.compareAndDelete(...call),
      get: (path, options, callback) => {
        looks += 1;
        if (looks > 1) return admin.get(path, options, callback);
        void remove(key).then(() => admin.get(path, options, callback));
        return { abort: () => undefined };
      },
    };
    const held = await client(nodeEtcdBackend(late), { ttl: 60_000 }).mutex(key).acquire();
    expect(held.isHeld()).toBe(true);
  });

  it('carries keys that a URL cannot, as other clients read them', async () => {
    const locks = client(undefined, { owner: 'ours' });
    for (const key of ['ä/ö ü', 'a?b#c', '100%', '日本/語', '/leading']) {
      await locks.mutex(key).acquire();
      const state = await firstValueFrom(
        locks
          .mutex(key)
          .ownership$()
          .pipe(filter(({ status }) => status === 'held')),
      );
      expect(state).toMatchObject({ key, holders: [{ owner: 'ours' }] });
    }
  });

  it('says what to do where one key lies below another', async () => {
    const locks = client();
    const below = await locks.mutex('nested/key').acquire();
    for (const key of ['nested', 'nested/key/it']) {
      expect(await failure(locks.mutex(key).acquire())).toMatchObject({
        code: 'BACKEND',
        retryable: false,
        message: expect.stringContaining('`a` and `a/b` cannot both be locked'),
      });
    }
    await below.release();
  });

  it('a lock is free again when those whose names lie below it were given back', async () => {
    const locks = client();
    for (const key of ['left/over/a/b', 'left/over/c']) await (await locks.mutex(key).acquire()).release();
    const held = await locks.mutex('left').acquire();
    expect(held.isHeld()).toBe(true);
    await held.release();
  });

  it('a directory in the way stays where something is in it, even if that is hidden', async () => {
    const locks = client();
    for (const key of ['kept/a/key', 'hidden/_key']) {
      await put(key, 'not ours');
      const [above = ''] = key.split('/');
      expect(await failure(locks.mutex(above).acquire())).toMatchObject({ code: 'BACKEND', retryable: false });
      const node = await new Promise<unknown>((resolve) => admin.get(key, {}, (_, body) => resolve(body)));
      expect(node).toMatchObject({ node: { value: 'not ours' } });
    }
  });

  it('a directory that was made where a key is followed leaves all observers knowing', async () => {
    const reads = new Subject<void>();
    const real = watchedClient(etcd.url);
    const counted: NodeEtcd = {
      ...real,
      get: (path, options, callback) =>
        real.get(path, options, (...answer) => {
          callback(...answer);
          if (!('wait' in options)) reads.next();
        }),
    };
    const locks = client(nodeEtcdBackend(counted), { ttl: 3000 });
    const seen: string[] = [];
    const state$ = locks.mutex('turned').ownership$();
    const looking = state$.subscribe(({ status }) => seen.push(status));
    await within(2000, state$);
    await put('turned/into/a', 'directory');
    // Probes, once a second.
    await within(10_000, reads.pipe(skip(2)));
    looking.unsubscribe();
    expect(new Set(seen)).toEqual(new Set(['free']));
  });

  it('an owner may be called anything: its lock is renewed and given back', async () => {
    for (const owner of ['nul\0', 'line\r\nbreak', '100% & a=b+c#d', '日本']) {
      const locks = client(undefined, { ttl: TTL, owner });
      const held = await locks.mutex('named').acquire();
      await firstValueFrom(held.renewals$);
      await held.release();
    }
  });

  it('gives up long before node-etcd does where nobody answers', async () => {
    const error = await failure(
      client(nodeEtcdBackend(new Etcd('http://127.0.0.1:1')))
        .mutex('k')
        .acquire(),
    );
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({
      message: expect.stringMatching(/http:\/\/127\.0\.0\.1:1: connect ECONNREFUSED.*Is etcd up/),
    });
  });

  it('is told nothing by a server that stands still: calls end, observers know that they do not know', async () => {
    // Not read again before 6 s have passed: that would find it out, too.
    const locks = client(undefined, { ttl: 6000 });
    const held = await locks.mutex('still/held').acquire();
    const ownership$ = locks.mutex('still/held').ownership$();
    await within(2000, ownership$.pipe(filter(ownedBy(held.fencingToken))));
    const lost = new Promise((resolve) => {
      held.signal.addEventListener('abort', () => resolve(held.signal.reason));
    });
    const unknown = within(5000, ownership$.pipe(filter(isUnknown)));
    etcd.signal('SIGSTOP');
    try {
      expect(await failure(locks.mutex('still/wanted').acquire())).toMatchObject({
        code: 'BACKEND',
        message: expect.stringContaining('did not answer'),
      });
      await unknown;
      expect(await lost).toMatchObject({ code: 'LOCK_LOST', reason: 'expired' });
    } finally {
      etcd.signal('SIGCONT');
    }
    await within(5000, ownership$.pipe(filter(({ status }) => status !== 'unknown')));
  });

  it('of several clients the next one is asked where one stands still: no lock is lost, no waiter forgotten', async () => {
    const endpoints = [watchedClient(etcd.url), watchedClient(etcd.url)];
    const backend = nodeEtcdBackend(endpoints);
    const held = await client(backend).mutex('several/held').acquire();
    // The reads and probes of these come much later.
    const locks = client(backend, { ttl: 60_000 });
    const other = await client().mutex('several/awaited').acquire();
    const waiting = inLine(locks);
    const next = locks.mutex('several/awaited').acquire();
    await waiting;
    await within(2000, locks.mutex('several/awaited').ownership$());
    const used = endpoints.filter(({ polls }) => polls.now > 0);
    expect(used).toHaveLength(1);
    used[0]?.freeze(true);
    await lastValueFrom(held.renewals$.pipe(take(2)));
    expect(held.isHeld()).toBe(true);
    await other.release();
    expect((await within(3000, from(next))).isHeld()).toBe(true);
  });

  it('tells who gives one client with several hosts what that can cost', async () => {
    const locks = client(nodeEtcdBackend(new Etcd([etcd.url, etcd.url])));
    const note = firstValueFrom(locks.events$.pipe(filter(({ type }) => type === 'note')));
    await locks.mutex('noted').acquire();
    expect(await note).toMatchObject({ message: expect.stringContaining('one for each host') });
  });

  it('is one backend for one client, and refuses a lease that is for no key', () => {
    const of = new Etcd(etcd.url);
    const backend = nodeEtcdBackend(of);
    expect(nodeEtcdBackend(of)).toBe(backend);
    const lease = { id: '1', ttl: TTL, owner: 'a', key: undefined };
    expect(() => backend.renew(lease, TTL)).toThrow('is for one key');
    expect(() => nodeEtcdBackend([])).toThrow('give a client');
  });
});

describe.each(ETCDS)('on $server without --enable-v2', ({ suite }) => {
  it('says how to turn it on', async () => {
    const etcd = await startEtcd(suite, { 'enable-v2': false });
    await using locks = createLocks(nodeEtcdBackend(new Etcd(etcd.url)));
    const error = await failureOf(locks.mutex('k').acquire());
    await etcd.stop();
    expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('the v2 API is off') });
  });
});
