/**
 * Two processes on one etcd, as in two terminals with examples/hold.mjs, and the deaths a process can die.
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';

jest.setTimeout(30_000);

const HOLD = join(__dirname, '../../examples/hold.mjs');

interface Terminal {
  readonly process: ChildProcess;
  /** Resolves when a line with the words has been printed, now or before. */
  printed(words: string): Promise<void>;
  readonly exited: Promise<number | null>;
}

describe('a holder that is a process of its own', () => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  const open: Terminal[] = [];

  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterEach(async () => {
    for (const { process, exited } of open.splice(0)) {
      process.kill('SIGKILL');
      await exited;
    }
  });
  afterAll(() => etcd.stop());

  const terminal = (owner: string, key: string, ttl: number): Terminal => {
    const given = ['--hosts', etcd.url, '--owner', owner, '--key', key, '--ttl', String(ttl)];
    const child = spawn(process.execPath, [HOLD, ...given], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    const listeners = new Set<() => void>();
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      for (const listener of [...listeners]) listener();
    });
    const opened: Terminal = {
      process: child,
      exited: new Promise((resolve) => child.once('exit', resolve)),
      printed: (words) =>
        new Promise((resolve) => {
          const look = (): void => {
            if (!text.includes(words)) return;
            listeners.delete(look);
            resolve();
          };
          listeners.add(look);
          look();
        }),
    };
    open.push(opened);
    return opened;
  };

  it('killed with SIGKILL, its lock goes to the next one when the ttl has run out', async () => {
    const a = terminal('a', 'kill', 2000);
    await a.printed('HELD');
    const b = terminal('b', 'kill', 2000);
    await b.printed('waiting, 1 ahead');
    a.process.kill('SIGKILL');
    await b.printed('HELD');
  });

  it('killed with SIGTERM, it gives its lock back at once, and ends', async () => {
    // A ttl longer than this test may last: only a release can hand over.
    const a = terminal('a', 'term', 60_000);
    await a.printed('HELD');
    const b = terminal('b', 'term', 60_000);
    await b.printed('waiting, 1 ahead');
    a.process.kill('SIGTERM');
    await b.printed('HELD');
    await a.printed('gave back');
    expect(await a.exited).toBe(0);
  });

  it('stopped past its ttl and woken again, it says that the lock is lost before anything else', async () => {
    const a = terminal('a', 'stop', 2000);
    await a.printed('HELD');
    const b = terminal('b', 'stop', 2000);
    await b.printed('waiting, 1 ahead');
    a.process.kill('SIGSTOP');
    await b.printed('HELD');
    a.process.kill('SIGCONT');
    await a.printed('LockLostError: Lost "stop": no renewal was answered before its deadline.');
  });

  it('stopped between its read and its write, it cannot write guarded, though it still can plainly', async () => {
    const script = join(__dirname, '../../examples/fenced-counter.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [script, '--hosts', etcd.url]);
    expect(stdout).toContain('the plain write is done, the guarded one is refused');
    expect(stdout).toContain('counted 3; the plain counter says 1, the guarded one 3');
  });
});
