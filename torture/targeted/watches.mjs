/**
 * What clients are told, and by whom.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { PENDING, TTL, queuedIn, until, within } from './stage.mjs';

const WATCHERS = /^etcd_debugging_mvcc_watcher_total (\S+)$/m;
const watchersOf = async (url) => Number(WATCHERS.exec(await (await fetch(`${url}/metrics`)).text())?.[1]);

export const WATCHES = {
  'cut off from the server': async (stage) => {
    const { link, url } = await stage.door();
    const locks = stage.locks(url);
    const held = await locks.mutex(`${stage.root}/a`).acquire();
    const other = stage.locks();
    const queued = queuedIn(other);
    const next = other.mutex(`${stage.root}/a`).acquire();
    await queued;
    link.set({ held: 'all' });
    await within(3 * TTL, next);
    return held.isHeld() ? 'two held: whoever was cut off, and the next in line' : undefined;
  },

  // A client begins with one of its two ways by chance: of so many plays, the way of its watch is silent in some.
  'a watch that falls silent': async (stage) => {
    const names = ['a', 'b', 'c', 'd'];
    const play = async (silent, number) => {
      const ways = [await stage.door(), await stage.door()];
      const holder = stage.locks();
      const waiting = stage.locks(
        ways.map(({ url }) => url),
        { ttl: 3 * TTL },
      );
      const turns = [];
      for (const name of names) {
        const key = `${stage.root}/${number}/${name}`;
        const held = await holder.mutex(key).acquire();
        const queued = queuedIn(waiting);
        turns.push({ held, next: waiting.mutex(key).acquire() });
        await queued;
      }
      ways[silent].link.set({ held: 'client' });
      const [{ held, next }, ...others] = turns;
      await held.release();
      if ((await within(3 * TTL, next)) === PENDING) return 'who waited was not told of its turn';
      // By then it listens elsewhere, and need not find out again.
      for (const turn of others) {
        await pause(500);
        await turn.held.release();
        if ((await within(TTL / 2, turn.next)) === PENDING) return 'who waited goes on to listen where nobody speaks';
      }
      return undefined;
    };
    const found = await Promise.all([0, 1, 0, 1, 0, 1].map(play));
    return found.find((each) => each !== undefined);
  },

  'watches given up': async (stage) => {
    const { url } = await stage.etcd();
    // What nobody wants is left within two rounds, and nothing is read again, by a new watch, before a ttl is over.
    const locks = stage.locks(url, { ttl: 4 * TTL, renewEvery: TTL / 3 });
    const kept = locks.mutex(`${stage.root}/kept`).ownership$().subscribe();
    await until(async () => (await watchersOf(url)) === 1);
    for (let i = 0; i < 5; i += 1) {
      let isTold = false;
      const looking = locks
        .mutex(`${stage.root}/${i}`)
        .ownership$()
        .subscribe(() => (isTold = true));
      await until(() => isTold);
      looking.unsubscribe();
    }
    const isGone = await until(async () => (await watchersOf(url)) <= 1, 2 * TTL);
    kept.unsubscribe();
    return isGone ? undefined : `${await watchersOf(url)} watches are on the server for one that is wanted`;
  },

  'watches through a proxy': async (stage) => {
    const url = await stage.proxy();
    const [holder, one, two] = Array.from({ length: 3 }, () => stage.locks(url));
    const took = [];
    // Each waiter has a watch of every key; the proxy merges those of both, and gives them numbers of its own.
    const turns = await Promise.all(
      Array.from({ length: 9 }, async (_, i) => {
        const key = `${stage.root}/${i}`;
        const held = await holder.mutex(key).acquire();
        const queued = [queuedIn(one), queuedIn(two)];
        const next = [one, two].map((locks) => locks.mutex(key).acquire());
        await Promise.all(queued);
        return { held, next };
      }),
    );
    for (const { held, next } of turns) {
      const from = performance.now();
      await held.release();
      const first = await within(TTL, Promise.race(next));
      took.push(first === PENDING ? TTL : performance.now() - from);
      const both = await Promise.all(next.map((each) => within(100, each)));
      if (both.every((each) => each !== PENDING && each.isHeld?.())) return 'two held at a time';
    }
    const median = took.sort((a, b) => a - b)[4];
    return median > TTL / 6 ? `half of all turns took more than ${Math.round(median)} ms` : undefined;
  },

  'what is told right after the own release': async (stage) => {
    const locks = stage.locks();
    const lock = locks.mutex(`${stage.root}/a`);
    let stale = 0;
    for (let i = 0; i < 30; i += 1) {
      const held = await lock.acquire();
      await held.release();
      let first;
      const looking = lock.ownership$().subscribe((state) => (first ??= state));
      await until(() => first !== undefined);
      looking.unsubscribe();
      if (first.status === 'held') stale += 1;
    }
    return stale > 0 ? `${stale} of 30 times it was still held, after the release was acknowledged` : undefined;
  },
};
