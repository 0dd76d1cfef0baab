/**
 * `rxlock once` as typed at several prompts, on a real etcd.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';
import { RXLOCK, endAll, lasting, pidOf, rxlock, started } from './terminal.js';

jest.setTimeout(120_000);

let etcd: Awaited<ReturnType<typeof startEtcd>>;
let folder: string;
beforeAll(async () => {
  etcd = await startEtcd();
  folder = mkdtempSync(join(tmpdir(), 'rxlock-once-'));
});
afterEach(endAll);
afterAll(async () => {
  await etcd.stop();
  rmSync(folder, { recursive: true });
});

const once = (...args: string[]) => rxlock(etcd.url, ['once', ...args]);

describe('rxlock once', () => {
  it('runs the command once: a second call exits with 0 and says who did it and when', async () => {
    expect(await once('a', '--owner', 'web-1', '--', 'echo', 'ran').ended).toMatchObject({
      code: 0,
      stdout: 'ran\n',
      stderr: '',
    });
    const second = await once('a', '--', 'echo', 'ran').ended;
    expect(second).toMatchObject({ code: 0, stdout: '' });
    expect(second.stderr).toMatch(/^rxlock: a was done by web-1 at 20\d\d-\S+Z: the command was not run\.\n$/);
    expect(await once('a', '--quiet', '--', 'echo', 'ran').ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const json = await once('a', '--json', '--', 'echo', 'ran').ended;
    expect(JSON.parse(json.stderr.trim())).toMatchObject({ event: 'done-before', key: 'a', by: 'web-1' });
  });

  it('a command that fails, or is ended by us, is not done', async () => {
    expect(await once('b', '--', 'sh', '-c', 'exit 7').ended).toMatchObject({ code: 7 });
    expect(await once('b', '--at-most', '100ms', '--', 'sleep', '60').ended).toMatchObject({ code: 124 });
    expect(await once('b', '--', 'sh', '-c', 'kill -9 $$').ended).toMatchObject({ code: 137 });
    expect(await once('b', '--', 'echo', 'ran').ended).toMatchObject({ code: 0, stdout: 'ran\n' });
  });

  it('three at a time: one runs it, the others wait for it and are told', async () => {
    const file = join(folder, 'runs');
    const all = ['x', 'y', 'z'].map((owner) =>
      once('c', '--owner', owner, '--', 'sh', '-c', `echo ${owner} >> ${file}; sleep 0.3`),
    );
    const ends = await Promise.all(all.map(({ ended }) => ended));
    const [winner = '', ...others] = readFileSync(file, 'utf8').trim().split('\n');
    expect(others).toEqual([]);
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(ends.filter(({ stderr }) => stderr.includes(`c was done by ${winner} at `))).toHaveLength(2);
  });

  it('one that is killed has not done it: who waits runs it', async () => {
    const first = once('d', '--ttl', '3s', '--', ...lasting());
    await pidOf(first);
    const second = once('d', '--ttl', '3s', '--', 'echo', 'ran');
    first.process.kill('SIGKILL');
    expect(await second.ended).toMatchObject({ code: 0, stdout: 'ran\n' });
  });

  it('-n does not wait for one that is at it: 75, or another code', async () => {
    const first = once('e', '--owner', 'web-1', '--', ...lasting());
    await pidOf(first);
    expect(await once('e', '-n', '--', 'true').ended).toMatchObject({
      code: 75,
      stderr: 'rxlock: e is held by web-1: the command was not run.\n',
    });
    expect(await once('e', '-n', '-E', '0', '--', 'true').ended).toMatchObject({ code: 0 });
  });

  it('refuses what cannot be meant', async () => {
    expect(await once('f', '--keep', '10', '--', 'true').ended).toMatchObject({ code: 64 });
    expect(await once('f', '--keep', '10ms', '--', 'true').ended).toMatchObject({ code: 64 });
    expect(await once('f', 'g', '--', 'true').ended).toMatchObject({ code: 64 });
  });

  it('the line of the docs runs in sh as cron starts it', async () => {
    const docs = readFileSync(join(__dirname, '../../docs/cli.md'), 'utf8');
    const [, line = ''] = /^0 3 \* \* \* rxlock (once .*)$/m.exec(docs) ?? [];
    // cron takes a backslash from before each percent sign.
    const command = `${process.execPath} ${RXLOCK} ${line.replaceAll('\\%', '%').replace('/usr/local/bin/report', 'echo ran')}`;
    const env = { ETCDCTL_ENDPOINTS: etcd.url };
    expect(await started('sh', ['-c', command], { env }).ended).toMatchObject({ code: 0, stdout: 'ran\n', stderr: '' });
    expect(await started('sh', ['-c', command], { env }).ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });
});
