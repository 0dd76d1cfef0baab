/**
 * Guarded writes without another client.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import type { Etcd3Backend } from '../../src/backends/etcd3/index.js';
import { InvalidOptionError, LockNotOwnedError, createLocks } from '../../src/index.js';
import type { HeldLock, Locks } from '../../src/index.js';
import { ETCDS } from '../support/etcds.js';
import { failureOf } from '../support/waiting.js';

jest.setTimeout(30_000);

describe.each(ETCDS)('a transaction on etcd v3 of $server', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let admin: Etcd3;
  const open: Locks[] = [];
  const client = (): { backend: Etcd3Backend; locks: Locks } => {
    const backend = etcd3Backend({ hosts: etcd.url });
    const locks = createLocks(backend, { ttl: 5000 });
    open.push(locks);
    return { backend, locks };
  };
  beforeAll(async () => {
    etcd = await startEtcd(suite);
    admin = new Etcd3({ hosts: etcd.url });
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((locks) => locks.close()));
    await admin.delete().all();
  });
  afterAll(async () => {
    admin.close();
    await etcd.stop();
  });

  it('writes all of it, and reads what was there before', async () => {
    const { backend, locks } = client();
    await admin.put('old').value('1');
    const held = await locks.mutex('k').acquire();
    const written = { put: { a: 'x', b: '' }, delete: ['old'], get: ['old', 'none'], if: { old: '1', none: null } };
    expect(await backend.transaction(held, written)).toEqual({ succeeded: true, values: { old: '1', none: null } });
    expect([await admin.get('a'), await admin.get('b'), await admin.get('old')].map(String)).toEqual(['x', '', 'null']);
  });

  it.each([{ there: 'another value' }, { there: null }, { none: '' }])('writes nothing unless %j', async (compared) => {
    const { backend, locks } = client();
    await admin.put('there').value('1');
    const held = await locks.mutex('k').acquire();
    const refused = await backend.transaction(held, { if: compared, put: { a: 'x' }, get: ['there'] });
    expect(refused).toEqual({ succeeded: false, values: { there: '1' } });
    expect(await admin.get('a')).toBeNull();
    expect(held.isHeld()).toBe(true);
  });

  it('is refused by the server once the claim is gone, of one key and of several', async () => {
    const { backend, locks } = client();
    const lost = async (held: HeldLock): Promise<unknown> => {
      // It goes out after the guard was taken and before the loss is told: what a stopped process would do.
      const late = failureOf(backend.transaction(held, { put: { late: 'x' } }));
      await admin.delete().prefix(`${held.keys[0] ?? ''}/`);
      return late;
    };
    for (const lock of [locks.mutex('k'), locks.all(locks.mutex('x'), locks.mutex('y'))]) {
      const held = await lock.acquire();
      await admin.delete().prefix(`${held.keys[0] ?? ''}/`);
      expect(await failureOf(backend.transaction(held, { put: { late: 'x' } }))).toBeInstanceOf(LockNotOwnedError);
      expect(await admin.get('late')).toBeNull();
      const again = await lock.acquire();
      const outcome = await lost(again);
      // In time or refused, never written after the claim was deleted: etcd orders the two.
      if (outcome !== 'no failure') expect(outcome).toBeInstanceOf(LockNotOwnedError);
      await admin.delete().key('late');
    }
  });

  it('after the release is refused without asking', async () => {
    const { backend, locks } = client();
    const held = await locks.mutex('k').acquire();
    await held.release();
    expect(await failureOf(backend.transaction(held, { put: { late: 'x' } }))).toBeInstanceOf(LockNotOwnedError);
  });

  it.each<[string, unknown]>([
    ['nothing', null],
    ['an unknown name', { puts: { a: 'x' } }],
    ['a value that is no text', { put: { a: 1 } }],
    ['a key instead of keys', { get: 'a' }],
    ['an empty key', { get: [''] }],
    ['a key put and deleted', { put: { a: 'x' }, delete: ['a'] }],
    ['more than etcd takes', { get: Array.from({ length: 65 }, (_, i) => `k${i}`) }],
  ])('of %s is refused by name', async (_, given) => {
    const { backend, locks } = client();
    const held = await locks.mutex('k').acquire();
    expect(await failureOf(backend.transaction(held, given as never))).toBeInstanceOf(InvalidOptionError);
  });
});
