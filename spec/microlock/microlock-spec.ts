/**
 * What the README of npm microlock promises, held against microlock itself and against our class of that name; then
 * what only ours does.
 */
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import * as theirs from 'microlock';
import Etcd from 'node-etcd';
import { filter, firstValueFrom, from, interval, lastValueFrom, mergeMap, take } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { nodeEtcdBackend } from '../../src/backends/node-etcd/index.js';
import type { NodeEtcd } from '../../src/backends/node-etcd/index.js';
import { createLocks } from '../../src/index.js';
import * as ours from '../../src/microlock/index.js';
import { watchedClient } from '../support/node-etcd-clients.js';
import { failureOf, within } from '../support/waiting.js';
import { ETCDS } from '../support/etcds.js';

jest.setTimeout(30_000);

/** Seconds, as everything of microlock's: longer than a spec that does not wait for its end may take. */
const TTL = 20;

type Microlock = theirs.default;

const CLASSES = [
  { of: 'npm microlock', module: theirs },
  { of: 'rxlock/microlock', module: ours },
];

/** Nothing but its use of a node-etcd client is known to both classes. */
type Make = new (etcd: unknown, key: unknown, nodeId: unknown, ttl?: unknown) => Microlock;

describe.each(ETCDS)('on $server', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let admin: Etcd;
  let keys = 0;
  let key: string;
  const open: Microlock[] = [];

  beforeAll(async () => {
    etcd = await startEtcd(suite, { 'enable-v2': true });
    admin = new Etcd(etcd.url);
  });
  afterAll(() => etcd.stop());
  beforeEach(() => {
    key = `microlock/${(keys += 1)}`;
  });
  afterEach(() => {
    for (const each of open.splice(0)) each.destroy();
  });

  const make = (module: object, nodeId: string, ttl?: number, client: NodeEtcd = new Etcd(etcd.url)): Microlock => {
    const made = new (Reflect.get(module, 'default') as Make)(client, key, nodeId, ttl);
    open.push(made);
    // Unheard, its errors are not the ones it meant: Node wraps what comes from another realm, as Jest's modules do.
    if (module === theirs) made.on('error', () => undefined);
    return made;
  };
  const done = (run: (callback: (error: unknown) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => run((error) => (error instanceof Error ? reject(error) : resolve())));
  /** Until nobody holds the key. */
  const free = async (): Promise<void> => {
    await using locks = createLocks(nodeEtcdBackend(admin));
    await firstValueFrom(
      locks
        .mutex(key)
        .ownership$()
        .pipe(filter(({ status }) => status === 'free')),
    );
  };
  const failure = (attempt: PromiseLike<unknown>): Promise<unknown> => failureOf(Promise.resolve(attempt));

  describe.each(CLASSES)('$of', ({ module }) => {
    it('lock() takes the key, or rejects with AlreadyLockedError, which is an event, too', async () => {
      const [a, b] = [make(module, 'a', TTL), make(module, 'b', TTL)];
      const told: unknown[] = [];
      b.on('error', (error) => told.push(error));
      await a.lock();
      const error = await failure(b.lock());
      expect(error).toBeInstanceOf(module.AlreadyLockedError);
      expect(told).toEqual([error]);
      expect(await failure(a.lock())).toBeInstanceOf(module.AlreadyLockedError);
      await a.unlock();
    });

    it('unlock() frees the key, for its holder only', async () => {
      const [a, b] = [make(module, 'a', TTL), make(module, 'b', TTL)];
      await a.lock();
      expect(await failure(b.unlock())).toBeInstanceOf(module.LockNotOwnedError);
      await a.unlock();
      await b.lock();
      expect(await failure(a.unlock())).toBeInstanceOf(module.LockNotOwnedError);
      await b.unlock();
      expect(await failure(b.unlock())).toBeInstanceOf(module.LockNotOwnedError);
    });

    it('renew() keeps it beyond its ttl, without it the lock ends', async () => {
      const [a, b] = [make(module, 'a', 1), make(module, 'b', 1)];
      expect(await failure(a.renew())).toBeInstanceOf(module.LockNotOwnedError);
      await a.lock();
      await lastValueFrom(
        interval(400).pipe(
          take(5),
          mergeMap(() => from(Promise.resolve(a.renew()))),
        ),
      );
      expect(await failure(b.lock())).toBeInstanceOf(module.AlreadyLockedError);
      await free();
      expect(await failure(a.renew())).toBeInstanceOf(module.LockNotOwnedError);
      expect(await failure(a.unlock())).toBeInstanceOf(module.LockNotOwnedError);
      await b.lock();
      await b.unlock();
    });

    it('a key that was deleted by hand is not owned any more', async () => {
      const a = make(module, 'a', TTL);
      await a.lock();
      await done((callback) => admin.del(key, {}, callback));
      expect(await failure(a.renew())).toBeInstanceOf(module.LockNotOwnedError);
      await a.lock();
      await done((callback) => admin.del(key, {}, callback));
      expect(await failure(a.unlock())).toBeInstanceOf(module.LockNotOwnedError);
    });

    it('destroy() unbinds listeners, and leaves what is locked locked', async () => {
      const [a, b] = [make(module, 'a', TTL), make(module, 'b', TTL)];
      a.on(module.events.unlocked, () => undefined);
      await a.lock();
      a.destroy();
      expect(a.listenerCount('unlocked')).toBe(0);
      expect(await failure(b.lock())).toBeInstanceOf(module.AlreadyLockedError);
      await a.unlock();
    });

    it('the constructor says what is missing', () => {
      const Class = module.default as unknown as Make;
      const made = (...parts: ConstructorParameters<Make>) => {
        return () => new Class(...parts);
      };
      expect(made(undefined, 'k', 'n')).toThrow(module.EtcdClientRequiredError);
      expect(made(admin, undefined, 'n')).toThrow(module.KeyRequiredError);
      expect(made(admin, 'k', undefined)).toThrow(module.NodeIdRequiredError);
      expect(made(admin, 'k', 'n', NaN)).toThrow(module.InvalidTtlError);
    });
  });

  describe('rxlock/microlock alone', () => {
    it('says in its errors what npm microlock meant to say', async () => {
      const [a, b] = [make(ours, 'a', TTL), make(ours, 'b', TTL)];
      await a.lock();
      expect(await failure(b.lock())).toMatchObject({
        name: 'AlreadyLockedError',
        message: `Lock "${key}" is already locked`,
        cause: { holders: [{ owner: 'a' }] },
      });
      expect(await failure(b.unlock())).toMatchObject({
        name: 'LockNotOwnedError',
        message: `Lock "${key}" is not owned by node "b"`,
      });
      await a.unlock();
      const messages = [
        new ours.EtcdClientRequiredError(),
        new ours.KeyRequiredError(),
        new ours.NodeIdRequiredError(),
        new ours.InvalidTtlError(),
      ].map(({ message }) => message);
      expect(messages).toEqual([
        'etcd client parameter is required',
        'key parameter of type String is required',
        'node_id parameter of type String is required',
        'ttl parameter must be of type Number',
      ]);
    });

    it.each(CLASSES)('tells of locks and unlocks of $of', async ({ module }) => {
      const [a, b] = [make(ours, 'a', TTL), make(module, 'b', TTL)];
      const told: string[] = [];
      for (const event of ['locked', 'unlocked'] as const) a.on(event, () => told.push(event));
      // Only what happens after it began to look is told.
      await a.lock();
      const unlocked = once(a, 'unlocked');
      await a.unlock();
      await unlocked;
      const locked = once(a, 'locked');
      await b.lock();
      await locked;
      const again = once(a, 'unlocked');
      await b.unlock();
      await again;
      expect(told).toEqual(['locked', 'unlocked', 'locked', 'unlocked']);
    });

    it('tells of the unlock when a holder has crashed and its key expires', async () => {
      const a = make(ours, 'a', TTL);
      await a.lock();
      await a.unlock();
      const locked = once(a, 'locked');
      await done((callback) => admin.set(key, 'crashed', { prevExist: false, ttl: 1 }, callback));
      await locked;
      await once(a, 'unlocked');
      await a.lock();
      await a.unlock();
    });

    it('tells its holder of a loss: nobody renewed, or the key was deleted', async () => {
      const a = make(ours, 'a', 1);
      await a.lock();
      const [ranOut] = (await once(a, 'lost')) as unknown[];
      expect(ranOut).toBeInstanceOf(ours.LockNotOwnedError);
      await free();
      const b = make(ours, 'b', TTL);
      await b.lock();
      const lost = once(b, 'lost');
      await done((callback) => admin.del(key, {}, callback));
      const [deleted] = (await lost) as unknown[];
      expect(deleted).toMatchObject({ name: 'LockNotOwnedError', cause: { code: 'LOCK_LOST', reason: 'deleted' } });
    });

    it.each(CLASSES)('a node id shared with $of frees nothing of the other', async ({ module }) => {
      const [a, b] = [make(ours, 'the host', TTL), make(module, 'the host', TTL)];
      await a.lock();
      expect(await failure(b.unlock())).toBeInstanceOf(module.LockNotOwnedError);
      expect(await failure(b.renew())).toBeInstanceOf(module.LockNotOwnedError);
      await a.unlock();
      await b.lock();
      expect(await failure(a.unlock())).toBeInstanceOf(ours.LockNotOwnedError);
      await b.unlock();
    });

    it('keeps nothing of a node id when its objects are destroyed and hold nothing', async () => {
      const counted = watchedClient(etcd.url);
      const [a, b] = ['a', 'b'].map((nodeId) => make(ours, nodeId, TTL, counted));
      if (!a || !b) throw new Error('two were made');
      await a.lock();
      expect(await failure(b.lock())).toBeInstanceOf(ours.AlreadyLockedError);
      expect(counted.polls.now).toBeGreaterThan(0);
      for (const each of [a, b]) each.destroy();
      // What is held stays so, and can be given back.
      expect(await failure(make(ours, 'c', TTL).lock())).toBeInstanceOf(ours.AlreadyLockedError);
      await a.renew();
      await a.unlock();
      await within(1000, counted.idle$);
      await a.lock();
      await a.unlock();
      await within(1000, counted.idle$);
    });

    it('a node id may be any text', async () => {
      const a = make(ours, 'half \ud800 a pair', TTL);
      await a.lock();
      await a.renew();
      await a.unlock();
    });

    it('a hundred and fifty on one client lock all the same', async () => {
      const client = new Etcd(etcd.url);
      const many = Array.from({ length: 150 }, (_, i) => {
        key = `many/${keys}/${i}`;
        return make(ours, 'a', TTL, client);
      });
      await Promise.all(many.map((each) => each.lock()));
      await Promise.all(many.map((each) => each.unlock()));
    });
  });
});
