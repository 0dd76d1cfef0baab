/**
 * What the exit code of `rxlock run` says, situation by situation, on a real etcd.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';
import { IGNORES_ALL, endAll, isRunning, lasting, pidOf, rxlock } from './terminal.js';

jest.setTimeout(120_000);

let etcd: Awaited<ReturnType<typeof startEtcd>>;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterEach(endAll);
afterAll(() => etcd.stop());

const run = (...args: string[]) => rxlock(etcd.url, ['run', ...args]);

describe('rxlock run exits', () => {
  it.each([
    ['as the command', 0, ['true']],
    ['as the command', 7, ['sh', '-c', 'exit 7']],
    ['with 128 + n for signal n', 137, ['sh', '-c', 'kill -9 $$']],
    ['with 128 + n for signal n', 143, ['sh', '-c', 'kill -15 $$']],
    ['with 126 where the command cannot be run', 126, ['/etc/passwd']],
    ['with 127 where there is no such command', 127, ['no-such-command']],
  ])('%s: %i', async (_, code, command) => {
    expect(await run('k', '--', ...command).ended).toMatchObject({ code, signal: null });
  });

  it.each([
    ['no command', ['k', '--']],
    ['no --', ['k', 'true']],
    ['no key', ['--', 'true']],
    ['an empty key', ['', '--', 'true']],
    ['a duration without a unit', ['k', '--wait', '5', '--', 'true']],
    ['an unknown flag', ['k', '--wiat', '5s', '--', 'true']],
    ['a flag twice', ['k', '--wait', '5s', '--wait', '6s', '--', 'true']],
    ['two that exclude each other', ['k', '--wait', '5s', '-n', '--', 'true']],
    ['an unknown kind', ['k', '--kind', 'semaphore', '--', 'true']],
    ['a grace that leaves no time to renew', ['k', '--ttl', '3s', '--grace', '2s', '--', 'true']],
    ['a key twice', ['k', 'k', '--', 'true']],
    ['an exit code that there is not', ['k', '-E', '256', '--', 'true']],
    ['hosts that are no URL', ['k', '--hosts', 'http://:x', '--', 'true']],
    ['half of a certificate', ['k', '--cert', __filename, '--', 'true']],
    ['no time for the command', ['k', '--at-most', '0s', '--', 'true']],
    ['a user without a password', ['k', '--user', 'me', '--', 'true']],
  ])('with 64 for %s, in one line', async (_, args) => {
    const { code, stdout, stderr } = await run(...args).ended;
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^rxlock: .+\n$/);
  });

  it('with 75 if the lock is taken, naming the holder; with another code by -E', async () => {
    const holder = run('taken', '--owner', 'somebody', '--', ...lasting());
    await pidOf(holder);
    expect(await run('taken', '-n', '--', 'true').ended).toMatchObject({
      code: 75,
      stderr: 'rxlock: taken is held by somebody: the command was not run.\n',
    });
    expect(await run('taken', '--wait', '3s', '--', 'true').ended).toMatchObject({ code: 75 });
    expect(await run('taken', '-n', '-E', '0', '--quiet', '--', 'true').ended).toMatchObject({ code: 0, stderr: '' });
    expect(await run('taken', 'free', '-n', '--', 'true').ended).toMatchObject({ code: 75 });
  });

  it('with 124 if the claim is deleted, with the command dead', async () => {
    const holder = run('deleted', '--', ...lasting(IGNORES_ALL));
    const pid = await pidOf(holder);
    expect(
      await rxlock(etcd.url, ['revoke', 'deleted', '--reason', 'test', '--within', '0s', '--yes']).ended,
    ).toMatchObject({
      code: 0,
    });
    expect(await holder.ended).toMatchObject({ code: 124 });
    expect(isRunning(pid)).toBe(false);
  });

  it('with 124 after --at-most, whatever the command says', async () => {
    expect(await run('overdue', '--at-most', '2s', '--', ...lasting()).ended).toMatchObject({
      code: 124,
      stdout: expect.stringContaining('got-TERM'),
    });
    expect(
      await run('overdue', '--at-most', '300ms', '--grace', '300ms', '--', ...lasting(IGNORES_ALL)).ended,
    ).toMatchObject({
      code: 124,
    });
  });

  it('with 125 where the server cannot be reached', async () => {
    expect(await rxlock('127.0.0.1:1', ['run', 'k', '--wait', '5s', '--', 'true']).ended).toMatchObject({ code: 125 });
  });
});

describe('the command', () => {
  it('gets standard input, the lock in its environment, and its arguments as they are', async () => {
    const script = 'cat; printf "%s|" "$@"; env | grep -E "^(RXLOCK|ETCD_LOCK)_"';
    const { stdout } = await rxlock(
      etcd.url,
      ['run', 'jobs/1', '--owner', 'me', '--', 'sh', '-c', script, 'sh', '$HOME', 'a b', ''],
      {
        input: 'from stdin\n',
      },
    ).ended;
    expect(stdout).toContain('from stdin\n$HOME|a b||');
    const { groups = {} } =
      /ETCD_LOCK_KEY=(?<etcdKey>.*)\n[^]*ETCD_LOCK_REV=(?<rev>.*)\n/.exec([...stdout.split('\n')].sort().join('\n')) ??
      {};
    expect(groups['etcdKey']).toMatch(/^jobs\/1\/[0-9a-f]+-/);
    for (const line of [
      'RXLOCK_KEY=jobs/1',
      'RXLOCK_KEYS=jobs/1',
      'RXLOCK_OWNER=me',
      `RXLOCK_TOKEN=${groups['rev']}`,
    ]) {
      expect(stdout).toContain(`${line}\n`);
    }
  });

  it('of several keys gets them all, and no ETCD_LOCK_KEY', async () => {
    const { stdout } = await run(
      'a',
      'b',
      '--prefix',
      'p/',
      '--',
      'sh',
      '-c',
      'echo "$RXLOCK_KEYS"; echo "$RXLOCK_CLAIM"; echo "<$ETCD_LOCK_KEY>"',
    ).ended;
    expect(stdout).toMatch(/^a\nb\np\/a\/\S+\np\/b\/\S+\n<>\n$/);
  });

  it('says nothing of ours on stdout, and nothing on stderr where nobody looks on', async () => {
    expect(await run('quiet', '--', 'echo', 'hello').ended).toMatchObject({ stdout: 'hello\n', stderr: '' });
  });

  it('is found before the lock is asked for', async () => {
    expect(await rxlock('127.0.0.1:1', ['run', 'k', '--', 'no-such-command']).ended).toMatchObject({ code: 127 });
    const folder = mkdtempSync(join(tmpdir(), 'rxlock-cli-'));
    writeFileSync(join(folder, 'script'), 'exit 0', { mode: 0o644 });
    expect(await rxlock('127.0.0.1:1', ['run', 'k', '--', join(folder, 'script')]).ended).toMatchObject({ code: 126 });
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['read', 'read', true],
    ['semaphore:2', 'semaphore:2', true],
    ['read', 'write', false],
    ['mutex', 'mutex', false],
  ])('under %s beside one under %s: %s', async (first, second, beside) => {
    const key = `kinds/${first}/${second}`;
    const holder = run(key, '--kind', first, '--', ...lasting());
    await pidOf(holder);
    expect(await run(key, '--kind', second, '-n', '--', 'true').ended).toMatchObject({ code: beside ? 0 : 75 });
  });
});
