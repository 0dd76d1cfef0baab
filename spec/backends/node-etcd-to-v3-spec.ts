/**
 * Leaving etcd v2, as docs/from-microlock.md says: for one release both locks are held.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import Etcd from 'node-etcd';
import { NEVER, Subject, firstValueFrom, startWith } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { nodeEtcdBackend } from '../../src/backends/node-etcd/index.js';
import { createLocks, withLock } from '../../src/index.js';
import type { Locks } from '../../src/index.js';
import { ETCDS } from '../support/etcds.js';
import { failureOf, inLine } from '../support/waiting.js';

jest.setTimeout(20_000);

const KEY = 'reports/nightly';

describe.each(ETCDS)('a release that holds on v2 and on v3 of $server', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  const open: Locks[] = [];
  const v2 = (): Locks => opened(createLocks(nodeEtcdBackend(new Etcd(etcd.url)), { ttl: 2000 }));
  const v3 = (): Locks => opened(createLocks(etcd3Backend({ hosts: etcd.url }), { ttl: 2000 }));
  const opened = (locks: Locks): Locks => {
    open.push(locks);
    return locks;
  };

  beforeAll(async () => {
    etcd = await startEtcd(suite, { 'enable-v2': true });
  });
  afterAll(async () => {
    await Promise.all(open.map((locks) => locks.close()));
    await etcd.stop();
  });

  const both = (outer: Locks, inner: Locks) => {
    const started = new Subject<'started'>();
    const running = NEVER.pipe(startWith('started' as const), withLock(inner.mutex(KEY)), withLock(outer.mutex(KEY)));
    const begun = firstValueFrom(started);
    const work = running.subscribe(started);
    return { begun, stop: () => work.unsubscribe() };
  };

  it('is excluded by the release before and by the one after, and excludes them', async () => {
    const [before, after] = [v2(), v3()];
    const [outer, inner] = [v2(), v3()];
    const old = await before.mutex(KEY).acquire();
    const young = await after.mutex(KEY).acquire();
    const waitsForOld = inLine(outer);
    const waitsForYoung = inLine(inner);
    const { begun, stop } = both(outer, inner);
    await waitsForOld;
    await old.release();
    await waitsForYoung;
    await young.release();
    await begun;
    expect(await failureOf(before.mutex(KEY).acquire({ wait: 0 }))).toMatchObject({ code: 'ALREADY_LOCKED' });
    expect(await failureOf(after.mutex(KEY).acquire({ wait: 0 }))).toMatchObject({ code: 'ALREADY_LOCKED' });
    stop();
    await (await before.mutex(KEY).acquire()).release();
    await (await after.mutex(KEY).acquire()).release();
  });
});
