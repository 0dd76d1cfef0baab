/**
 * What is special about etcd v2: what its answers mean, and what node-etcd does to them.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import Etcd from 'node-etcd';
import { filter, firstValueFrom, lastValueFrom, map, take, toArray } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { nodeEtcdBackend } from '../../src/backends/node-etcd/index.js';
import type { Callback, NodeEtcd } from '../../src/backends/node-etcd/index.js';
import { BackendError, createLocks } from '../../src/index.js';

jest.setTimeout(30_000);

describe('on etcd v2', () => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let admin: Etcd;

  beforeAll(async () => {
    etcd = await startEtcd();
    admin = new Etcd(etcd.url);
  });
  afterAll(() => etcd.stop());

  const done = (run: (callback: Callback) => unknown): Promise<void> =>
    new Promise((resolve, reject) => run((error) => (error instanceof Error ? reject(error) : resolve())));
  const put = (key: string, value: string): Promise<void> => done((callback) => admin.set(key, value, {}, callback));
  const remove = (key: string): Promise<void> => done((callback) => admin.del(key, {}, callback));

  it('tells each event with the index at which it happened, also when it comes from history', async () => {
    const key = 'history';
    // The client is slow to ask for the next event: three have happened by then.
    const calls: (() => void)[] = [];
    const slow: NodeEtcd = {
      set: (...call) => admin.set(...call),
      compareAndDelete: (...call) => admin.compareAndDelete(...call),
      get: (path, options, callback) => {
        if ('wait' in options) calls.push(() => admin.get(path, options, callback));
        else admin.get(path, options, callback);
        return { abort: () => undefined };
      },
    };
    await put(key, 'one');
    const views = lastValueFrom(
      nodeEtcdBackend(slow)
        .queue(key, 1000)
        .pipe(
          map(({ revision, claims }) => ({ revision, owner: claims[0]?.owner })),
          take(4),
          toArray(),
        ),
    );
    await done((callback) => admin.get(key, {}, callback));
    await remove(key);
    await put(key, 'two');
    await remove(key);
    const asking = setInterval(() => calls.shift()?.(), 1);
    const seen = await views;
    clearInterval(asking);
    expect(seen.map(({ owner }) => owner)).toEqual(['one', undefined, 'two', undefined]);
    const [first] = seen;
    // One after another, and none labelled with a time at which it was not so.
    expect(seen.map(({ revision }) => revision - (first?.revision ?? 0n))).toEqual([0n, 1n, 2n, 3n]);
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
    const locks = createLocks(nodeEtcdBackend(late), { ttl: 60_000 });
    const held = await locks.mutex(key).acquire();
    expect(held.isHeld()).toBe(true);
    await locks.close();
  });

  it('keeps a peer of the same layout out, and is kept out by it', async () => {
    const locks = createLocks(nodeEtcdBackend(new Etcd(etcd.url)), { owner: 'ours' });
    await put('peer', 'its node id');
    await expect(locks.mutex('peer').acquire({ wait: 0 })).rejects.toMatchObject({
      holders: [{ owner: 'its node id' }],
    });
    await remove('peer');
    await locks.mutex('peer').acquire();
    const taken = done((callback) => admin.set('peer', 'its node id', { prevExist: false }, callback));
    await expect(taken).rejects.toMatchObject({ errorCode: 105 });
    await locks.close();
  });

  it('carries keys that a URL cannot, as other clients read them', async () => {
    const locks = createLocks(nodeEtcdBackend(new Etcd(etcd.url)), { owner: 'ours' });
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
    await locks.close();
  });

  it('says what to do where one key lies below another', async () => {
    const locks = createLocks(nodeEtcdBackend(new Etcd(etcd.url)));
    await locks.mutex('below').acquire();
    const error: unknown = await locks
      .mutex('below/it')
      .acquire()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({ message: expect.stringContaining('`a` and `a/b` cannot both be locked') });
    await locks.close();
  });

  it('says what to do where the v2 API is off or nobody answers', async () => {
    const page: NodeEtcd = {
      set: (_, __, ___, callback) => answer(callback),
      get: (_, __, callback) => answer(callback),
      compareAndDelete: (_, __, ___, callback) => answer(callback),
    };
    const answer = (callback: Callback) => {
      callback(null, '404 page not found\n', {});
      return { abort: () => undefined };
    };
    await expect(createLocks(nodeEtcdBackend(page)).mutex('k').acquire()).rejects.toThrow(
      'the v2 API is off: start etcd',
    );
    const nobody = createLocks(nodeEtcdBackend(new Etcd('http://127.0.0.1:1')));
    await expect(nobody.mutex('k').acquire()).rejects.toThrow(
      /http:\/\/127\.0\.0\.1:1: connect ECONNREFUSED.*Is etcd up/,
    );
    await nobody.close();
  });
});
