/**
 * etcd v3 restored from a backup: it has forgotten who took what since, and gives it to others.
 */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { filter, firstValueFrom } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import type { EtcdServer } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { LockLostError, createLocks } from '../../src/index.js';
import type { Locks, Ownership } from '../../src/index.js';
import { ETCDS } from '../support/etcds.js';
import { failureOf, inLine } from '../support/waiting.js';

jest.setTimeout(60_000);

const TOKENS = [
  { how: 'as the same cluster', token: undefined },
  { how: 'as another cluster', token: 'restored' },
] as const;
const CASES = ETCDS.flatMap((etcd) => TOKENS.map((token) => ({ ...etcd, ...token })));

describe.each(CASES)('$server restored $how', ({ suite, token }) => {
  let etcd: EtcdServer;
  let folder: string;
  const opened: Locks[] = [];
  const client = (owner: string): Locks => {
    const locks = createLocks(etcd3Backend({ hosts: etcd.url }), { ttl: 6000, owner });
    opened.push(locks);
    return locks;
  };

  beforeAll(async () => {
    etcd = await startEtcd(suite);
    folder = mkdtempSync(join(tmpdir(), 'rxlock-snapshot-'));
  });
  afterAll(async () => {
    await Promise.all(opened.map((locks) => locks.close()));
    await etcd.stop();
    rmSync(folder, { recursive: true });
  });

  it('tells holders, lets waiters queue anew and observers see what is there now', async () => {
    const [early, late, waiting, observer] = [client('early'), client('late'), client('waiting'), client('observer')];
    // Both leases are in the backup; what they hold afterwards is not.
    const before = await early.mutex('a').acquire();
    await (await late.mutex('warm').acquire()).release();
    const snapshot = join(folder, 'backup');
    await promisify(execFile)(
      join(dirname(etcd.binary), 'etcdctl'),
      ['--endpoints', etcd.url, 'snapshot', 'save', snapshot],
      { env: { ...process.env, ETCDCTL_API: '3' } },
    );
    await before.release();
    const held = await late.mutex('a').acquire();
    const queued = inLine(waiting);
    const next = waiting.mutex('a').acquire();
    await queued;
    await firstValueFrom(
      observer
        .mutex('a')
        .ownership$()
        .pipe(filter(heldBy('late'))),
    );
    const lost = failureOf(firstValueFrom(held.renewals$.pipe(filter(() => false))));
    const seen = firstValueFrom(
      observer
        .mutex('a')
        .ownership$()
        .pipe(filter(heldBy('waiting'))),
    );

    await etcd.restore(snapshot, token);

    const loss = await lost;
    expect(loss).toBeInstanceOf(LockLostError);
    expect(loss).toMatchObject({ reason: 'session', cause: { message: expect.stringContaining('backup') } });
    expect((await next).isHeld()).toBe(true);
    await seen;
    // The tokens are those of the restored server.
    expect((await next).fencingToken).toBeGreaterThan(before.fencingToken);
  });
});

const heldBy =
  (owner: string) =>
  (state: Ownership): boolean =>
    state.status === 'held' && state.holders[0]?.owner === owner;
