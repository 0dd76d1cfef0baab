/**
 * Processes that hold a lock while their event loop is blocked, on a real etcd. They run the built package, since the
 * worker is a file of it.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { createLocks } from '../../src/index.js';
import type { Locks } from '../../src/index.js';

jest.setTimeout(60_000);

const HOLDER = join(__dirname, 'blocked/holder.mjs');
const TTL = 3000;

interface Blocked {
  readonly process: ChildProcess;
  /** When its event loop is blocked. */
  readonly begun: Promise<void>;
  /** What it said after that. */
  readonly said: Promise<readonly string[]>;
}

describe('a holder whose event loop is blocked', () => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let others: Locks;
  const open: ChildProcess[] = [];
  // They are blocked at the same time: that takes a while, and no core.
  const holders = new Map<string, Blocked>();

  beforeAll(async () => {
    etcd = await startEtcd();
    others = createLocks(etcd3Backend({ hosts: etcd.url }));
    blocked('alone', {}, 3 * TTL);
    blocked('kept', { renewIn: 'worker' }, 3 * TTL);
    blocked('stuck', { renewIn: 'worker', maxStall: TTL }, 6 * TTL);
    blocked('killed', { renewIn: 'worker', maxStall: 60_000 }, 60_000);
    blocked('stopped', { renewIn: 'worker', maxStall: 60_000 }, 60_000);
    await Promise.all([...holders.values()].map(({ begun }) => begun));
  });
  afterAll(async () => {
    for (const child of open) child.kill('SIGKILL');
    await others.close();
    await etcd.stop();
  });

  const blocked = (key: string, options: object, blockFor: number): Blocked => {
    const given = [etcd.url, key, JSON.stringify({ ttl: TTL, ...options }), String(blockFor)];
    const child = spawn(process.execPath, [HOLDER, ...given], { stdio: ['ignore', 'pipe', 'inherit'] });
    open.push(child);
    let text = '';
    const begun = new Promise<void>((resolve) =>
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes('blocked\n')) resolve();
      }),
    );
    const said = new Promise<readonly string[]>((resolve) =>
      child.once('close', () => resolve((text.split('blocked\n')[1] ?? text).trim().split('\n'))),
    );
    const holder = { process: child, begun, said };
    holders.set(key, holder);
    return holder;
  };
  const holderOf = (key: string): Blocked => {
    const holder = holders.get(key);
    if (!holder) throw new Error(`nobody was started for ${key}`);
    return holder;
  };
  /** Somebody else holds it, and gives it back. */
  const next = (key: string): Promise<string> => others.mutex(key).use(() => 'handed on');

  it('that is killed gives up its lock like any other: the worker dies with it', async () => {
    holderOf('killed').process.kill('SIGKILL');
    await next('killed');
  });

  it('that is stopped gives up its lock like any other: the worker stands still with it', async () => {
    holderOf('stopped').process.kill('SIGSTOP');
    await next('stopped');
  });

  it('loses its lock without a worker', async () => {
    await next('alone');
    expect(await holderOf('alone').said).toEqual(['holds: false', 'lost: expired', 'goes on: false']);
  });

  it('keeps it with one, and renews by itself after that', async () => {
    const turn = next('kept');
    expect(await holderOf('kept').said).toEqual(['holds: true', 'goes on: true']);
    // It has been given back.
    await turn;
  });

  it('loses it all the same when it is blocked for longer than maxStall, long before it notices', async () => {
    const { said } = holderOf('stuck');
    expect(await Promise.race([next('stuck'), said])).toBe('handed on');
    expect(await said).toEqual(['holds: false', 'lost: expired', 'goes on: false']);
  });

  it('learns that its lock went with a restore from a backup', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rxlock-blocked-'));
    try {
      const snapshot = join(folder, 'backup');
      execFileSync(join(dirname(etcd.binary), 'etcdctl'), ['--endpoints', etcd.url, 'snapshot', 'save', snapshot], {
        env: { ...process.env, ETCDCTL_API: '3' },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const { begun, said } = blocked('restored', { renewIn: 'worker' }, 3 * TTL);
      await begun;
      await etcd.restore(snapshot);
      await next('restored');
      expect(await said).toEqual(['holds: false', expect.stringMatching(/^lost: /), 'goes on: false']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
