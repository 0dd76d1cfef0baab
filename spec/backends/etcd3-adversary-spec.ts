/**
 * etcd v3 where it is not what it seems: tokens that grow old, hosts of two clusters, a member without a leader, a server
 * restored from a backup after an answer was lost, a proxy that answers with what was said to others.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { filter, firstValueFrom, from, lastValueFrom, throwError } from 'rxjs';
import { startCluster } from '../../scripts/etcd-cluster.cjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import type { EtcdServer } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { BackendError, createLocks } from '../../src/index.js';
import type { LockBackend, Locks, QueueBackend } from '../../src/index.js';
import { enableRoles, etcdctl } from '../support/etcdctl.js';
import { ETCDS } from '../support/etcds.js';
import { failureOf, within } from '../support/waiting.js';

jest.setTimeout(60_000);

const clients: Locks[] = [];
const client = (backend: LockBackend, ttl = 5000): Locks => {
  const locks = createLocks(backend, { ttl });
  clients.push(locks);
  return locks;
};
afterEach(async () => {
  await Promise.all(clients.splice(0).map((locks) => locks.close()));
});

describe.each(ETCDS)('on $server', ({ suite }) => {
  describe('with JSON web tokens', () => {
    let etcd: EtcdServer;
    let folder: string;
    const root = ['--user', 'root:a-secret'];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'rxlock-jwt-'));
      const { publicKey, privateKey } = generateKeyPairSync('rsa', {
        modulusLength: 2048,
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      });
      writeFileSync(join(folder, 'public'), publicKey);
      writeFileSync(join(folder, 'private'), privateKey);
      const files = `pub-key=${join(folder, 'public')},priv-key=${join(folder, 'private')}`;
      etcd = await startEtcd(suite, { 'auth-token': `jwt,${files},sign-method=RS256,ttl=10m` });
      await enableRoles(etcd);
    });
    afterAll(async () => {
      await etcd.stop();
      rmSync(folder, { recursive: true });
    });

    it('a change of roles leaves locks as they are: given back, taken, handed over', async () => {
      const auth = { username: 'locker', password: 'a-secret' };
      const locks = client(etcd3Backend({ hosts: etcd.url, auth }));
      const held = await locks.mutex('jobs/1').acquire();
      await etcdctl(etcd, ...root, 'role', 'add', `another-${randomBytes(4).toString('hex')}`);
      await within(4000, from(held.release()));
      const again = await within(4000, from(locks.mutex('jobs/1').acquire()));
      expect(again.fencingToken).toBeGreaterThan(held.fencingToken);
      await etcdctl(etcd, ...root, 'role', 'add', `another-${randomBytes(4).toString('hex')}`);
      await within(4000, from(locks.mutex('jobs/2').acquire()));
      expect(again.isHeld()).toBe(true);
    });
  });

  it('a claim that says more than can be repeated cannot be asked for, and that is said', async () => {
    const etcd = await startEtcd(suite);
    const admin = new Etcd3({ hosts: etcd.url });
    const backend = etcd3Backend(admin);
    try {
      const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
      const lease = admin.lease(60);
      await lease.put('deep/7e57-0').value(`{"owner":"somebody","kind":"mutex","meta":${deep}}`);
      const { claims } = await firstValueFrom(backend.queue('deep', 5000));
      const [claim] = claims;
      if (!claim || !backend.others) throw new Error('there is a claim that can be asked for');
      const revocation = { reason: 'why', within: 10, by: 'me', at: new Date(0) };
      const asked$ = backend.others.ask('deep', claim, revocation, 5000);
      expect(await failureOf(lastValueFrom(asked$))).toMatchObject({ code: 'BACKEND', retryable: false });
      await lease.revoke();
    } finally {
      admin.close();
      await etcd.stop();
    }
  });

  it('hosts of two clusters are an error that says so, whichever of them is asked first', async () => {
    const both = await Promise.all([startEtcd(suite), startEtcd(suite, { 'initial-cluster-token': 'another' })]);
    try {
      for (let i = 0; i < 4; i += 1) {
        const locks = client(etcd3Backend({ hosts: both.map(({ url }) => url) }));
        const error = await failureOf(locks.mutex('twice').acquire());
        expect(error).toBeInstanceOf(BackendError);
        expect(error).toMatchObject({ message: expect.stringContaining('two clusters') });
      }
    } finally {
      await Promise.all(clients.splice(0).map((locks) => locks.close()));
      await Promise.all(both.map((etcd) => etcd.stop()));
    }
  });

  it('a member cut off from the others says so to those who watch there', async () => {
    const cluster = await startCluster(suite);
    const [alone, ...others] = cluster.members;
    const backend = etcd3Backend({ hosts: alone?.url ?? '' });
    try {
      const watched = failureOf(lastValueFrom(backend.queue('cut-off', 5000)));
      await firstValueFrom(backend.queue('cut-off', 5000));
      for (const member of others) member.signal('SIGSTOP');
      expect(await within(20_000, from(watched))).toMatchObject({
        message: expect.stringContaining('cut off from its cluster'),
      });
    } finally {
      for (const member of others) member.signal('SIGCONT');
      backend.close();
      await cluster.stop();
    }
  });

  it('a lease whose grant was answered at the second try is as gone as any after a restore', async () => {
    const etcd = await startEtcd(suite);
    const folder = mkdtempSync(join(tmpdir(), 'rxlock-snapshot-'));
    try {
      const real = etcd3Backend({ hosts: etcd.url });
      let isLost = false;
      const grant: QueueBackend['grant'] = (lease, timeout) => {
        if (isLost) return real.grant(lease, timeout);
        isLost = true;
        // Sent, and not heard by the backend itself.
        real.grant(lease, timeout).subscribe().unsubscribe();
        return throwError(() => new BackendError('the answer is lost', { retryable: true }));
      };
      const locks = client({ ...real, grant }, 6000);
      await (await locks.mutex('warm').acquire()).release();
      await etcdctl(etcd, 'snapshot', 'save', join(folder, 'backup'));
      const held = await locks.mutex('a').acquire();
      const lost = failureOf(firstValueFrom(held.renewals$.pipe(filter(() => false))));
      await etcd.restore(join(folder, 'backup'));
      expect(await within(20_000, from(lost))).toMatchObject({ code: 'LOCK_LOST', reason: 'session' });
    } finally {
      await Promise.all(clients.splice(0).map((locks) => locks.close()));
      await etcd.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
