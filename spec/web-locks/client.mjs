/**
 * A lock manager in a process of its own, on etcd, or in a worker thread, Node's own. What it is asked comes as messages:
 *
 *   { id, op: 'request', prefix, name, options }   -> { id, granted: { name, mode } | null }, then waits for
 *   { id, op: 'settle', isFulfilled }              -> { id, settled: true } or { id, failed: <name of the error> }
 *   { id, op: 'query', prefix }                    -> { id, snapshot } or { id, failed }
 */
import { parentPort } from 'node:worker_threads';

const [, , url] = process.argv;

async function fleetManagers() {
  const { createLocks } = await import('rxlock');
  const { etcd3Backend } = await import('rxlock/etcd3');
  const { createLockManager } = await import('rxlock/web-locks');
  const locks = createLocks(etcd3Backend({ hosts: url }), { ttl: 3000 });
  const managers = new Map();
  return (prefix) => {
    const manager = managers.get(prefix) ?? createLockManager(locks, { prefix });
    managers.set(prefix, manager);
    return manager;
  };
}

const managerOf = parentPort ? () => navigator.locks : await fleetManagers();
const send = (message) => (parentPort ? parentPort.postMessage(message) : process.send(message));
const settling = new Map();

const ops = {
  async request({ id, prefix, name, options }) {
    try {
      await managerOf(prefix).request(name, options, (lock) => {
        send({ id, granted: lock && { name: lock.name, mode: lock.mode } });
        return new Promise((resolve, reject) => settling.set(id, { resolve, reject }));
      });
      send({ id, settled: true });
    } catch (error) {
      send({ id, failed: error.name, message: error.message });
    }
  },
  settle({ id, isFulfilled }) {
    const { resolve, reject } = settling.get(id);
    if (isFulfilled) resolve();
    else reject(new Error('the callback failed'));
  },
  async query({ id, prefix }) {
    try {
      send({ id, snapshot: await managerOf(prefix).query() });
    } catch (error) {
      send({ id, failed: error.name, message: error.message });
    }
  },
};

const told = (message) => void ops[message.op](message);
if (parentPort) parentPort.on('message', told);
else process.on('message', told).on('disconnect', () => process.exit());
send({ ready: true });
