/**
 * Waiting and looking on etcd v2: what is told by events, what by reading, and with how many long polls.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import Etcd from 'node-etcd';
import {
  filter,
  firstValueFrom,
  forkJoin,
  from,
  lastValueFrom,
  map,
  mergeMap,
  range,
  skipWhile,
  take,
  toArray,
} from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { nodeEtcdBackend } from '../../src/backends/node-etcd/index.js';
import type { Callback, NodeEtcd } from '../../src/backends/node-etcd/index.js';
import { createLocks } from '../../src/index.js';
import type { Locks, Ownership } from '../../src/index.js';
import { watchedClient } from '../support/node-etcd-clients.js';
import { inLine, isUnknown, within } from '../support/waiting.js';
import { ETCDS } from '../support/etcds.js';

jest.setTimeout(20_000);

/** Longer than these tests may last: nothing is found out by reading again once in a while. */
const LONG = 60_000;

describe.each(ETCDS)('watching v2 keys on $server', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let admin: Etcd;
  const open: Locks[] = [];

  beforeAll(async () => {
    etcd = await startEtcd(suite, { 'enable-v2': true });
    admin = new Etcd(etcd.url);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((locks) => locks.close()));
  });
  afterAll(() => etcd.stop());

  const client = (of: NodeEtcd = new Etcd(etcd.url), ttl = LONG): Locks => {
    const locks = createLocks(nodeEtcdBackend(of), { ttl });
    open.push(locks);
    return locks;
  };
  const done = (run: (callback: Callback) => unknown): Promise<void> =>
    new Promise((resolve, reject) => run((error) => (error instanceof Error ? reject(error) : resolve())));
  const put = (key: string, value: string, options = {}): Promise<void> =>
    done((callback) => admin.set(key, value, options, callback));
  const remove = (key: string, options = {}): Promise<void> => done((callback) => admin.del(key, options, callback));
  const heldBy = (owner: string) => (state: Ownership) => state.status === 'held' && state.holders[0]?.owner === owner;
  const isFree = ({ status }: Ownership): boolean => status === 'free';

  it('tells each event with the index at which it happened, also when it comes from history', async () => {
    const key = 'history';
    // The client is slow to ask for the next event: three have happened by then.
    const slow = watchedClient(etcd.url);
    slow.holdPolls();
    await put(key, 'one');
    const views = lastValueFrom(
      nodeEtcdBackend(slow)
        .queue(key, 1000)
        .pipe(
          map(({ revision, claims }) => ({ revision, owner: claims[0]?.owner })),
          take(4),
          toArray(),
        ),
    );
    await done((callback) => admin.get(key, {}, callback));
    await remove(key);
    await put(key, 'two');
    await remove(key);
    slow.letPollsGo();
    const seen = await views;
    expect(seen.map(({ owner }) => owner)).toEqual(['one', undefined, 'two', undefined]);
    const [first] = seen;
    // One after another, and none labelled with a time at which it was not so.
    expect(seen.map(({ revision }) => revision - (first?.revision ?? 0n))).toEqual([0n, 1n, 2n, 3n]);
  });

  it('misses nothing when 2,000 unrelated events pass before it asks again, and never says unknown', async () => {
    const key = 'passed/by';
    const slow = watchedClient(etcd.url);
    const locks = client(slow);
    await put(key, 'peer');
    const seen: string[] = [];
    locks
      .mutex(key)
      .ownership$()
      .subscribe(({ status }) => seen.push(status));
    slow.holdPolls();
    const waiting = inLine(locks);
    const next = locks.mutex(key).acquire();
    await waiting;
    await remove(key);
    await lastValueFrom(range(2000).pipe(mergeMap((i) => put(`unrelated/${i % 10}`, String(i)), 32)));
    slow.letPollsGo();
    expect((await next).isHeld()).toBe(true);
    expect(seen).not.toContain('unknown');
  });

  it('sees the expiry of a holder that has crashed', async () => {
    const key = 'crashed';
    await put(key, 'peer', { ttl: 1 });
    const held = await within(3000, from(client().mutex(key).acquire()));
    expect(held.isHeld()).toBe(true);
  });

  it('reads again after a reconnect', async () => {
    const key = 'reconnected';
    await put(key, 'peer');
    const locks = client(undefined, 9000);
    const waiting = inLine(locks);
    const next = locks.mutex(key).acquire();
    await waiting;
    await etcd.restart();
    await remove(key);
    expect((await next).isHeld()).toBe(true);
  });

  it('when the server goes, each observer is told at once, and no poll is asked for before the key was read', async () => {
    const counted = watchedClient(etcd.url);
    const locks = client(counted);
    const keys = ['gone/a', 'gone/b', 'gone/c'];
    const states = keys.map((key) => locks.mutex(key).ownership$());
    const unknown = states.map((state$) => within(5000, state$.pipe(filter(isUnknown))));
    const back = states.map((state$) =>
      lastValueFrom(
        state$.pipe(
          skipWhile((state) => !isUnknown(state)),
          filter(isFree),
          take(1),
        ),
      ),
    );
    await Promise.all(states.map((state$) => firstValueFrom(state$.pipe(filter(isFree)))));
    const { asked } = counted.polls;
    etcd.signal('SIGKILL');
    // Of a ttl of a minute, the first probe comes after 20 s.
    await Promise.all(unknown);
    expect(counted.polls).toMatchObject({ now: 0, asked });
    await etcd.restart();
    await Promise.all(back);
  });

  it('one key has one long poll, however many wait for it and look at it', async () => {
    const key = 'popular';
    const counted = watchedClient(etcd.url);
    const [one, two] = [client(counted), client(counted)];
    await put(key, 'peer');
    const looking = [one, two].map((locks) => locks.mutex(key).ownership$().subscribe());
    const waiting = [inLine(one), inLine(two)];
    const served = [one, two].flatMap((locks) =>
      Array.from({ length: 25 }, () => locks.mutex(key).use(() => Promise.resolve())),
    );
    await Promise.all(waiting);
    await remove(key);
    await Promise.all(served);
    expect(counted.polls.most).toBe(1);
    // Of each `Locks` one tries at a time: not all 50 at each of the 50 changes.
    expect(counted.attempts()).toBeLessThan(50 * 4);
    for (const each of looking) each.unsubscribe();
  });

  it('hundreds of keys share four long polls, and each is told what happens to it', async () => {
    const counted = watchedClient(etcd.url);
    const locks = client(counted);
    const keys = ['jobs/a', 'jobs/b/c', 'flat', 'reports/daily', 'ä/ö']
      .concat(Array.from({ length: 300 }, (_, i) => `invoices/${i}`))
      .concat(Array.from({ length: 20 }, (_, i) => `other-${i}`));
    await lastValueFrom(
      from(keys).pipe(mergeMap((key) => firstValueFrom(locks.mutex(key).ownership$().pipe(filter(isFree))), 20)),
    );
    const seen = forkJoin(
      keys.map((key) =>
        locks
          .mutex(key)
          .ownership$()
          .pipe(filter(heldBy('peer')), take(1)),
      ),
    );
    const all = lastValueFrom(seen);
    await lastValueFrom(from(keys).pipe(mergeMap((key) => put(key, 'peer'), 20)));
    await all;
    expect(counted.polls.most).toBeLessThanOrEqual(4);
  });

  it('keys that a folder tells nothing of are watched each for itself', async () => {
    const locks = client();
    const keys = Array.from({ length: 8 }, (_, i) => `hidden/_${i}`);
    await Promise.all(keys.map((key) => firstValueFrom(locks.mutex(key).ownership$().pipe(filter(isFree)))));
    const seen = keys.map((key) =>
      firstValueFrom(
        locks
          .mutex(key)
          .ownership$()
          .pipe(filter(heldBy('peer'))),
      ),
    );
    for (const key of keys) await put(key, 'peer');
    await Promise.all(seen);
  });

  it('a lock is lost when the folder it lies in is removed', async () => {
    const held = await client().mutex('removed/with/all').acquire();
    const lost = new Promise((resolve) => {
      held.signal.addEventListener('abort', () => resolve(held.signal.reason));
    });
    await remove('removed', { recursive: true });
    expect(await within(5000, from(lost))).toMatchObject({ code: 'LOCK_LOST', reason: 'deleted' });
  });

  it('holders, waiters and observers beyond the sockets of node-etcd get through', async () => {
    const locks = client();
    const keys = Array.from({ length: 150 }, (_, i) => `many/${i}`);
    const held = await Promise.all(keys.map((key) => locks.mutex(key).acquire()));
    const others = client();
    const next = keys.map((key) => others.mutex(key).acquire());
    await Promise.all(
      keys.map((key) =>
        firstValueFrom(
          others
            .mutex(key)
            .ownership$()
            .pipe(filter(({ status }) => status === 'held')),
        ),
      ),
    );
    await Promise.all(held.map((each) => each.release()));
    expect((await Promise.all(next)).every((each) => each.isHeld())).toBe(true);
  });
});
