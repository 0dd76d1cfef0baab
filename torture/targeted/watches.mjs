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

  // Whichever of two ways its watch is on is silent in one of the two plays, and requests can take the other.
  'a watch that falls silent': async (stage) => {
    const names = ['a', 'b', 'c', 'd'];
    const play = async (silent) => {
      const ways = [await stage.door(), await stage.door()];
      const holder = stage.locks();
      const waiting = stage.locks(
        ways.map(({ url }) => url),
        { ttl: 3 * TTL },
      );
      const turns = [];
      for (const name of names) {
        const key = `${stage.root}/${silent}/${name}`;
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
    const found = await Promise.all([0, 1].map(play));
    return found.find((each) => each !== undefined);
  },

  'watches given up': async (stage) => {
    const { url } = await stage.etcd();
    const locks = stage.locks(url);
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
    const isGone = await until(async () => (await watchersOf(url)) <= 1, 1500);
    kept.unsubscribe();
    return isGone ? undefined : `${await watchersOf(url)} watches are on the server for one that is wanted`;
  },

  'watches through a proxy': async (stage) => {
    const url = await stage.proxy();
    const [a, b, c] = Array.from({ length: 3 }, () => stage.locks(url));
    const holds = await Promise.all(['a', 'b'].map((name) => a.mutex(`${stage.root}/${name}`).acquire()));
    // Several watches, of several clients, on the streams that the proxy merges.
    const turns = [];
    for (const locks of [b, c]) {
      for (const name of ['a', 'b']) {
        const queued = queuedIn(locks);
        turns.push(locks.mutex(`${stage.root}/${name}`).acquire());
        await queued;
      }
    }
    await holds[0].release();
    const first = await within(TTL / 2, turns[0]);
    const wrong = turns.slice(1).map((turn) => within(300, turn));
    const early = (await Promise.all(wrong)).filter((each) => each !== PENDING && !(each instanceof Error));
    if (early.length > 0) return 'one that waited held although another one did';
    return first === PENDING ? 'who waited was not told of its turn' : undefined;
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
