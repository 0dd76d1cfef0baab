/**
 * Three etcds, of which one freezes or dies: what that costs those who hold, wait and look.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import type { IOptions } from 'etcd3';
import { filter, firstValueFrom, from, lastValueFrom, takeWhile } from 'rxjs';
import { startCluster } from '../../scripts/etcd-cluster.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { createLocks } from '../../src/index.js';
import type { HeldLock, Locks, LocksOptions } from '../../src/index.js';
import { ETCDS } from '../support/etcds.js';
import { inLine, isUnknown, ownedBy, within } from '../support/waiting.js';

jest.setTimeout(60_000);

type Cluster = Awaited<ReturnType<typeof startCluster>>;
type Member = Cluster['members'][number];

describe.each(ETCDS)('on three members of $server', ({ suite }) => {
  let cluster: Cluster;
  const clients: Locks[] = [];
  const repairs: (() => unknown)[] = [];

  beforeAll(async () => {
    cluster = await startCluster(suite);
  });
  beforeEach(async () => {
    await cluster.leader();
  });
  afterEach(async () => {
    for (const repair of repairs.splice(0)) await repair();
    await Promise.all(clients.splice(0).map((locks) => locks.close()));
  });
  afterAll(() => cluster.stop());

  const client = (hosts: readonly string[], options: LocksOptions, auth?: IOptions['auth']): Locks => {
    const locks = createLocks(etcd3Backend({ hosts: [...hosts], ...(auth && { auth }) }), options);
    clients.push(locks);
    return locks;
  };
  /** All members, a different one first for each number: no order of preference is to be lucky. */
  const hostsFrom = (first: number): readonly string[] => cluster.urls.map((_, i, urls) => urls[(first + i) % 3] ?? '');
  const several = (count: number, options: LocksOptions, auth?: IOptions['auth']): readonly Locks[] =>
    Array.from({ length: count }, (_, i) => client(hostsFrom(i), options, auth));
  /** Each holds a key of its own. */
  const holdAll = (locks: readonly Locks[], name: string): Promise<readonly HeldLock[]> =>
    Promise.all(locks.map((one, i) => one.mutex(`${name}/${i}`).acquire()));

  /** Until each has renewed once: by then each has found a member to talk to, and follows its queue there. */
  const settled = (locks: readonly Locks[]): Promise<unknown> =>
    Promise.all(locks.map(({ events$ }) => firstValueFrom(events$.pipe(filter(({ type }) => type === 'renewed')))));

  const freeze = (member: Member): void => {
    member.signal('SIGSTOP');
    repairs.push(() => member.signal('SIGCONT'));
  };
  const kill = (member: Member): Promise<void> => {
    repairs.push(() => member.start());
    return member.kill();
  };
  const follower = async (): Promise<Member> => {
    const leader = await cluster.leader();
    const [found] = cluster.members.filter((member) => member !== leader);
    if (!found) throw new Error('a cluster of three has followers');
    return found;
  };

  it('one holds, the others wait in order and get it, each at a member of its own', async () => {
    const [first, ...others] = cluster.urls.map((url) => client([url], { ttl: 5000 }));
    let held = await first?.mutex('members').acquire();
    const turns: Promise<HeldLock>[] = [];
    for (const locks of others) {
      const waiting = inLine(locks);
      turns.push(locks.mutex('members').acquire());
      await waiting;
    }
    for (const turn of turns) {
      const before = held?.fencingToken ?? 0n;
      await held?.release();
      held = await turn;
      expect(held.fencingToken).toBeGreaterThan(before);
    }
    expect(held?.isHeld()).toBe(true);
  });

  describe('when a follower freezes', () => {
    const TTL = 3000;

    it('no lock is lost within two ttl', async () => {
      const holders = several(12, { ttl: TTL });
      const holds = await holdAll(holders, 'frozen/held');
      await settled(holders);
      freeze(await follower());
      const renewed = holds.map((held) => {
        const twoTtlOn = held.validUntil + 2 * TTL;
        return lastValueFrom(held.renewals$.pipe(takeWhile(({ validUntil }) => validUntil < twoTtlOn)));
      });
      await Promise.all(renewed);
      expect(holds.map((held) => held.isHeld())).not.toContain(false);
    });

    it('who waits gets its turn within two ttl of the release', async () => {
      const holds = await holdAll(several(6, { ttl: TTL }), 'frozen/awaited');
      const waiters = several(6, { ttl: TTL });
      const waiting = waiters.map(inLine);
      const turns = waiters.map((locks, i) => locks.mutex(`frozen/awaited/${i}`).acquire());
      await Promise.all(waiting);
      await settled(waiters);
      freeze(await follower());
      await Promise.all(
        turns.map(async (turn, i) => {
          await holds[i]?.release();
          expect((await within(2 * TTL, from(turn))).isHeld()).toBe(true);
        }),
      );
    });
  });

  describe('when the leader', () => {
    // An election takes 1 to 3 s, in which nobody can renew: the default ttl is made for that. Renewals are so frequent
    // that each client meets it with some.
    const OPTIONS = { renewEvery: 500 };

    it('is killed, no lock is lost, who waits gets its turn, and observers go on', async () => {
      const holds = await holdAll(several(6, OPTIONS), 'killed');
      const [first] = holds;
      if (!first) throw new Error('six hold');
      const [second, third] = [client(hostsFrom(1), OPTIONS), client(hostsFrom(2), OPTIONS)];
      const waiting = inLine(second);
      const turn = second.mutex(first.key).acquire();
      await waiting;
      const leader = await cluster.leader();
      const seen$ = third.mutex(first.key).ownership$();
      const seenThere$ = client([leader.url], OPTIONS).mutex(first.key).ownership$();
      const states = seen$.subscribe();
      const unknown = firstValueFrom(seenThere$.pipe(filter(isUnknown)));
      await within(2000, seen$.pipe(filter(ownedBy(first.fencingToken))));
      await within(2000, seenThere$.pipe(filter(ownedBy(first.fencingToken))));

      await kill(leader);
      await unknown;
      await cluster.leader();
      await Promise.all(holds.map((held) => firstValueFrom(held.renewals$)));
      expect(holds.map((held) => held.isHeld())).not.toContain(false);

      await first.release();
      const { fencingToken } = await within(5000, from(turn));
      await within(5000, seen$.pipe(filter(ownedBy(fencingToken))));

      const goesOn = within(15_000, seenThere$.pipe(filter(ownedBy(fencingToken))));
      await leader.start();
      repairs.splice(0);
      await goesOn;
      states.unsubscribe();
    });

    it('freezes until another one is elected, no lock is lost', async () => {
      const holds = await holdAll(several(6, OPTIONS), 'stopped');
      const leader = await cluster.leader();
      freeze(leader);
      await cluster.leader();
      leader.signal('SIGCONT');
      await Promise.all(holds.map((held) => firstValueFrom(held.renewals$)));
      expect(holds.map((held) => held.isHeld())).not.toContain(false);
    });
  });

  describe('with users', () => {
    const auth = { username: 'root', password: 'a-secret' };

    beforeAll(async () => {
      const admin = new Etcd3({ hosts: [...cluster.urls] });
      await admin.user('root').create(auth.password);
      await admin.role('root').create();
      await admin.user('root').addRole('root');
      await admin.auth.authEnable();
      admin.close();
    });

    it('clients sign in although one of their hosts is frozen, be it the first', async () => {
      freeze(await follower());
      const holds = await holdAll(several(6, { ttl: 3000 }, auth), 'users');
      expect(holds.map((held) => held.isHeld())).not.toContain(false);
    });
  });
});
