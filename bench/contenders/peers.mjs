/**
 * What people lock with today, each as its documentation shows it, beside rxlock: a way to take a lock, which waits for
 * its turn, and a way to give it back.
 */
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import Redis from 'ioredis';
import Etcd from 'node-etcd';
import Redlock from 'redlock';
import { Mutex } from 'redis-semaphore';
import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';
import { memoryBackend } from 'rxlock/memory';
import { nodeEtcdBackend } from 'rxlock/node-etcd';
import { bareGrpc } from './grpc.mjs';
import { goIsAbsent, goMutex } from './go.mjs';

/** Node-style, and without types: its class is not an ES module's default. */
const { default: Microlock } = createRequire(import.meta.url)('microlock');

const TTL = 10_000;

/** Where a library does not wait, its user asks again after so long. */
const ASK_AGAIN = 50;

/**
 * @typedef {object} Peer
 * @property {(key: string) => Promise<() => Promise<unknown>>} take waits until it is ours; resolves to what gives it back
 * @property {(told: () => void) => void} [onLost] the word that the lock taken last is lost: the library's own, or the failure of a renewal by hand where it does not renew
 * @property {() => Promise<void>} close
 */

/** Those that others are compared with. */
export const RXLOCK = 'rxlock, etcd v3';
export const GO = 'Go Mutex';

/**
 * `server`: etcd, redis, redis-always (each write on disk before it is answered), none. `waits`: how who waits learns
 * that it is its turn. `commands`: what it sends to Redis, as opposed to what its scripts call there. `hasNoQueue`: there is nothing to wait in.
 *
 * @type {Readonly<Record<string, { server: string, waits: string, open: (url: string, options?: { ttl: number }) => Promise<Peer> | Peer, hasNoQueue?: boolean, isAbsent?: () => string | undefined, commands?: readonly string[] }>>}
 */
export const PEERS = {
  [RXLOCK]: {
    server: 'etcd',
    waits: 'watch, in order',
    open: (url, options) => ofLocks(etcd3Backend({ hosts: url }), options),
  },
  'rxlock, etcd v2': {
    server: 'etcd',
    waits: 'watch',
    open: (url, options) => ofLocks(nodeEtcdBackend(new Etcd(url)), options),
  },
  'rxlock, memory': { server: 'none', waits: 'in order', open: (_, options) => ofLocks(memoryBackend(), options) },
  'bare grpc-js': { server: 'etcd', waits: '', hasNoQueue: true, open: bare },
  [GO]: { server: 'etcd', waits: 'watch, in order', open: goMutex, isAbsent: goIsAbsent },
  'etcd3 Lock': { server: 'etcd', waits: `asks every ${ASK_AGAIN} ms`, open: etcd3Lock },
  microlock: { server: 'etcd', waits: 'event, or asks', open: microlock },
  'redis-semaphore': {
    server: 'redis',
    waits: 'asks every 10 ms',
    open: redisSemaphore,
    commands: ['set', 'eval', 'evalsha'],
  },
  'redis-semaphore, fsync': {
    server: 'redis-always',
    waits: 'asks every 10 ms',
    open: redisSemaphore,
    commands: ['set', 'eval', 'evalsha'],
  },
  redlock: { server: 'redis', waits: 'asks every 100 to 300 ms', open: redlock, commands: ['eval', 'evalsha'] },
  'redlock, fsync': {
    server: 'redis-always',
    waits: 'asks every 100 to 300 ms',
    open: redlock,
    commands: ['eval', 'evalsha'],
  },
};

/** What is compared only with rxlock itself. */
export const VARIANTS = {
  'rxlock, whole queue': {
    server: 'etcd',
    waits: 'watch of the whole queue, in order',
    open: (url, options) => ofLocks({ ...etcd3Backend({ hosts: url }), near: Infinity }, options),
  },
};

function ofLocks(backend, { ttl = TTL } = {}) {
  const locks = createLocks(backend, { ttl });
  let last;
  return {
    async take(key) {
      const held = await locks.mutex(key).acquire();
      last = held;
      return () => held.release();
    },
    onLost: (told) => last.signal.addEventListener('abort', told),
    close: () => locks.close(),
  };
}

async function bare(url) {
  const { cycle, close } = await bareGrpc(url);
  return {
    // A cycle is two transactions and knows no lock in between.
    take: async (key) => () => cycle(key),
    close,
  };
}

function etcd3Lock(url, { ttl = TTL } = {}) {
  const client = new Etcd3({ hosts: url });
  let last;
  return {
    async take(key) {
      for (;;) {
        const lock = client.lock(key).ttl(ttl / 1000);
        try {
          await lock.acquire();
          last = lock;
          return () => lock.release();
        } catch (error) {
          if (error.constructor.name !== 'EtcdLockFailedError') throw error;
          await pause(ASK_AGAIN * (0.5 + Math.random()));
        }
      }
    },
    // Its lease is private: the event is the only word of a loss that there is.
    onLost: (told) => last.lease?.on('lost', told),
    close: async () => client.close(),
  };
}

function microlock(url, { ttl = TTL } = {}) {
  const etcd = new Etcd(url);
  let clients = 0;
  let last;
  return {
    async take(key) {
      clients += 1;
      const lock = new Microlock(etcd, key, `${process.pid}-${clients}`, ttl / 1000);
      lock.on('error', () => undefined);
      for (;;) {
        try {
          await lock.lock();
          last = lock;
          return async () => {
            await lock.unlock();
            lock.destroy();
          };
        } catch (error) {
          if (error.constructor.name !== 'AlreadyLockedError') throw error;
          // It does not learn of every unlock, so its users come back after a while.
          await pause(ASK_AGAIN * (0.5 + Math.random()));
        }
      }
    },
    onLost: (told) => renewedByHand(ttl, () => last.renew(), told),
    close: async () => undefined,
  };
}

/** By a careful user of a library that does not renew. */
function renewedByHand(ttl, renew, told) {
  const timer = setInterval(() => {
    Promise.resolve(renew()).catch(() => {
      clearInterval(timer);
      told();
    });
  }, ttl / 3);
}

function redisSemaphore(url, { ttl = TTL } = {}) {
  const redis = new Redis(url);
  redis.on('error', () => undefined);
  let isTold = () => undefined;
  return {
    async take(key) {
      const mutex = new Mutex(redis, key, { lockTimeout: ttl, acquireTimeout: 600_000, onLockLost: () => isTold() });
      await mutex.acquire();
      return () => mutex.release();
    },
    onLost(told) {
      isTold = told;
    },
    close: async () => redis.disconnect(),
  };
}

function redlock(url, { ttl = TTL } = {}) {
  const redis = new Redis(url);
  redis.on('error', () => undefined);
  const locks = new Redlock([redis], { retryCount: -1 });
  locks.on('clientError', () => undefined);
  let last;
  return {
    async take(key) {
      const lock = await locks.lock(key, ttl);
      last = lock;
      return () => lock.unlock();
    },
    onLost: (told) => renewedByHand(ttl, () => last.extend(ttl), told),
    close: async () => redis.disconnect(),
  };
}
