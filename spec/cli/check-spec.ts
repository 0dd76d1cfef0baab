/**
 * `rxlock check` on servers that are well, and on some that are not.
 */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';
import { certificates } from '../support/certificates.js';
import { ETCDS } from '../support/etcds.js';
import { endAll, rxlock } from './terminal.js';

jest.setTimeout(120_000);

type Etcd = Awaited<ReturnType<typeof startEtcd>>;
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  await endAll();
  for (const stop of stops.splice(0)) await stop();
});
async function etcdWith(flags: Record<string, string | number | boolean> = {}, suite?: string): Promise<Etcd> {
  const etcd = await startEtcd(suite, flags);
  stops.push(() => etcd.stop());
  return etcd;
}

const etcdctl = ({ binary, url }: Etcd, ...args: string[]): string =>
  execFileSync(join(dirname(binary), 'etcdctl'), args, {
    env: { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: url },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** By name, the level and the text of each finding. */
function findingsOf(stdout: string): ReadonlyMap<string, { level: string; text: string }> {
  const lines = stdout.trim().split('\n');
  return new Map(
    lines.map((line) => {
      const { check, level, text }: { check: string; level: string; text: string } = JSON.parse(line) as never;
      return [check, { level, text }];
    }),
  );
}

const levels = (stdout: string) =>
  Object.fromEntries([...findingsOf(stdout)].map(([check, { level }]) => [check, level]));

describe('rxlock check', () => {
  it.each(ETCDS)('finds a healthy $server fine, and leaves nothing there', async ({ suite }) => {
    const etcd = await etcdWith({}, suite);
    const { code, stdout } = await rxlock(etcd.url, ['check', '--ttl', '60s']).ended;
    expect(levels(stdout)).toEqual({
      server: expect.stringMatching(/ok|warn/),
      leader: 'ok',
      space: 'ok',
      hosts: 'warn',
      lock: 'ok',
      ttl: 'ok',
      clock: expect.stringMatching(/ok|warn/),
    });
    expect(findingsOf(stdout).get('ttl')?.text).toContain('the server grants 2s or more');
    expect(code).toBe(0);
    expect(etcdctl(etcd, 'get', '--prefix', '', '--keys-only')).toBe('');
  });

  it('tells of a role that is too small, and what to grant', async () => {
    const etcd = await etcdWith();
    for (const script of [
      'role add locks',
      'role grant-permission locks --prefix=true readwrite jobs/',
      'user add locker:a-secret',
      'user grant-role locker locks',
      'user add root:a-secret',
      'auth enable',
    ]) {
      etcdctl(etcd, ...script.split(' '));
    }
    const env = { ETCDCTL_USER: 'locker:a-secret' };
    const wrong = await rxlock(etcd.url, ['check', 'other/17', '--ttl', '60s'], { env }).ended;
    expect(wrong.code).toBe(1);
    expect(findingsOf(wrong.stdout).get('lock')).toMatchObject({
      level: 'fail',
      text: expect.stringContaining('grant its role'),
    });
    const right = await rxlock(etcd.url, ['check', '17', '--prefix', 'jobs/', '--ttl', '60s'], { env }).ended;
    expect(right.code).toBe(0);
    const password = await rxlock(etcd.url, ['check', 'jobs/17', '--ttl', '60s'], { env: { ETCDCTL_USER: 'locker:x' } })
      .ended;
    expect(password.code).toBe(1);
    expect(findingsOf(password.stdout).get('lock')?.text).toContain('password');
    expect(password.stdout + password.stderr).not.toContain('locker:x');
  });

  it('tells of a full disk, and of one that is nearly full', async () => {
    const etcd = await etcdWith({ 'quota-backend-bytes': 4 * 1024 * 1024 });
    const value = 'x'.repeat(100_000);
    let count = 0;
    const put = (): string => etcdctl(etcd, 'put', `filler/${String(++count)}`, value);
    const size = (): number => {
      const [{ Status }]: [{ Status: { dbSize: number } }] = JSON.parse(
        etcdctl(etcd, 'endpoint', 'status', '-w', 'json'),
      ) as never;
      return Status.dbSize;
    };
    // How much of the file a value takes is up to the speed of the disk.
    while (size() < 3.5 * 1024 * 1024) put();
    const nearly = await rxlock(etcd.url, ['check', '--ttl', '60s']).ended;
    expect(findingsOf(nearly.stdout).get('space')).toMatchObject({
      level: 'fail',
      text: expect.stringContaining('MB of 4 MB'),
    });
    expect(() => {
      for (;;) put();
    }).toThrow();
    const { code, stdout } = await rxlock(etcd.url, ['check', '--ttl', '60s']).ended;
    expect(code).toBe(1);
    expect(findingsOf(stdout).get('space')).toMatchObject({
      level: 'fail',
      text: expect.stringContaining('alarm disarm'),
    });
    expect(levels(stdout)).toMatchObject({ server: 'fail', lock: 'fail' });
  });

  it('tells of a clock that jumps', async () => {
    const etcd = await etcdWith();
    // The clock of that process is set ahead by an hour when it is read for the fifth time.
    const jump = 'const now = Date.now; let reads = 0; Date.now = () => now() + (++reads > 4 ? 3_600_000 : 0);';
    const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(jump)}`];
    const { code, stdout } = await rxlock(etcd.url, ['check'], { nodeArgs }).ended;
    expect(findingsOf(stdout).get('clock')).toMatchObject({
      level: 'fail',
      text: expect.stringContaining('jumped ahead by 1h'),
    });
    expect(code).toBe(1);
  });

  it('tells of a host that does not answer, beside one that does', async () => {
    const etcd = await etcdWith();
    const { code, stdout } = await rxlock(`127.0.0.1:1,${etcd.url}`, ['check', '--ttl', '60s']).ended;
    expect(code).toBe(1);
    expect(stdout).toMatch(/"host":"http:\/\/127.0.0.1:1","text":"[^"]*ECONNREFUSED/);
    expect(stdout).toMatch(/"level":"ok","text":"http[^"]* etcd 3/);
  });

  it('works with TLS and client certificates, as run and ls do', async () => {
    const made = await certificates();
    const etcd = await etcdWith(made.flags);
    const file = (name: string): string => join(made.folder, name);
    const { writeFileSync } = await import('node:fs');
    writeFileSync(file('client.pem'), made.client.cert);
    writeFileSync(file('client-key.pem'), made.client.key);
    const env = {
      ETCDCTL_CACERT: file('ca.pem'),
      ETCDCTL_CERT: file('client.pem'),
      ETCDCTL_KEY: file('client-key.pem'),
    };
    expect(await rxlock(etcd.url, ['check', '--ttl', '60s'], { env }).ended).toMatchObject({ code: 0 });
    const bare = etcd.url.replace('https://', '');
    expect(await rxlock(bare, ['run', 'k', '--', 'echo', 'tls'], { env }).ended).toMatchObject({
      code: 0,
      stdout: 'tls\n',
    });
    expect(await rxlock(etcd.url, ['check', '--cacert', file('ca.pem')]).ended).toMatchObject({ code: 1 });
    rmSync(made.folder, { recursive: true });
  });
});
