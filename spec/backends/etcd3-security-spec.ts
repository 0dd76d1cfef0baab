/**
 * etcd v3 behind TLS, with users and roles, and full: what holders, waiters and observers get, and are told.
 */
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import type { IOptions } from 'etcd3';
import { defer, filter, firstValueFrom, from, ignoreElements, lastValueFrom, repeat, take } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { BackendError, createLocks } from '../../src/index.js';
import type { HeldLock, LockBackend, Locks, Ownership } from '../../src/index.js';
import { behindNetwork } from '../../src/testing/index.js';
import { certificates } from '../support/certificates.js';
import { ETCDS } from '../support/etcds.js';
import { failureOf, inLine, isUnknown, ownedBy, within } from '../support/waiting.js';

jest.setTimeout(30_000);

type Etcd = Awaited<ReturnType<typeof startEtcd>>;

const clients: Locks[] = [];
const client = (backend: LockBackend, ttl = 5000): Locks => {
  const locks = createLocks(backend, { ttl });
  clients.push(locks);
  return locks;
};
/** Clients of npm etcd3 that are the user's own: they stay open for as long as the locks on them. */
const owned: Etcd3[] = [];
const own = (options: IOptions): Etcd3 => {
  const made = new Etcd3(options);
  owned.push(made);
  return made;
};
afterEach(async () => {
  await Promise.all(clients.splice(0).map((locks) => locks.close()));
  for (const made of owned.splice(0)) made.close();
});

/** One holds, the next one waits, and gets it. */
async function handOver(make: () => LockBackend, key: string): Promise<void> {
  const held = await client(make()).mutex(key).acquire();
  const second = client(make());
  const waiting = inLine(second);
  const next = second.mutex(key).acquire();
  await waiting;
  await held.release();
  expect((await next).isHeld()).toBe(true);
}

/** The commands under a heading of docs/etcd.md: what is documented is what is tried. */
function documented(heading: string): string {
  const text = readFileSync(join(__dirname, '../../docs/etcd.md'), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, commands]) => commands).join('');
}

/** As typed by an administrator; `etcdctl` comes with the server. */
async function shell({ binary, url }: Etcd, script: string): Promise<void> {
  const env = {
    ...process.env,
    PATH: [dirname(binary), process.env['PATH']].join(delimiter),
    ETCDCTL_API: '3',
    ETCDCTL_ENDPOINTS: url,
  };
  await promisify(execFile)('bash', ['-euc', script], { env });
}

describe.each(ETCDS)('on $server with TLS and client certificates', ({ suite }) => {
  let etcd: Etcd;
  let made: Awaited<ReturnType<typeof certificates>>;
  const credentials = () => ({
    rootCertificate: Buffer.from(made.ca),
    privateKey: Buffer.from(made.client.key),
    certChain: Buffer.from(made.client.cert),
  });

  beforeAll(async () => {
    made = await certificates();
    etcd = await startEtcd(suite, made.flags);
  });
  afterAll(async () => {
    await etcd.stop();
    rmSync(made.folder, { recursive: true });
  });

  it('locks are held, awaited and handed over by clients with a certificate', async () => {
    await handOver(() => etcd3Backend({ hosts: etcd.url, credentials: credentials() }), 'tls/hand-over');
  });

  it('a client without a certificate is told that its certificate is what to look at', async () => {
    const locks = client(
      etcd3Backend({ hosts: etcd.url, credentials: { rootCertificate: credentials().rootCertificate } }),
    );
    const error = await failureOf(locks.mutex('tls/none').acquire());
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({ message: expect.stringMatching(/certificate.*`credentials`/) });
  });

  it('so is one that does not know the authority of the server', async () => {
    const locks = client(etcd3Backend({ hosts: etcd.url }));
    const error = await failureOf(locks.mutex('tls/unknown').acquire());
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({ message: expect.stringMatching(/certificate.*`credentials`/) });
  });
});

