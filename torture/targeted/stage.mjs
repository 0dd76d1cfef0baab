/**
 * What a scenario plays on: a server, clients of the engine that is tried, and ways to come between them.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Etcd3 } from 'etcd3';
import { Link, openDoor } from '../links.mjs';
import { transparent } from '../policy.mjs';

const load = createRequire(import.meta.url);
const { startEtcd } = load('../../scripts/etcd.cjs');
const { startProxy } = load('../../scripts/etcd-proxy.cjs');

export const TTL = 3000;

/** What a promise is while it is not settled. */
export const PENDING = Symbol('pending');

/**
 * @param {{ engine: string, url: string, name: string }} given
 */
export async function createStage({ engine, url, name }) {
  const at = (path) => pathToFileURL(join(engine, path)).href;
  const { createLocks } = await import(at('index.js'));
  const { etcd3Backend } = await import(at('backends/etcd3/index.js'));
  const closing = [];
  const direct = new Etcd3({ hosts: url, faultHandling: transparent });
  closing.push(() => direct.close());

  return {
    url,
    direct,
    /** Nobody else uses keys below it. */
    root: `targeted/${name.replaceAll(' ', '-')}-${process.pid}`,
    etcd3Backend,
    createLocks,
    /** A client of the engine. */
    locks(hosts = url, options = {}) {
      const backend = etcd3Backend(hosts instanceof Etcd3 ? hosts : { hosts });
      const locks = createLocks(backend, { ttl: TTL, ...options });
      closing.push(() => within(2000, locks.close()));
      return Object.assign(Object.create(locks), { backend });
    },
    /** A client of npm etcd3 whose transactions can be kept back, or answered otherwise. */
    intercepted(intercept, hosts = url) {
      const client = new Etcd3({ hosts, faultHandling: transparent });
      closing.push(() => client.close());
      const txn = client.kv.txn.bind(client.kv);
      client.kv.txn = (request, ...rest) => intercept(request, () => txn(request, ...rest));
      return client;
    },
    /** A way to a server that can be troubled. */
    async door(to = url) {
      const link = new Link();
      const door = await openDoor({
        port: Number(new URL(to).port),
        name: 'server',
        linkOf: () => ({ link, from: 'client' }),
      });
      closing.push(() => door.close());
      return { link, url: `http://127.0.0.1:${door.port}` };
    },
    /** A server of its own. */
    async etcd(flags) {
      const etcd = await startEtcd(undefined, flags);
      closing.push(() => etcd.stop());
      return etcd;
    },
    async proxy(to = url) {
      const proxy = await startProxy([to]);
      closing.push(() => proxy.kill());
      return proxy.url;
    },
    client(options) {
      const client = new Etcd3({ faultHandling: transparent, ...options });
      closing.push(() => client.close());
      return client;
    },
    /** Keys below a name that are claims. */
    async keysBelow(key, client = direct) {
      const keys = await client.getAll().prefix(`${key}/`).keys();
      return keys.filter((each) => !each.includes('\0'));
    },
    async close() {
      for (const each of closing.reverse()) await each();
    },
  };
}

/** What it resolves to, an error that it rejects with, or `PENDING`. */
export const within = (ms, promise) =>
  Promise.race([promise.catch((error) => error), pause(ms, PENDING, { ref: false })]);

/** Until it is so, or for that long; whether it came to be so. */
export async function until(isSo, ms = 5000) {
  const giveUpAt = performance.now() + ms;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) return false;
    await pause(10);
  }
  return true;
}

/** A contender of these locks has entered a queue behind others. Ask before it contends. */
export const queuedIn = (locks) =>
  new Promise((resolve) => {
    const events = locks.events$.subscribe(({ type }) => {
      if (type !== 'queued') return;
      resolve(undefined);
      events.unsubscribe();
    });
  });

/** Whether a transaction, or one nested in it, deletes. */
export const deletes = (request) => JSON.stringify(request, bytesAsText).includes('request_delete_range');

/** Whether it puts something below a name. */
export const puts = (request, key) =>
  operationsOf(request).some(({ request_put: put }) => put?.key.toString().startsWith(`${key}/`));

const operationsOf = ({ success = [] }) =>
  success.flatMap((operation) => (operation.request_txn ? operationsOf(operation.request_txn) : [operation]));

const bytesAsText = (_, value) => (typeof value === 'bigint' ? String(value) : value);
