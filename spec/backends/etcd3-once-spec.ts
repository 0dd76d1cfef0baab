/**
 * What one of a fleet does for all, where etcd v3 is special: its roles, its quota, its peers, its leases.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { NEVER, concat, defer, filter, first, ignoreElements, lastValueFrom, repeat, tap } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import type { EtcdServer } from '../../scripts/etcd.cjs';
import { decorate } from '../../src/backend/decorate.js';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { BackendError, LockLostError, createLocks } from '../../src/index.js';
import type { Locks, QueueBackend } from '../../src/index.js';
import { enableRoles, etcdctl } from '../support/etcdctl.js';
import { failureOf, within } from '../support/waiting.js';

jest.setTimeout(60_000);

const DAY = 24 * 3600_000;
const clients: Locks[] = [];
const client = (backend: QueueBackend, ttl = 5000): Locks => {
  const locks = createLocks(backend, { ttl });
  clients.push(locks);
  return locks;
};
afterEach(async () => {
  await Promise.all(clients.splice(0).map((locks) => locks.close()));
});

describe('once, on etcd v3', () => {
  let etcd: EtcdServer;
  let admin: Etcd3;
  beforeAll(async () => {
    etcd = await startEtcd();
    admin = new Etcd3({ hosts: etcd.url });
  });
  afterAll(async () => {
    admin.close();
    await etcd.stop();
  });
  const leases = async (): Promise<number> => {
    const { stdout } = await etcdctl(etcd, 'lease', 'list', '-w', 'json');
    const { leases = [] } = JSON.parse(stdout) as { leases?: unknown[] };
    return leases.length;
  };

  it('leaves one key and its lease, beside the name: etcdctl holds the lock of that name meanwhile', async () => {
    const locks = client(etcd3Backend({ hosts: etcd.url }));
    await locks.once('peers/a', { keep: DAY }).run(() => 'A');
    await locks.close();
    expect(await admin.getAll().prefix('peers/').keys()).toEqual(['peers/a\0done']);
    expect(await leases()).toBe(1);
    const { stdout } = await etcdctl(etcd, 'lock', 'peers/a', 'echo', 'held');
    expect(stdout).toContain('held');
    await admin.delete().prefix('peers/');
  });

  it('a run whose claim was deleted while its marker was on the way leaves neither marker nor lease', async () => {
    const before = await leases();
    const backend = etcd3Backend({ hosts: etcd.url });
    let isLate = false;
    // Its first attempt gets no answer and is never carried out; then the claim is gone.
    const unlucky = decorate(backend, (source$, { verb }) => {
      if (verb !== 'markers.write' || isLate) return source$;
      isLate = true;
      void admin.delete().prefix('unlucky/').exec();
      return NEVER;
    });
    const locks = client(unlucky);
    expect(await failureOf(locks.once('unlucky', { keep: DAY }).run(() => 'A'))).toBeInstanceOf(LockLostError);
    await locks.close();
    expect(await admin.getAll().prefix('unlucky').keys()).toEqual([]);
    expect(await leases()).toBe(before);
  });

  it('a mark whose lease was granted by an attempt some time before is kept for as long as any other', async () => {
    const KEPT = 60;
    const leaseOf = async (ID: string): Promise<number> =>
      Number((await admin.leaseClient.leaseTimeToLive({ ID, keys: false })).TTL);
    let id = '';
    let left = KEPT;
    const granted$ = defer(() => admin.leaseClient.leaseGrant({ ID: id, TTL: KEPT })).pipe(ignoreElements());
    const aged$ = defer(() => leaseOf(id)).pipe(
      repeat({ delay: 50 }),
      first((now) => now < KEPT - 2),
      tap((now) => {
        left = now;
      }),
      ignoreElements(),
    );
    const late = decorate(etcd3Backend({ hosts: etcd.url }), (source$, call) => {
      if (call.verb !== 'markers.write') return source$;
      id = BigInt(`0x${call.args[0].lease.id}`).toString();
      return concat(granted$, aged$, source$);
    });
    const locks = client(late, 30_000);
    expect(await locks.once('late', { keep: KEPT * 1000 }).run(() => 'A')).toBe('A');
    expect(await leaseOf(id)).toBeGreaterThan(left);
    await admin.leaseClient.leaseRevoke({ ID: id });
  });

  it('a run that comes to its end while nobody answers any more, and is lost, leaves neither', async () => {
    const before = await leases();
    const backend = etcd3Backend({ hosts: etcd.url });
    let isCut = false;
    const cut = decorate(backend, (source$, { verb }) => {
      if (verb === 'markers.write') {
        // Carried out on the server, or not: nobody hears of it.
        isCut = true;
        return NEVER;
      }
      return isCut && verb === 'renew' ? NEVER : source$;
    });
    const locks = client(cut, 2000);
    expect(await failureOf(locks.once('cut', { keep: DAY }).run(() => 'A'))).toBeInstanceOf(LockLostError);
    await locks.close();
    expect(await admin.getAll().prefix('cut').keys()).toEqual([]);
    expect(await leases()).toBe(before);
  });
});

describe('once, on etcd v3 with roles', () => {
  let etcd: EtcdServer;
  beforeAll(async () => {
    etcd = await startEtcd();
    await enableRoles(etcd);
  });
  afterAll(() => etcd.stop());

  it('one permission on the prefix of the names is enough, and what lies outside is refused at once', async () => {
    const auth = { username: 'locker', password: 'a-secret' };
    const locks = client(etcd3Backend({ hosts: etcd.url, auth }));
    const crowd = Array.from({ length: 50 }, (_, i) => locks.once(`jobs/${String(i)}`, { keep: DAY }).run(() => i));
    expect(await Promise.all(crowd)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(await locks.once('jobs/7', { keep: DAY }).run(() => 'again')).toBe(7);
    const refused = failureOf(locks.once('secret/1', { keep: DAY }).run(() => 'A'));
    expect(await refused).toMatchObject({ code: 'BACKEND', retryable: false });
  });
});

describe('once, on an etcd v3 that is full', () => {
  let etcd: EtcdServer;
  beforeAll(async () => {
    etcd = await startEtcd(undefined, { 'quota-backend-bytes': 4 * 1024 * 1024 });
  });
  afterAll(() => etcd.stop());

  it('what cannot be marked is an error by name at once, and the lock is given back', async () => {
    const admin = new Etcd3({ hosts: etcd.url });
    // The refusals open the circuit breaker of the first.
    const observer = new Etcd3({ hosts: etcd.url });
    const put$ = defer(() => admin.put('filler').value(Buffer.alloc(256 * 1024))).pipe(ignoreElements());
    const locks = client(etcd3Backend({ hosts: etcd.url }), 2000);
    const failure = await failureOf(
      locks.once('full', { keep: DAY }).run(async () => {
        await failureOf(lastValueFrom(put$.pipe(repeat(64)), { defaultValue: 'no refusal' }));
        const alarms$ = defer(() => observer.maintenance.alarm({ action: 'Get' })).pipe(repeat({ delay: 20 }));
        await within(5000, alarms$.pipe(filter(({ alarms }) => alarms.length > 0)));
        return 'A';
      }),
    );
    expect(failure).toBeInstanceOf(BackendError);
    expect(String(failure)).toMatch(/"full" was run, and could not be marked.*the server is out of space/);
    await locks.close();
    expect(await observer.getAll().prefix('full').keys()).toEqual([]);
    admin.close();
    observer.close();
  });
});