describe.each(ETCDS)('on $server with users and roles', ({ suite }) => {
  let etcd: Etcd;
  const optionsOf = (username: string, password: string): IOptions => ({
    hosts: etcd.url,
    auth: { username, password },
  });
  const locker = (): IOptions => optionsOf('locker', 'a-secret');
  const ways = [
    { way: 'options', backend: () => etcd3Backend(locker()) },
    { way: "the user's own client", backend: () => etcd3Backend(own(locker())) },
  ];

  beforeAll(async () => {
    // A token that is not used for a second is forgotten within another.
    etcd = await startEtcd(suite, { 'auth-token-ttl': 1 });
    const script = [
      documented('The role of a lock client'),
      'etcdctl user add rotated:a-secret',
      'etcdctl user grant-role rotated locks',
      'etcdctl user add root:a-secret',
      'etcdctl auth enable',
    ].join('\n');
    await shell(etcd, script);
  });
  afterAll(() => etcd.stop());

  it.each(ways)('the documented role is enough to hold, wait and hand over, with $way', async ({ backend }) => {
    await handOver(backend, 'jobs/17');
  });

  it.each(['jobs/withdrawn', 'reports/nightly'])('it is enough to withdraw a claim on %s unanswered', async (key) => {
    const backend = etcd3Backend(locker());
    const lease = { id: '1000000000000007', ttl: 5000, owner: 'a', key: undefined };
    const claim = { key, lease, id: '0', kind: 'mutex', since: new Date(), meta: undefined } as const;
    await lastValueFrom(backend.grant(lease, 2000));
    await lastValueFrom(backend.dequeue([claim], undefined, 2000));
    await lastValueFrom(backend.revoke(lease, 2000));
    backend.close();
  });

  it('the role for one lock is enough for that one', async () => {
    await handOver(() => etcd3Backend(locker()), 'reports/nightly');
  });

  it('the documented role of who only looks is enough to look, and not to lock', async () => {
    const held = await client(etcd3Backend(locker())).mutex('jobs/looked-at').acquire();
    const lock = client(etcd3Backend(optionsOf('watcher', 'a-secret'))).mutex('jobs/looked-at');
    await within(2000, lock.ownership$().pipe(filter(ownedBy(held.fencingToken))));
    const freed = within(2000, lock.ownership$().pipe(filter(({ status }) => status === 'free')));
    await held.release();
    await freed;
    expect(await failureOf(lock.acquire())).toMatchObject({ code: 'BACKEND', retryable: false });
  });

  it.each(['other/17', 'reports/weekly'])('a lock named %s is refused, with what to grant', async (key) => {
    const error = await failureOf(client(etcd3Backend(locker())).mutex(key).acquire());
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({
      retryable: false,
      message: expect.stringContaining('grant its role readwrite on the prefix of your locks'),
    });
  });

  it('an observer of a lock outside of the role is told why it knows nothing', async () => {
    const state = await within(2000, client(etcd3Backend(locker())).mutex('other/17').ownership$());
    expect(state).toMatchObject({
      status: 'unknown',
      cause: { message: expect.stringContaining('grant its role readwrite on the prefix of your locks') },
    });
  });

  it('a wrong password is not tried again, and is called that', async () => {
    const locks = client(etcd3Backend(optionsOf('locker', 'not-it')));
    const error = await failureOf(locks.mutex('jobs/17').acquire());
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({
      retryable: false,
      message: expect.stringContaining('the user name or the password is wrong'),
    });
  });

  it('so is none at all', async () => {
    const error = await failureOf(
      client(etcd3Backend({ hosts: etcd.url }))
        .mutex('jobs/17')
        .acquire(),
    );
    expect(error).toMatchObject({
      code: 'BACKEND',
      retryable: false,
      message: expect.stringContaining('the user name or the password is wrong or missing'),
    });
  });

  it('renewals go on though the password was changed, and other requests are refused', async () => {
    const locks = client(etcd3Backend(optionsOf('rotated', 'a-secret')), 3000);
    const held = await locks.mutex('jobs/rotated').acquire();
    // A watch shows that no proxy is in between, which would have each renewal ask for more.
    await firstValueFrom(locks.mutex('jobs/rotated').ownership$());
    await own(optionsOf('root', 'a-secret')).user('rotated').setPassword('another');
    const refused = await failureOf(locks.mutex('jobs/too-late').acquire());
    expect(refused).toMatchObject({ code: 'BACKEND', retryable: false });
    await lastValueFrom(held.renewals$.pipe(take(3)));
    expect(held.isHeld()).toBe(true);
  });

  describe('and with tokens that have expired', () => {
    // A renewal comes after 3 s, when no token is good any more; the queue is not read again before 9 s, so that
    // reading cannot make up for a watch that is deaf.
    const TTL = 9000;
    const stale = async (held: HeldLock): Promise<void> => {
      const witness = own(locker());
      await witness.get('jobs/any');
      await firstValueFrom(held.renewals$);
      expect(await refusalOfWatch(witness)).toContain('invalid auth token');
    };

    it.each(ways)('a lock is still held, and the waiter gets its turn, with $way', async ({ backend }) => {
      const lock = (): [Locks, ReturnType<Locks['mutex']>] => {
        const locks = client(backend(), TTL);
        return [locks, locks.mutex('jobs/stale')];
      };
      const [, first] = lock();
      const [locks, second] = lock();
      const [, observed] = lock();
      const held = await first.acquire();
      const waiting = inLine(locks);
      const next = second.acquire();
      await waiting;
      await within(2000, observed.ownership$());
      const seen: Ownership[] = [];
      observed.ownership$().subscribe((state) => seen.push(state));
      await stale(held);
      expect(held.isHeld()).toBe(true);
      await held.release();
      const { fencingToken } = await within(2000, from(next));
      await within(2000, observed.ownership$().pipe(filter(ownedBy(fencingToken))));
      expect(seen.map(({ status }) => status)).not.toContain('unknown');
    });

    it('streams that broke are opened again: held, seen, handed over', async () => {
      const key = 'jobs/broken';
      const [first, second, third] = [1, 2, 3].map(() => client(etcd3Backend(locker()), TTL)) as [Locks, Locks, Locks];
      const held = await first.mutex(key).acquire();
      const waiting = inLine(second);
      const next = second.mutex(key).acquire();
      await waiting;
      const ownership$ = third.mutex(key).ownership$();
      const unknown = firstValueFrom(ownership$.pipe(filter(isUnknown)));
      await within(2000, ownership$.pipe(filter(ownedBy(held.fencingToken))));
      await stale(held);
      await etcd.restart();
      await unknown;
      await within(5000, ownership$.pipe(filter(ownedBy(held.fencingToken))));
      await firstValueFrom(held.renewals$);
      await held.release();
      const { fencingToken } = await within(2000, from(next));
      await within(2000, ownership$.pipe(filter(ownedBy(fencingToken))));
    });
  });

  /** Why a watch is refused to a client that asks with the token it has. */
  async function refusalOfWatch({ watchClient }: Etcd3): Promise<string> {
    const stream = await watchClient.watch();
    const reason = new Promise<string>((resolve, reject) => {
      stream.on('data', ({ cancel_reason }) => resolve(cancel_reason));
      stream.on('error', reject);
    });
    stream.write({ create_request: { key: Buffer.from('jobs/any') } });
    return reason.finally(() => {
      stream.end();
      stream.cancel();
    });
  }
});

