/**
 * ls, watch and revoke: what others hold, for people and for programs; lead.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { createLocks } from '../../src/index.js';
import type { Locks } from '../../src/index.js';
import { endAll, lasting, pidOf, rxlock, started } from './terminal.js';

jest.setTimeout(120_000);

let etcd: Awaited<ReturnType<typeof startEtcd>>;
let locks: Locks;
beforeAll(async () => {
  etcd = await startEtcd();
  locks = createLocks(etcd3Backend({ hosts: etcd.url }), { owner: 'holder', ttl: 60_000 });
});
afterEach(endAll);
afterAll(async () => {
  await locks.close();
  await etcd.stop();
});

const cli = (...args: string[]) => rxlock(etcd.url, args);
const jsonLines = (text: string): unknown[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line));
/** As on a terminal. */
const typed = (args: string, env: Readonly<Record<string, string>> = {}) =>
  started('script', ['-qec', `${process.execPath} ${process.cwd()}/dist/esm/cli/rxlock.js ${args}`, '/dev/null'], {
    env: { ETCDCTL_ENDPOINTS: etcd.url, TERM: 'xterm', ...env },
  });

describe('rxlock ls', () => {
  it('is NDJSON where nobody looks on: a lock on each line, with its holders', async () => {
    const held = await locks.mutex('ls/a').acquire();
    const waiting = new AbortController();
    const other = locks.mutex('ls/a').acquire({ signal: waiting.signal });
    const reader = await locks.readLock('ls/b').acquire();
    const { code, stdout } = await cli('ls', 'ls/').ended;
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toMatchObject([
      {
        key: 'ls/a',
        status: 'held',
        holders: [{ owner: 'holder', kind: 'mutex', fencingToken: held.fencingToken.toString() }],
        waiting: 1,
      },
      { key: 'ls/b', holders: [{ kind: 'read' }], waiting: 0 },
    ]);
    expect(jsonLines((await cli('ls', '--prefix', 'ls/', '--waiting').ended).stdout)).toMatchObject([{ key: 'a' }]);
    waiting.abort();
    await expect(other).rejects.toBeDefined();
    await Promise.all([held.release(), reader.release()]);
  });

  it('is a table on a terminal, in colour unless NO_COLOR is set, and safe from what others are called', async () => {
    const evil = createLocks(etcd3Backend({ hosts: etcd.url }), { owner: 'evil\x1b[2J\nname' });
    const held = await evil.mutex('table/a').acquire();
    const { stdout } = await typed('ls table/').ended;
    expect(stdout).toMatch(/\x1b\[1mKEY +KIND +HOLDER +TOKEN +SINCE +WAITING/);
    expect(stdout).toContain('evil\\u001b[2J\\u000aname');
    expect((await typed('ls table/', { NO_COLOR: '1' }).ended).stdout).not.toContain('\x1b[');
    await held.release();
    await evil.close();
  });

  it('lists 10,000 locks, and minds no reader who leaves', async () => {
    const many = await Promise.all(
      Array.from({ length: 10_000 }, (_, i) => locks.mutex(`many/${String(i)}`).acquire()),
    );
    const { stdout, stderr: said } = await cli('ls', 'many/').ended;
    expect(said).toBe('');
    expect(jsonLines(stdout)).toHaveLength(10_000);
    const script = `"$0" "$1" ls many/ | head -n 2; echo "code \${PIPESTATUS[0]}"`;
    const rxlockFile = `${process.cwd()}/dist/esm/cli/rxlock.js`;
    const { stdout: first, stderr } = await started('bash', ['-c', script, process.execPath, rxlockFile], {
      env: { ETCDCTL_ENDPOINTS: etcd.url },
    }).ended;
    expect(first).toMatch(/code 0\n$/);
    expect(stderr).toBe('');
    await Promise.all(many.map((held) => held.release()));
  });

  it('exits with 125 where the server does not answer, with 0 where nothing is held', async () => {
    expect(await rxlock('127.0.0.1:1', ['ls']).ended).toMatchObject({ code: 125, stdout: '' });
    expect(await cli('ls', 'nothing/').ended).toMatchObject({ code: 0, stdout: '' });
  });
});

describe('rxlock watch', () => {
  it.each(['watched/key', 'watched/'])('of %s is a line for each change, and ends with the signal', async (what) => {
    const watching = cli('watch', what);
    if (!what.endsWith('/')) await watching.printed(/"status":"free"/);
    const held = await locks.mutex('watched/key').acquire();
    await watching.printed(/"key":"watched\/key","status":"held"/);
    await held.release();
    await watching.printed(/"status":"held"[^]*"status":"free"/);
    watching.process.kill('SIGINT');
    expect(await watching.ended).toMatchObject({ code: 130 });
  });

  it('draws a table over the one before on a terminal', async () => {
    const held = await locks.mutex('drawn/a').acquire();
    const watching = typed('watch drawn/');
    await watching.printed(/drawn\/a +mutex +holder/);
    const second = await locks.mutex('drawn/b').acquire();
    await watching.printed(/\x1b\[2F\x1b\[J[^]*drawn\/b/);
    await Promise.all([held.release(), second.release()]);
  });
});

describe('rxlock revoke', () => {
  it('needs --yes where nobody can be asked, and a reason', async () => {
    expect(await cli('revoke', 'k', '--reason', 'r').ended).toMatchObject({ code: 64 });
    expect(await cli('revoke', 'k', '--yes').ended).toMatchObject({ code: 64 });
  });

  it('shows the holders and asks on a terminal: no is no', async () => {
    const held = await locks.mutex('revoke/asked').acquire();
    const one = started(
      'script',
      [
        '-qec',
        `${process.execPath} ${process.cwd()}/dist/esm/cli/rxlock.js revoke revoke/asked --reason r`,
        '/dev/null',
      ],
      {
        env: { ETCDCTL_ENDPOINTS: etcd.url },
        input: 'n\n',
      },
    );
    const { code, stdout } = await one.ended;
    expect(stdout).toMatch(/revoke\/asked +mutex +holder[^]*Ask for it\? \[y\/N\]/);
    expect(code).toBe(75);
    expect(held.isHeld()).toBe(true);
    await held.release();
  });

  it('takes it only from the holder with the token; nobody holding is fine', async () => {
    const held = await locks.mutex('revoke/token').acquire();
    const given = ['revoke', 'revoke/token', '--reason', 'r', '--within', '0s', '--yes', '--token'];
    expect(await cli(...given, '1').ended).toMatchObject({ code: 0, stderr: expect.stringContaining('nobody holds') });
    expect(held.isHeld()).toBe(true);
    expect(await cli(...given, held.fencingToken.toString()).ended).toMatchObject({ code: 0 });
    expect(held.isHeld()).toBe(false);
  });
});

describe('rxlock lead', () => {
  it('runs the command at a win, ends it at a loss, and stands for election again', async () => {
    const leader = cli('lead', 'boss', '--value', '10.0.0.1:80', '--', ...lasting());
    await pidOf(leader);
    const election = locks.election('boss');
    const seen = new Promise((resolve) => {
      const watching = election.leader$.subscribe((state) => {
        if (state.status !== 'led') return;
        queueMicrotask(() => watching.unsubscribe());
        resolve(state.value);
      });
    });
    expect(await seen).toBe('10.0.0.1:80');
    await cli('revoke', 'boss', '--reason', 'r', '--within', '0s', '--yes').ended;
    await leader.printed(/pid[^]*pid (\d+)/);
    leader.process.kill('SIGTERM');
    expect(await leader.ended).toMatchObject({ code: 3 });
  });

  it('ends with the command, with its code', async () => {
    expect(await cli('lead', 'boss/short', '--', 'sh', '-c', 'exit 9').ended).toMatchObject({ code: 9 });
  });
});
