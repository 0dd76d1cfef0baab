/**
 * The backends that the contract is held against, each with the hands of an administrator.
 */
import { Etcd3 } from 'etcd3';
import Etcd from 'node-etcd';
import { lastValueFrom, take } from 'rxjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { nodeEtcdBackend } from '../../src/backends/node-etcd/index.js';
import type { LockBackend, Queue } from '../../src/index.js';
import { behindNetwork } from '../../src/testing/index.js';
import { startEtcd } from '../../scripts/etcd.cjs';
import { ETCDS } from '../support/etcds.js';
import { startGrpcProxy } from '../support/grpc-proxy.js';

/** A server, and what somebody who is no client of rxlock can do to it. */
export interface Server {
  /** Another client's way to it. */
  backend(): LockBackend;
  /** Deletes the claim of whoever holds. */
  deleteHolder(key: string): Promise<void>;
  /** Writes over the claim of whoever holds; not on servers that cannot. */
  overwriteHolder?: ((key: string) => Promise<void>) | undefined;
  stop(): Promise<void>;
}

export interface Contender {
  readonly name: string;
  /** Whether claims queue in the order of their coming across clients. */
  readonly fifo: boolean;
  /** Whether an administrator can write over a claim. */
  readonly overwrites: boolean;
  /** As short as renewals allow, milliseconds: a proxy renews twice a second at the most. */
  readonly ttl: number;
  start(): Promise<Server>;
}

/** The queue of a key as the server has it now. */
export const queueNow = (backend: LockBackend, key: string): Promise<Queue> =>
  lastValueFrom(backend.queue(key, 5000).pipe(take(1)));

/** By itself, or each client over a way where requests overtake each other and answers are late. */
const memoryServer = (jitter = 0): Contender => ({
  name: jitter > 0 ? 'memory over a network' : 'memory',
  fifo: true,
  overwrites: false,
  ttl: 2000,
  start: () => {
    const backend = memoryBackend();
    let seed = 0;
    return Promise.resolve({
      backend: () => (jitter > 0 ? behindNetwork(backend, { jitter, seed: (seed += 1) }).backend : backend),
      async deleteHolder(key) {
        const [holder] = (await queueNow(backend, key)).claims;
        if (!holder) throw new Error(`nobody holds ${key}`);
        const [lease = '', id = ''] = holder.id.split('-');
        const claim = {
          key,
          lease: { id: lease, ttl: 0, owner: '', key: undefined },
          id,
          kind: 'mutex',
          since: new Date(),
          meta: undefined,
        } as const;
        await lastValueFrom(backend.dequeue([claim], [holder], 1000), { defaultValue: undefined });
      },
      stop: () => Promise.resolve(),
    });
  },
});

/** As far apart as two answers of a server in the same data centre may be, and more. */
export const memoryOverNetwork = memoryServer(8);

/** Directly, or with half of the clients behind a proxy and half behind another one. */
const etcdV3 = ({ server, suite }: (typeof ETCDS)[number], proxies = 0): Contender => ({
  name: `etcd v3 of ${server}${proxies > 0 ? ` behind ${String(proxies)} \`etcd grpc-proxy\`` : ''}`,
  fifo: true,
  overwrites: true,
  ttl: proxies > 0 ? 5000 : 2000,
  async start() {
    const etcd = await startEtcd(suite);
    const behind = await Promise.all(Array.from({ length: proxies }, () => startGrpcProxy(etcd.binary, etcd.url)));
    const urls = proxies > 0 ? behind.map(({ url }) => url) : [etcd.url];
    let made = 0;
    const admin = new Etcd3({ hosts: etcd.url });
    const holderKey = async (key: string): Promise<string> => {
      const [first] = await admin.getAll().prefix(`${key}/`).sort('Create', 'Ascend').limit(1).keys();
      if (first === undefined) throw new Error(`nobody holds ${key}`);
      return first;
    };
    return {
      backend: () => etcd3Backend({ hosts: urls[(made += 1) % urls.length] ?? '' }),
      async deleteHolder(key) {
        await admin.delete().key(await holderKey(key));
      },
      async overwriteHolder(key) {
        await admin.put(await holderKey(key)).value('mine now');
      },
      async stop() {
        admin.close();
        await Promise.all(behind.map((proxy) => proxy.stop()));
        await etcd.stop();
      },
    };
  },
});

const etcdV2 = ({ server, suite }: (typeof ETCDS)[number]): Contender => ({
  name: `etcd v2 of ${server}`,
  fifo: false,
  overwrites: true,
  ttl: 2000,
  async start() {
    const etcd = await startEtcd(suite);
    const admin = new Etcd(etcd.url);
    const done = (run: (callback: (error: unknown) => void) => void): Promise<void> =>
      new Promise((resolve, reject) => run((error) => (error instanceof Error ? reject(error) : resolve())));
    return {
      backend: () => nodeEtcdBackend(new Etcd(etcd.url)),
      deleteHolder: (key) => done((callback) => admin.del(key, {}, callback)),
      overwriteHolder: (key) => done((callback) => admin.set(key, 'mine now', { prevExist: true }, callback)),
      stop: () => etcd.stop(),
    };
  },
});

export const CONTENDERS: readonly Contender[] = [
  memoryServer(),
  ...ETCDS.map((etcd) => etcdV3(etcd)),
  ...ETCDS.map((etcd) => etcdV3(etcd, 2)),
  ...ETCDS.map(etcdV2),
];
