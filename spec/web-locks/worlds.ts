/**
 * Where the scenarios run: in memory, in one process on etcd, in several processes on etcd, and on the lock manager of
 * Node where it has one.
 */
import assert from 'node:assert/strict';
import { startEtcd } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { createLocks } from '../../src/index.js';
import type { LockBackend, Locks } from '../../src/index.js';
import { createLockManager } from '../../src/web-locks/index.js';
import { processOn, workerThread } from './remote.js';
import type { Remote } from './remote.js';
import { deferred } from './scenarios/scenario.js';
import type { Client, GrantedLock, Hold, Manager, Test } from './scenarios/scenario.js';

export interface World {
  readonly name: string;
  start(): Promise<Started>;
}

export interface Started {
  /** A run of a scenario, to be ended. */
  run(): Promise<{ readonly test: Test; end(): Promise<void> }>;
  stop(): Promise<void>;
}

/** How a world makes its managers. Each run has a prefix of its own. */
interface Clients {
  here(prefix: string): Manager;
  there(prefix: string): Manager;
  client(prefix: string): Promise<Client>;
  stop(): Promise<void>;
}

let runs = 0;

function startedWith({ here, there, client, stop }: Clients, ordersNames: boolean): Started {
  return {
    run() {
      const run = (runs += 1);
      const prefix = `web-locks/${String(run)}/`;
      const [ours, theirs] = [here(prefix), there(prefix)];
      const holds: Hold[] = [];
      const clients: Client[] = [];
      let names = 0;
      const test: Test = {
        here: ours,
        there: theirs,
        async client() {
          const made = await client(prefix);
          clients.push(made);
          return made;
        },
        name: (label = 'name') => `${label} ${String(run)}.${String((names += 1))}`,
        hold(manager, name, options = {}) {
          const granted = deferred();
          const { promise, resolve } = deferred();
          const done = manager.request(name, options, (lock: GrantedLock | null) => {
            granted.resolve(lock);
            return promise;
          });
          // Scenarios leave locks held; how those end is looked at by who asks for it.
          done.catch(() => undefined);
          const hold = { granted: granted.promise as Hold['granted'], done, release: resolve };
          holds.push(hold);
          return hold;
        },
        async inOrder(managers, ask) {
          const requests: Promise<unknown>[] = [];
          for (const [i, manager] of managers.entries()) {
            requests.push(ask(manager, i));
            // What is asked of different managers is in order once it is known to be there.
            if (ours !== theirs) await manager.query();
          }
          return { requests };
        },
        grantedInOrder(actual, expected) {
          const sorted = (list: readonly string[]): readonly string[] =>
            ordersNames ? list : [...list].sort((a, b) => a.charCodeAt(0) - b.charCodeAt(0));
          assert.deepEqual(sorted(actual), sorted(expected));
        },
      };
      return Promise.resolve({
        test,
        async end() {
          for (const hold of holds) hold.release();
          for (const made of clients) await made.terminate();
        },
      });
    },
    stop,
  };
}

const clientOn = (backend: () => LockBackend) => (prefix: string) => {
  const locks = createLocks(backend());
  const { request, query } = createLockManager(locks, { prefix });
  return Promise.resolve({ request, query, terminate: () => locks.close() } as Client);
};

/** The same manager here and there. */
const sameOf = (locks: Locks) => {
  const managers = new Map<string, Manager>();
  const manager = (prefix: string): Manager => {
    const made = managers.get(prefix) ?? createLockManager(locks, { prefix });
    managers.set(prefix, made);
    return made;
  };
  return { here: manager, there: manager };
};

const memory: World = {
  name: 'memory',
  start() {
    const backend = memoryBackend();
    const locks = createLocks(backend);
    return Promise.resolve(
      startedWith({ ...sameOf(locks), client: clientOn(() => backend), stop: () => locks.close() }, true),
    );
  },
};

/** Set to see how often even requests for different names are granted in order, which nothing promises there. */
const isStrict = process.env['STRICT'] === '1';

const oneProcess: World = {
  name: 'one process on etcd',
  async start() {
    const etcd = await startEtcd();
    const backend = (): LockBackend => etcd3Backend({ hosts: etcd.url });
    const locks = createLocks(backend());
    const stop = async (): Promise<void> => {
      await locks.close();
      await etcd.stop();
    };
    return startedWith({ ...sameOf(locks), client: clientOn(backend), stop }, isStrict);
  },
};

const severalProcesses: World = {
  name: 'several processes on etcd',
  async start() {
    const etcd = await startEtcd();
    const locks = createLocks(etcd3Backend({ hosts: etcd.url }));
    const other = await processOn(etcd.url);
    const clients: Clients = {
      here: (prefix) => createLockManager(locks, { prefix }),
      there: (prefix) => other.manager(prefix),
      client: async (prefix) => (await processOn(etcd.url)).manager(prefix),
      async stop() {
        await locks.close();
        await other.terminate();
        await etcd.stop();
      },
    };
    return startedWith(clients, isStrict);
  },
};

const navigatorOfNode = (manager: Manager): World => ({
  name: `navigator.locks of Node ${process.version}`,
  start() {
    const bound: Manager = {
      request: (...given) => manager.request(...given),
      query: () => manager.query(),
    };
    const client = async (): Promise<Client> => (await workerThread()).manager('');
    return Promise.resolve(
      startedWith({ here: () => bound, there: () => bound, client, stop: () => Promise.resolve() }, true),
    );
  },
});

/** Node has it from 24 on. */
function locksOfNode(): Manager | undefined {
  const navigator: unknown = Reflect.get(globalThis, 'navigator');
  if (typeof navigator !== 'object' || navigator === null || !('locks' in navigator)) return undefined;
  return navigator.locks as Manager;
}

const native = locksOfNode();

const FLEETS: readonly World[] = [memory, oneProcess, severalProcesses];
export const WORLDS: readonly World[] = native ? [...FLEETS, navigatorOfNode(native)] : FLEETS;
export type { Remote };
