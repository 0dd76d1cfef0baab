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

  'a watch that falls silent': async (stage) => {
    const [one, two] = [await stage.door(), await stage.door()];
    const holder = stage.locks();
    const held = await holder.mutex(`${stage.root}/a`).acquire();
    const waiting = stage.locks([one.url, two.url]);
    const queued = queuedIn(waiting);
    const next = waiting.mutex(`${stage.root}/a`).acquire();
    await queued;
    // Whichever it is on: its answers are kept back, and a moment later it can only be on the other one.
    for (const { link } of [one, two]) link.set({ held: 'client' });
    await pause(50);
    const { link } = one;
    two.link.set({ cut: true });
    await pause(50);
    two.link.set({});
    void link;
    await held.release();
    const turn = await within(2 * TTL, next);
    return turn === PENDING ? 'who waited was not told of its turn' : undefined;
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
    const first = await within(TTL, turns[0]);
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
