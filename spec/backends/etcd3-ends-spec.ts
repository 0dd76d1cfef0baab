/**
 * Guards and pings where something ends: the hold, the client, the patience of the server. Each is answered, and says
 * what is so.
 */
import { execFile } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { lastValueFrom } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import type { Etcd3Backend } from '../../src/backends/etcd3/index.js';
import { BackendError, LockNotOwnedError, createLocks } from '../../src/index.js';
import type { HeldLock, Locks, LocksOptions } from '../../src/index.js';
import { ETCDS } from '../support/etcds.js';
import { failureOf } from '../support/waiting.js';

jest.setTimeout(30_000);

const clients: Locks[] = [];
const client = (backend: Etcd3Backend, options: LocksOptions = {}): Locks => {
  const locks = createLocks(backend, { ttl: 5000, ...options });
  clients.push(locks);
  return locks;
};
afterEach(async () => {
  await Promise.all(clients.splice(0).map((locks) => locks.close()));
});

type Etcd = Awaited<ReturnType<typeof startEtcd>>;

/** Until it does not answer any more: a process of several threads goes on for a moment. */
async function freeze({ signal, url }: Etcd): Promise<void> {
  signal('SIGSTOP');
  const answers = (): Promise<boolean> =>
    fetch(`${url}/version`, { signal: AbortSignal.timeout(100) }).then(
      () => true,
      () => false,
    );
  while (await answers());
}

describe.each(ETCDS)('a guard at the end of a hold, on $server', ({ suite }) => {
  let etcd: Etcd;
  let admin: Etcd3;

  beforeAll(async () => {
    etcd = await startEtcd(suite);
    admin = new Etcd3({ hosts: etcd.url });
  });
  afterAll(async () => {
    admin.close();
    await etcd.stop();
  });

  /** What each way to end it leaves: what a guard is asked for then, and what one taken before does. */
  const ends: readonly [how: string, (held: HeldLock, locks: Locks, backend: Etcd3Backend) => Promise<unknown>][] = [
    ['a release', (held) => held.release()],
    [
      'a loss',
      async (held) => {
        const told = failureOf(lastValueFrom(held.ended$));
        await admin.delete().prefix(`${held.key}/`);
        expect(await told).toMatchObject({ code: 'LOCK_LOST', reason: 'deleted' });
      },
    ],
    ['close() of its locks', (_, locks) => locks.close()],
    [
      'close() of its locks and of the backend',
      async (_, locks, backend) => {
        await locks.close();
        backend.close();
      },
    ],
  ];

  it.each(ends)('after %s none is given, and what was guarded is refused', async (how, end) => {
    const backend = etcd3Backend({ hosts: etcd.url });
    const locks = client(backend);
    const key = `ends/${how.replaceAll(/\W/g, '-')}`;
    const held = await locks.mutex(key).acquire();
    const guard = await backend.guard(held);
    const write = async (value: string) =>
      (
        await admin
          .if(...guard)
          .then(admin.put(`written-${key}`).value(value))
          .commit()
      ).succeeded;
    expect(await write('in time')).toBe(true);
    await end(held, locks, backend);
    for (const refused of [
      backend.guard(held),
      backend.guards(held),
      backend.transaction(held, { put: { [`written-${key}`]: 'too late' } }),
    ]) {
      const error = await failureOf(refused);
      expect(error).toBeInstanceOf(LockNotOwnedError);
      expect(error).toMatchObject({
        key,
        message: expect.stringContaining('is not held any more, so it guards nothing'),
      });
      expect((error as LockNotOwnedError).cause).toBe(held.signal.reason);
    }
    expect(await write('too late')).toBe(false);
    expect(await admin.get(`written-${key}`)).toBe('in time');
  });

  it.each(ends.filter(([how]) => how !== 'a loss'))('%s ends one that waits for its answer', async (how, end) => {
    const backend = etcd3Backend({ hosts: etcd.url });
    const locks = client(backend);
    const held = await locks.mutex(`waits/${how.replaceAll(/\W/g, '-')}`).acquire();
    await freeze(etcd);
    try {
      const guarded = failureOf(backend.guard(held));
      const ended = end(held, locks, backend);
      expect(await guarded).toBeInstanceOf(LockNotOwnedError);
      etcd.signal('SIGCONT');
      await ended;
    } finally {
      etcd.signal('SIGCONT');
    }
  });
});

describe.each(ETCDS)('ping() on $server', ({ suite }) => {
  let etcd: Etcd;

  beforeAll(async () => {
    etcd = await startEtcd(suite);
    // What docs/etcd.md grants: nothing but the prefix of the locks.
    const script = [
      'etcdctl role add locks',
      'etcdctl role grant-permission locks --prefix=true readwrite jobs/',
      'etcdctl user add locker:a-secret',
      'etcdctl user grant-role locker locks',
      'etcdctl user add root:a-secret',
      'etcdctl user grant-role root root',
      'etcdctl auth enable',
    ].join('\n');
    const env = {
      ...process.env,
      PATH: [dirname(etcd.binary), process.env['PATH']].join(delimiter),
      ETCDCTL_API: '3',
      ETCDCTL_ENDPOINTS: etcd.url,
    };
    await promisify(execFile)('bash', ['-euc', script], { env });
  });
  afterAll(() => etcd.stop());

  const backend = (password = 'a-secret'): Etcd3Backend =>
    etcd3Backend({ hosts: etcd.url, auth: { username: 'locker', password } });

  it('with a role for the prefix of the locks: resolves, with that prefix or for a key below it', async () => {
    await expect(client(backend(), { prefix: 'jobs/' }).ping()).resolves.toBeUndefined();
    await expect(client(backend()).ping({ key: 'jobs/17' })).resolves.toBeUndefined();
  });

  it('for a key outside of the role: rejects at once, with what to grant', async () => {
    for (const options of [{}, { key: 'other/17' }]) {
      const error = await failureOf(client(backend()).ping({ within: 20_000, ...options }));
      expect(error).toBeInstanceOf(BackendError);
      expect(error).toMatchObject({
        retryable: false,
        message: expect.stringContaining('grant its role readwrite on the prefix of your locks'),
      });
    }
  });

  it('with a wrong password, or none: rejects at once, and says that it is that', async () => {
    for (const asked of [backend('not-it'), etcd3Backend({ hosts: etcd.url })]) {
      const error = await failureOf(client(asked, { prefix: 'jobs/' }).ping({ within: 20_000 }));
      expect(error).toBeInstanceOf(BackendError);
      expect(error).toMatchObject({
        retryable: false,
        message: expect.stringContaining('the user name or the password is wrong'),
      });
    }
  });

  it('with a frozen server: rejects in time, as what may pass; and resolves when it goes on', async () => {
    const locks = client(backend(), { prefix: 'jobs/' });
    await locks.ping();
    await freeze(etcd);
    try {
      const error = await failureOf(locks.ping({ within: 700 }));

      expect(error).toBeInstanceOf(BackendError);
      expect(error).toMatchObject({
        retryable: true,
        message: expect.stringMatching(/did not answer/),
      });
      const patient = locks.ping({ within: 10_000 });
      etcd.signal('SIGCONT');
      await expect(patient).resolves.toBeUndefined();
    } finally {
      etcd.signal('SIGCONT');
    }
  });
});
