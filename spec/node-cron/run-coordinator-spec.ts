/**
 * A run coordinator for node-cron: as node-cron calls it, in memory; and with node-cron itself, in three processes.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { InvalidOptionError, createLocks } from '../../src/index.js';
import type { Locks } from '../../src/index.js';
import { runCoordinator } from '../../src/node-cron/index.js';
import { failureOf, inLine } from '../support/waiting.js';

jest.setTimeout(60_000);

const TICK = 'report:2026-11-28T03:00:00.000Z';
const MINUTE = 60_000;
const open: Locks[] = [];

describe('a run coordinator', () => {
  const backend = memoryBackend();
  const instance = () => {
    const locks = createLocks(backend);
    open.push(locks);
    return { locks, coordinator: runCoordinator(locks) };
  };
  afterEach(async () => {
    await Promise.all(open.splice(0).map((locks) => locks.close()));
  });

  it('has one run a tick; who asks meanwhile is told when it is done, and who is late at once', async () => {
    const [a, b] = [instance(), instance()];
    expect(await a.coordinator.shouldRun(TICK, MINUTE)).toBe(true);
    const waiting = inLine(b.locks);
    const answer = b.coordinator.shouldRun(TICK, MINUTE);
    await waiting;
    await a.coordinator.onComplete(TICK);
    expect(await answer).toBe(false);
    expect(await instance().coordinator.shouldRun(TICK, MINUTE)).toBe(false);
    expect(await instance().coordinator.shouldRun(TICK.replace('03', '04'), MINUTE)).toBe(true);
  });

  it('has another one run it where the first one goes away before it is done', async () => {
    const [a, b] = [instance(), instance()];
    const tick = `${TICK}/2`;
    expect(await a.coordinator.shouldRun(tick, MINUTE)).toBe(true);
    const waiting = inLine(b.locks);
    const answer = b.coordinator.shouldRun(tick, MINUTE);
    await waiting;
    await a.locks.close();
    expect(await answer).toBe(true);
    // A word of the first one that comes late says nothing.
    expect(await failureOf(a.coordinator.onComplete(tick))).toMatchObject({ code: 'LOCK_NOT_OWNED' });
    expect(await firstValueFrom(b.locks.once(`cron/${tick}`, { keep: MINUTE }).result$)).toBeUndefined();
  });

  it('fails closed: while nothing can be asked, and for what cannot be meant', async () => {
    const { locks, coordinator } = instance();
    await locks.close();
    expect(await failureOf(coordinator.shouldRun(TICK, MINUTE))).toMatchObject({ code: 'LOCKS_CLOSED' });
    expect(() => runCoordinator(createLocks(backend), { keep: 5 })).toThrow(InvalidOptionError);
  });

  it('the example: three processes with other clocks, one killed at work: each tick is done once', async () => {
    const etcd = await startEtcd();
    try {
      const example = join(__dirname, '../../examples/cron.mjs');
      const child = spawn(process.execPath, [example, '--hosts', etcd.url, '--ticks', '8'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let printed = '';
      child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      const code = await new Promise((resolve) => child.once('exit', resolve));
      expect(printed).toContain('killed in the middle of it');
      expect(printed).toMatch(/8 ticks done, 0 of them twice, 0 gaps\.\n$/);
      expect(code).toBe(0);
    } finally {
      await etcd.stop();
    }
  });
});
