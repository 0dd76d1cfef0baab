/**
 * Ways to have something done by one of a fleet and to give all the others what came of it: rxlock's, and what is
 * written by hand around a lock in Redis, where who waits asks now and then.
 */
import { setTimeout as pause } from 'node:timers/promises';
import Redis from 'ioredis';
import Redlock from 'redlock';
import { lastValueFrom } from 'rxjs';
import { createLocks, runOnce } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';

const TTL = 10_000;
const KEEP = 60_000;

/** How often who waits asks, more or less. */
const ASK_AGAIN = 50;

/**
 * @typedef {object} SingleFlight
 * @property {(key: string, work: () => Promise<string>) => Promise<string>} run
 * @property {() => Promise<void>} close
 */

/** Beside what redlock sends. Its scripts call `get` and `set`, which are counted, too: these are not among them. */
const COMMANDS = ['eval', 'evalsha', 'mget', 'psetex'];

/** @type {Readonly<Record<string, { server: string, waits: string, commands?: readonly string[], open: (url: string) => SingleFlight }>>} */
export const SINGLE_FLIGHTS = {
  'rxlock, etcd v3': { server: 'etcd', waits: 'watch', open: ofLocks },
  'rxlock, one waits for its process': { server: 'etcd', waits: 'watch', open: (url) => shared(ofLocks(url)) },
  redlock: { server: 'redis', waits: `asks every ${ASK_AGAIN} ms`, commands: COMMANDS, open: polling },
  'redlock, fsync': { server: 'redis-always', waits: `asks every ${ASK_AGAIN} ms`, commands: COMMANDS, open: polling },
  'redlock, one asks for its process': {
    server: 'redis',
    waits: `asks every ${ASK_AGAIN} ms`,
    commands: COMMANDS,
    open: (url) => shared(polling(url)),
  },
};

function ofLocks(url) {
  const locks = createLocks(etcd3Backend({ hosts: url }), { ttl: TTL });
  return {
    run: (key, work) => lastValueFrom(runOnce(locks.once(key, { keep: KEEP }), work)),
    close: () => locks.close(),
  };
}

function polling(url) {
  const redis = new Redis(url);
  const locks = new Redlock([redis], { retryCount: 0 });
  locks.on('clientError', () => undefined);
  const found = async (key) => (await redis.mget(`done:${key}`))[0];
  const locked = (key) =>
    locks.lock(`lock:${key}`, TTL).catch((error) => {
      if (!(error instanceof Redlock.LockError)) throw error;
      return undefined;
    });
  return {
    async run(key, work) {
      for (;;) {
        const done = await found(key);
        if (done !== null) return done;
        const lock = await locked(key);
        if (lock) return await worked(key, work, lock);
        await pause(ASK_AGAIN * (0.5 + Math.random()));
      }
    },
    close: async () => redis.disconnect(),
  };

  async function worked(key, work, lock) {
    try {
      // Whoever held before may have done it.
      const done = await found(key);
      if (done !== null) return done;
      const value = await work();
      await redis.psetex(`done:${key}`, KEEP, value);
      return value;
    } finally {
      await lock.unlock();
    }
  }
}

/** All of a process wait for one. */
function shared({ run, close }) {
  const flights = new Map();
  return {
    run(key, work) {
      if (!flights.has(key)) {
        flights.set(
          key,
          run(key, work).finally(() => flights.delete(key)),
        );
      }
      return flights.get(key);
    },
    close,
  };
}
