/**
 * etcd v2 behind TLS, and with users and roles: all through the user's own client.
 */
import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import Etcd from 'node-etcd';
import { filter, firstValueFrom } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { nodeEtcdBackend } from '../../src/backends/node-etcd/index.js';
import { BackendError, createLocks } from '../../src/index.js';
import type { Locks } from '../../src/index.js';
import { certificates } from '../support/certificates.js';
import { failureOf, inLine } from '../support/waiting.js';
import { ETCDS } from '../support/etcds.js';

jest.setTimeout(60_000);

const open: Locks[] = [];
/** Each request of a user costs the server a bcrypt (v2 has no flag for its cost): with a short ttl it would be about the speed of the machine. */
const SLOW = 20_000;

const client = (etcd: Etcd, ttl = 5000): Locks => {
  const locks = createLocks(nodeEtcdBackend(etcd), { ttl });
  open.push(locks);
  return locks;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((locks) => locks.close()));
});

/** One holds, the next one waits, and gets it. */
async function handOver(make: () => Etcd, key: string, ttl?: number): Promise<void> {
  const held = await client(make(), ttl).mutex(key).acquire();
  const second = client(make(), ttl);
  const waiting = inLine(second);
  const next = second.mutex(key).acquire();
  await waiting;
  await held.release();
  expect((await next).isHeld()).toBe(true);
}

describe.each(ETCDS)('v2 on $server with TLS and client certificates', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let files: Awaited<ReturnType<typeof certificates>>;

  beforeAll(async () => {
    files = await certificates();
    etcd = await startEtcd(suite, { ...files.flags, 'enable-v2': true });
  });
  afterAll(async () => {
    await etcd.stop();
    rmSync(files.folder, { recursive: true });
  });

  it('locks are held, awaited and handed over by clients with a certificate', async () => {
    await handOver(() => new Etcd(etcd.url, { ca: files.ca, ...files.client }), 'tls/hand-over');
  });

  it('a client that does not know the authority is told so', async () => {
    const error = await failureOf(client(new Etcd(etcd.url)).mutex('tls/unknown').acquire());
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({ message: expect.stringContaining('certificate') });
  });
});

describe.each(ETCDS)('v2 on $server with users and roles', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  const as = (user: string): Etcd => new Etcd(etcd.url, { auth: { user, pass: 'a-secret' } });

  beforeAll(async () => {
    etcd = await startEtcd(suite, { 'enable-v2': true });
    const authorization = `Basic ${Buffer.from('root:a-secret').toString('base64')}`;
    const put = async (what: string, body: object): Promise<void> => {
      const answer = await fetch(`${etcd.url}/v2/auth/${what}`, {
        method: 'PUT',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect([what, answer.ok]).toEqual([what, true]);
    };
    await put('users/root', { user: 'root', password: 'a-secret' });
    const kv = { read: ['/jobs/*'], write: ['/jobs/*'] };
    await put('roles/locks', { role: 'locks', permissions: { kv } });
    await put('users/locker', { user: 'locker', password: 'a-secret', roles: ['locks'] });
    await put('enable', {});
    // Whoever gives no name is a guest, who may do all at first.
    await put('roles/guest', { role: 'guest', revoke: { kv: { read: ['/*'], write: ['/*'] } } });
  });
  afterAll(() => etcd.stop());

  it('a role for the folder of the locks is enough, also where many are watched as one', async () => {
    await handOver(() => as('locker'), 'jobs/17', SLOW);
    const locks = client(as('locker'), SLOW);
    const keys = Array.from({ length: 8 }, (_, i) => `jobs/many/${i}`);
    for (const key of keys) await firstValueFrom(locks.mutex(key).ownership$());
    const seen = keys.map((key) =>
      firstValueFrom(
        locks
          .mutex(key)
          .ownership$()
          .pipe(filter(({ status }) => status === 'held')),
      ),
    );
    const others = client(as('locker'), SLOW);
    for (const key of keys) await others.mutex(key).acquire();
    await Promise.all(seen);
  });

  it.each([
    ['outside of its role', () => as('locker'), 'reports/17'],
    ['without a user', () => new Etcd(etcd.url), 'jobs/17'],
  ])('a client %s is refused at once, with what to do', async (_, make, key) => {
    const error = await failureOf(client(make()).mutex(key).acquire());
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('give the client its user') });
  });
});
