/**
 * What the lock manager does beyond the platform's: losses, tokens, names on the server, other clients of the same keys.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { BackendError, InvalidOptionError, LockLostError, LocksClosedError, createLocks } from '../../src/index.js';
import type { LockBackend, Locks } from '../../src/index.js';
import { createLockManager } from '../../src/web-locks/index.js';
import type { LockManager, WebLock } from '../../src/web-locks/index.js';
import { decoded, encoded } from '../../src/web-locks/names.js';
import { failureOf } from '../support/waiting.js';

jest.setTimeout(30_000);

const NAMES = ['', '%', '/', 'a', 'a/b', 'a%2Fb', '%2F', '%u0041', '\0', '\uD800', '\uFFFD', '\uDC00\uD800', '😀', 'é'];

describe('the lock manager', () => {
  let backend: LockBackend;
  let locks: Locks;
  let manager: LockManager;
  beforeEach(() => {
    backend = memoryBackend();
    locks = createLocks(backend, { owner: 'us' });
    manager = createLockManager(locks);
  });
  afterEach(() => locks.close());

  /** Holds the lock until the end; resolves with it, and tells how the request ends. */
  const hold = async (name: string, by = manager): Promise<{ lock: WebLock; end: Promise<unknown> }> => {
    let end: Promise<unknown> = Promise.resolve();
    const lock = await new Promise<WebLock>((granted) => {
      end = failureOf(
        by.request(name, (held) => {
          granted(held);
          return new Promise(() => undefined);
        }),
      );
    });
    return { lock, end };
  };

  it('rejects with an AbortError that says how the lock was lost, after its signal has aborted', async () => {
    const { lock, end } = await hold('a');
    await locks.writeLock('web-locks/a').revoke({ reason: 'drain', within: 0 });
    expect(await end).toMatchObject({ name: 'AbortError', cause: { code: 'LOCK_LOST', reason: 'revoked' } });
    expect(await end).toHaveProperty('cause', lock.signal.reason);
    expect(lock.signal.aborted).toBe(true);
    expect(lock.signal.reason).toBeInstanceOf(LockLostError);
  });

  it('rejects with an AbortError when its locks are closed while it holds, with the reason when it waits', async () => {
    const { end } = await hold('a');
    const waiting = failureOf(manager.request('a', () => undefined));
    await locks.close();
    expect(await end).toMatchObject({ name: 'AbortError', cause: { code: 'LOCKS_CLOSED' } });
    expect(await waiting).toBeInstanceOf(LocksClosedError);
  });

  it('ignores what the callback does after the loss', async () => {
    let fail: (error: Error) => void = () => undefined;
    const end = failureOf(manager.request('a', () => new Promise<void>((_, reject) => (fail = reject))));
    await manager.query();
    await locks.writeLock('web-locks/a').revoke({ reason: 'drain', within: 0 });
    fail(new Error('too late'));
    expect(await end).toMatchObject({ name: 'AbortError' });
  });

  it('gives each holder of a name a greater fencing token', async () => {
    const tokens: bigint[] = [];
    for (let i = 0; i < 3; i += 1) await manager.request('a', ({ fencingToken }) => tokens.push(fencingToken));
    expect(tokens).toHaveLength(3);
    expect(tokens.every((token, i) => i === 0 || token > (tokens[i - 1] ?? token))).toBe(true);
  });

  it('carries any name, each as a lock of its own', async () => {
    expect(new Set(NAMES.map(encoded)).size).toBe(NAMES.length);
    expect(NAMES.map((name) => decoded(encoded(name)))).toEqual(NAMES);
    await Promise.all(NAMES.map((name) => hold(name)));
    const { held } = await manager.query();
    expect(held.map(({ name }) => name).sort()).toEqual([...NAMES].sort());
  });

  it('carries a name that is longer than a key may be', async () => {
    const names = ['x'.repeat(5000), `${'x'.repeat(4999)}y`];
    await Promise.all(names.map((name) => hold(name)));
    const { held } = await manager.query();
    expect(held.map(({ name }) => name).sort()).toEqual([...names].sort());
  });

  it('shows what others hold below its prefix, with their owner as client', async () => {
    const other = createLocks(backend, { owner: 'them' });
    const mutex = await other.mutex('web-locks/a').acquire();
    const waiting = manager.request('a', () => undefined);
    expect(await manager.query()).toEqual({
      held: [{ name: 'a', mode: 'exclusive', clientId: 'them' }],
      pending: [{ name: 'a', mode: 'exclusive', clientId: manager.clientId }],
    });
    await mutex.release();
    await waiting;
    await other.close();
  });

  it('keeps apart what has another prefix', async () => {
    const other = createLockManager(locks, { prefix: 'others/' });
    await hold('a');
    await hold('a', other);
    expect((await manager.query()).held).toHaveLength(1);
    expect((await other.query()).held).toHaveLength(1);
    expect(() => createLockManager(locks, { prefix: '\0' })).toThrow(InvalidOptionError);
  });

  it('serves who waits in another manager before who steals, and robs only who holds', async () => {
    const other = createLockManager(createLocks(backend));
    const order: string[] = [];
    const { end } = await hold('a', other);
    const waiting = other.request('a', () => order.push('waiting'));
    await other.query();
    await manager.request('a', { steal: true }, () => order.push('steal'));
    await waiting;
    expect(order).toEqual(['waiting', 'steal']);
    expect(await end).toMatchObject({ name: 'AbortError' });
  });

  it('steals from all who share', async () => {
    const mode = 'shared';
    const ends = [1, 2].map(() => failureOf(manager.request('a', { mode }, () => new Promise(() => undefined))));
    expect(await manager.request('a', { steal: true }, () => 'stolen')).toBe('stolen');
    for (const end of ends) expect(await end).toMatchObject({ name: 'AbortError' });
  });

  it('listens once to a signal that many requests have', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', onWarning);
    await hold('a');
    const controller = new AbortController();
    const { signal } = controller;
    const ends = Array.from({ length: 20 }, () => failureOf(manager.request('a', { signal }, () => undefined)));
    controller.abort('enough');
    expect(await Promise.all(ends)).toEqual(ends.map(() => 'enough'));
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('runs the callback in the async context of its request', async () => {
    const user = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const requests = ['ann', 'bob'].map((name) =>
      user.run(name, () => manager.request('a', () => seen.push(user.getStore()))),
    );
    await Promise.all(requests);
    expect(seen).toEqual(['ann', 'bob']);
  });

  it('works taken off its object', async () => {
    const { request, query } = manager;
    expect(await request('a', () => 'held')).toBe('held');
    expect(await query()).toEqual({ held: [], pending: [] });
  });
});

it('a query rejects while the server cannot be reached', async () => {
  const etcd = await startEtcd();
  const locks = createLocks(etcd3Backend({ hosts: etcd.url }), { ttl: 2000 });
  const manager = createLockManager(locks);
  expect(await manager.query()).toEqual({ held: [], pending: [] });
  await etcd.stop();
  expect(await failureOf(manager.query())).toBeInstanceOf(BackendError);
  await locks.close();
});
