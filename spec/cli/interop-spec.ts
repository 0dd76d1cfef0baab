/**
 * `rxlock run` and `etcdctl lock` keep each other out.
 */
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startEtcd } from '../../scripts/etcd.cjs';
import { ETCDS } from '../support/etcds.js';
import { endAll, lasting, pidOf, rxlock, started } from './terminal.js';

jest.setTimeout(120_000);

describe.each(ETCDS)('with etcdctl lock on $server', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  beforeAll(async () => {
    etcd = await startEtcd(suite);
  });
  afterEach(endAll);
  afterAll(() => etcd.stop());
  const etcdctl = (...args: string[]) =>
    started(join(dirname(etcd.binary), 'etcdctl'), args, { env: { ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: etcd.url } });

  it('rxlock waits for etcdctl, and holds after it', async () => {
    const peer = etcdctl('lock', 'jobs/a', '--', 'sh', '-c', 'echo "pid $$"; exec sleep 60');
    const pid = await pidOf(peer);
    expect(await rxlock(etcd.url, ['run', 'jobs/a', '-n', '--', 'true']).ended).toMatchObject({
      code: 75,
      stderr: expect.stringContaining('unnamed'),
    });
    const waiter = rxlock(etcd.url, ['run', 'jobs/a', '--json', '--', 'echo', 'ran']);
    await waiter.printed(/"event":"waiting"/);
    process.kill(pid, 'SIGTERM');
    expect(await waiter.ended).toMatchObject({ code: 0, stdout: 'ran\n' });
  });

  it('etcdctl waits for rxlock, and holds after it; both give their command the same names', async () => {
    const holder = rxlock(etcd.url, ['run', 'jobs/b', '--', ...lasting()]);
    await pidOf(holder);
    const peer = etcdctl('lock', 'jobs/b', 'env');
    const watching = rxlock(etcd.url, ['watch', 'jobs/b']);
    await watching.printed(/"waiting":1/);
    holder.process.kill('SIGTERM');
    expect(await holder.ended).toMatchObject({ code: 3 });
    const { code, stdout } = await peer.ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ETCD_LOCK_KEY=jobs\/b\//m);
    expect(stdout).toMatch(/^ETCD_LOCK_REV=\d+$/m);
  });
});