describe.each(ETCDS)('on $server that is full', ({ suite }) => {
  const CHUNK = Buffer.alloc(256 * 1024);
  let etcd: Etcd;
  const locks = (): Locks => client(etcd3Backend({ hosts: etcd.url }), 2000);

  beforeAll(async () => {
    etcd = await startEtcd(suite, { 'quota-backend-bytes': 4 * 1024 * 1024 });
  });
  afterAll(() => etcd.stop());

  /** Puts until the server refuses, and has raised the alarm: from then on it refuses whatever writes. */
  const fill = async (): Promise<void> => {
    const filler = own({ hosts: etcd.url });
    const put$ = defer(() => filler.put('filler').value(CHUNK)).pipe(ignoreElements());
    const refusal = lastValueFrom(put$.pipe(repeat(64)), { defaultValue: 'no refusal' });
    expect(String(await failureOf(refusal))).toContain('database space exceeded');
    // Another one, since the refusals have opened the circuit breaker of the first.
    const { maintenance } = own({ hosts: etcd.url });
    const alarms$ = defer(() => maintenance.alarm({ action: 'Get' })).pipe(repeat({ delay: 20 }));
    await within(5000, alarms$.pipe(filter(({ alarms }) => alarms.length > 0)));
  };

  it('a claim whose entering was asked for twice leaves all the same, though there is no room for its tombstone', async () => {
    const { backend, network } = behindNetwork(etcd3Backend({ hosts: etcd.url }));
    const twice = client(backend, 2000);
    await twice.mutex('session').acquire();
    network.dropNextReply();
    const held = await twice.mutex('one').acquire();
    network.dropNextReply();
    const several = await twice.all(twice.mutex('two'), twice.mutex('three')).acquire();
    const behind = async (key: string): Promise<{ next: Promise<HeldLock> }> => {
      const other = locks();
      const waiting = inLine(other);
      const next = other.mutex(key).acquire();
      await waiting;
      return { next };
    };
    const waiting = [await behind('one'), await behind('two'), await behind('three')];
    await fill();
    // One by one: etcd does not count what travels in a group.
    for (const release of [held, several]) {
      void release.release();
      for (const { next } of waiting.splice(0, release.keys.length)) {
        expect((await within(2000, from(next))).isHeld()).toBe(true);
      }
    }
    await shell(etcd, documented('The server is full'));
  });

  it('what is held is renewed, given back and handed over; what is new is told what to do', async () => {
    const first = locks();
    const second = locks();
    const held = await first.mutex('full').acquire();
    const waiting = inLine(second);
    const next = second.mutex('full').acquire();
    await waiting;
    await fill();

    await lastValueFrom(held.renewals$.pipe(take(2)));
    expect(held.isHeld()).toBe(true);

    const told = {
      code: 'BACKEND',
      retryable: false,
      outcome: 'unknown',
      message: expect.stringContaining('compact, defragment, then `etcdctl alarm disarm`'),
    };
    // At once, and not when the wait is over: longer than this spec may take.
    expect(await failureOf(locks().mutex('a new session').acquire({ wait: 3600_000 }))).toMatchObject(told);
    expect(await failureOf(first.mutex('a new claim').acquire({ wait: 3600_000 }))).toMatchObject(told);

    await held.release();
    const handed = await within(2000, from(next));
    await firstValueFrom(handed.renewals$);
    await handed.release();

    await shell(etcd, documented('The server is full'));
    expect((await locks().mutex('room again').acquire()).isHeld()).toBe(true);
  });
});
