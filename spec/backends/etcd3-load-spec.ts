/**
 * etcd v3 with many locks at once: group commit and its limits, one stream for all watches, nothing left behind.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { filter, firstValueFrom, lastValueFrom, map, of, take, timer, toArray } from 'rxjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { BackendError, createLocks, withLock } from '../../src/index.js';
import type { ClaimRequest, Lease, LockEvent, Locks } from '../../src/index.js';
import { startEtcd } from '../../scripts/etcd.cjs';
import type { EtcdServer } from '../../scripts/etcd.cjs';
import { ETCDS } from '../support/etcds.js';

jest.setTimeout(60_000);

describe.each(ETCDS)('$server', ({ suite }) => {
  let etcd: EtcdServer;
  let small: EtcdServer;
  let admin: Etcd3;
  const opened: Locks[] = [];

  const client = (url = etcd.url, ttl = 10_000): Locks => {
    const locks = createLocks(etcd3Backend({ hosts: url }), { ttl });
    opened.push(locks);
    return locks;
  };
  const keysBelow = (prefix: string): Promise<string[]> => admin.getAll().prefix(prefix).keys();

  /** By ids, not counted: leases that other specs left behind may end meanwhile. */
  const leaseIds = async (): Promise<string[]> => {
    return (await admin.leaseClient.leaseLeases({})).leases.map(({ ID }) => ID);
  };
  const leasesBesides = async (before: readonly string[]): Promise<string[]> => {
    return (await leaseIds()).filter((id) => !before.includes(id));
  };

  const metric = async (line: RegExp): Promise<number> => {
    const text = await (await fetch(`${etcd.url}/metrics`)).text();
    return Number(line.exec(text)?.[1]);
  };

  /** What the server counted, by the name of the method. */
  const counted = (method: string): Promise<number> => {
    return metric(new RegExp(`^grpc_server_started_total\\{grpc_method="${method}".*\\} (\\d+)$`, 'm'));
  };

  /** How many events the server has sent to watchers. */
  const events = (): Promise<number> => metric(/^etcd_debugging_mvcc_events_total (\S+)$/m);

  beforeAll(async () => {
    [etcd, small] = await Promise.all([startEtcd(suite), startEtcd(suite, { 'max-txn-ops': '8' })]);
    admin = new Etcd3({ hosts: etcd.url });
  });

  afterAll(async () => {
    await Promise.all(opened.map((locks) => locks.close()));
    admin.close();
    await Promise.all([etcd.stop(), small.stop()]);
  });

  it('a try that is let in costs as much as any other claim: two transactions, and no watch', async () => {
    const locks = client();
    await locks.mutex('warm').use(() => undefined);
    const [txns, watches] = [await counted('Txn'), await counted('Watch')];
    for (let n = 0; n < 20; n += 1) await locks.mutex(`try/${String(n)}`).use(() => undefined, { wait: 0 });
    const watched = await counted('Watch');
    expect([(await counted('Txn')) - txns, watched - watches]).toEqual([40, 0]);
  });

  it('of many clients in one queue, few hear of each hand-off, and all hold in the order in which they came', async () => {
    const CLIENTS = 40;
    const served: number[] = [];
    const holding = await client().mutex('queue').acquire();
    const done: Promise<void>[] = [];
    for (let n = 0; n < CLIENTS; n += 1) {
      const queued = new Promise<void>((resolve) => {
        const states$ = client().mutex('queue').lock$();
        done.push(
          new Promise((ended, failed) => {
            states$.subscribe({
              next: (state) => {
                resolve();
                if (state.status !== 'held') return;
                served.push(n);
                void state.held.release();
              },
              error: failed,
              complete: ended,
            });
          }),
        );
      });
      await queued;
    }
    const before = await events();
    await holding.release();
    await Promise.all(done);
    expect(served).toEqual(Array.from({ length: CLIENTS }, (_, n) => n));
    // Each of 40 hears of the 20 hand-offs before its own, on average, if it follows the whole queue: 820. So it hears of
    // the last four to eight, and of one further ahead: 190 (measured), and no more with a longer queue.
    expect((await events()) - before).toBeLessThan(300);
  });

  describe('group commit', () => {
    it('takes and gives back 500 locks asked for at once in a few dozen transactions', async () => {
      const locks = client();
      await lastValueFrom(of(0).pipe(withLock(locks.mutex('warm'))));
      const before = await counted('Txn');
      const cycles = Array.from({ length: 500 }, (_, n) =>
        lastValueFrom(of(n).pipe(withLock(locks.mutex(`many/${String(n)}`)))),
      );
      expect(await Promise.all(cycles)).toEqual(Array.from({ length: 500 }, (_, n) => n));
      expect((await counted('Txn')) - before).toBeLessThan(100);
      expect(await keysBelow('many/')).toEqual([]);
    });

    it('learns from its error how much a server takes', async () => {
      const locks = client(small.url);
      const cycles = Array.from({ length: 100 }, (_, n) =>
        lastValueFrom(of(n).pipe(withLock(locks.mutex(`small/${String(n)}`)))),
      );
      expect(await Promise.all(cycles)).toHaveLength(100);
    });

    it('tells only the member that is at fault, whatever travels with it', async () => {
      const backend = etcd3Backend({ hosts: etcd.url });
      const lease: Lease = { id: '2000000000000001', ttl: 10_000, owner: 'group', key: undefined };
      await lastValueFrom(backend.grant(lease, 2000));
      const claim = (key: string): ClaimRequest => ({
        key,
        lease,
        id: '0',
        kind: 'mutex',
        since: new Date(),
        meta: undefined,
      });
      const enter = (key: string): Promise<unknown> => lastValueFrom(backend.enqueue([claim(key)], 5000, 'show'));
      const tooLarge = { ...claim('group/large'), meta: 'x'.repeat(3_000_000) };
      const [large, ...others] = await Promise.allSettled([
        lastValueFrom(backend.enqueue([tooLarge], 5000, 'show')),
        enter('group/a'),
        enter('group/b'),
        enter('group/b'), // the same claim again: its key must not come twice in one transaction
      ]);
      expect(large).toMatchObject({ status: 'rejected', reason: expect.any(BackendError) });
      expect(others).toMatchObject(others.map(() => ({ status: 'fulfilled', value: { status: 'queued' } })));
      await lastValueFrom(backend.revoke(lease, 2000));
      backend.close();
    });
  });

  describe('many locks', () => {
    it('a thousand waiters of one mutex in one process get through, in the order of their tokens', async () => {
      const locks = client();
      const first = await locks.mutex('one').acquire();
      const queued = firstValueFrom(
        locks.events$.pipe(
          filter(isQueued),
          take(1000),
          toArray(),
          map((all) => all.length),
        ),
      );
      const tokens: bigint[] = [];
      const through = Array.from({ length: 1000 }, () =>
        locks.mutex('one').use((held) => void tokens.push(held.fencingToken)),
      );
      expect(await queued).toBe(1000);
      await first.release();
      await Promise.all(through);
      expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)));
      expect(await keysBelow('one/')).toEqual([]);
      // Of a claim one of whose attempts went without an answer its withdrawal is kept, as long as the lease.
      await locks.close();
      expect(await keysBelow('one')).toEqual([]);
    });

    it('a thousand contenders unsubscribed at random moments leave nothing but their one lease', async () => {
      const locks = client();
      const before = await leaseIds();
      const ended = Array.from({ length: 1000 }, (_, n) => {
        const contender = locks
          .mutex(`random/${String(n % 100)}`)
          .lock$()
          .subscribe();
        return lastValueFrom(timer(Math.random() * 300)).then(() => contender.unsubscribe());
      });
      await Promise.all(ended);
      await until(async () => (await keysBelow('random/')).length === 0, 2000);
      expect(await leasesBesides(before)).toHaveLength(1);
    });

    it('hold one lease, and one stream for what they watch', async () => {
      const locks = client();
      const [leases, streams] = [await leaseIds(), await counted('Watch')];
      const held = await Promise.all(Array.from({ length: 300 }, (_, n) => locks.mutex(`held/${String(n)}`).acquire()));
      // Deleted by hand, each of them is told: so each of them is watched.
      const lost = held.map(({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)));
      await firstValueFrom(locks.mutex('held/0').ownership$());
      await lastValueFrom(timer(200));
      expect(await leasesBesides(leases)).toHaveLength(1);
      await admin.delete().prefix('held/');
      await Promise.all(lost);
      expect((await counted('Watch')) - streams).toBe(1);
    });
  });

  describe('a watch', () => {
    it('whose start was compacted is made again from a read', async () => {
      const locks = client();
      const backend = etcd3Backend({ hosts: etcd.url });
      const seen = await firstValueFrom(backend.queue('compacted', 2000));
      for (let n = 0; n < 5; n += 1) await admin.put('elsewhere').value(n);
      const { header } = await admin.kv.range({ key: Buffer.from('elsewhere') });
      await admin.kv.compact({ revision: header.revision });
      await expect(lastValueFrom(backend.queue('compacted', 2000, seen))).rejects.toMatchObject({ retryable: true });
      const held = await locks.mutex('compacted').acquire();
      const waiter = client().mutex('compacted').acquire();
      await firstValueFrom(locks.mutex('compacted').ownership$().pipe(filter(isWaitedFor)));
      await held.release();
      await (await waiter).release();
      backend.close();
    });

    it('goes on after the server came back, and says unknown meanwhile', async () => {
      const observer = client(small.url, 4000);
      const states = lastValueFrom(
        observer
          .mutex('restarted')
          .ownership$()
          .pipe(
            map(({ status }) => status),
            filter((status, n) => n === 0 || status !== 'unknown' || n === 1),
            take(3),
            toArray(),
          ),
      );
      await firstValueFrom(observer.mutex('restarted').ownership$());
      await small.restart();
      const held = await client(small.url).mutex('restarted').acquire();
      expect((await states)[1]).toBe('unknown');
      await firstValueFrom(
        observer
          .mutex('restarted')
          .ownership$()
          .pipe(filter(({ status }) => status === 'held')),
      );
      await held.release();
    });
  });

  describe('a guard', () => {
    it('of a lock that was handed off here waits until the release before it is acknowledged', async () => {
      const backend = etcd3Backend({ hosts: etcd.url });
      const locks = createLocks(backend);
      opened.push(locks);
      const lock = locks.mutex('guarded');
      const first = await lock.acquire();
      const guard = await backend.guard(first);
      const next = lock.acquire();
      await firstValueFrom(locks.events$.pipe(filter(isQueued)));
      void first.release();
      const held = await next;
      await backend.guard(held);
      const late = await admin
        .if(...guard)
        .then(admin.put('guarded-value').value('late'))
        .commit();
      expect(late.succeeded).toBe(false);
      await held.release();
    });
  });
});

const isQueued = ({ type }: LockEvent): boolean => type === 'queued';
const isWaitedFor = (state: { status: string; waiting?: number }): boolean => state.waiting === 1;

/** Looks until it is so. */
async function until(isSo: () => Promise<boolean>, within: number): Promise<void> {
  for (const end = performance.now() + within; !(await isSo());) {
    if (performance.now() > end) throw new Error(`not within ${String(within)} ms`);
  }
}
