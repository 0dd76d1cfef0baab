/**
 * One process of the mixed fleet: increments a counter in a file under a lock, until it has reached its goal.
 *
 *   node fleet-worker.mjs --of rxlock --name r1 --hosts http://127.0.0.1:2379 --folder /tmp/x --goal 300 --ttl 2
 *
 * The counter is read, kept for a moment, and written: two at a time would lose updates. What is done is noted in a
 * journal, a line at a time. With `--stall 20` it stops in the middle of its 20th increment, holding the lock.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Etcd from 'node-etcd';
import { createLocks } from 'rxlock';
import { nodeEtcdBackend } from 'rxlock/node-etcd';

const { values } = parseArgs({
  options: {
    of: { type: 'string' },
    name: { type: 'string' },
    hosts: { type: 'string' },
    folder: { type: 'string' },
    goal: { type: 'string' },
    ttl: { type: 'string' },
    stall: { type: 'string', default: '0' },
  },
});
const KEY = 'fleet/counter';
const etcd = new Etcd(values.hosts);
const ttl = Number(values.ttl);
const goal = Number(values.goal);
const counter = join(values.folder, 'counter');
const journal = (what) =>
  appendFileSync(join(values.folder, 'journal'), `${JSON.stringify({ by: values.name, ...what })}\n`);

/** Who takes the lock, does the work under it, and gives it back; says whether it got it. */
const ways = {
  rxlock() {
    const lock = createLocks(nodeEtcdBackend(etcd), { ttl: ttl * 1000, owner: values.name }).mutex(KEY);
    return (work) => lock.use((held) => work(held.fencingToken.toString()));
  },
  microlock() {
    const { default: Microlock, AlreadyLockedError } = createRequire(import.meta.url)('microlock');
    const lock = new Microlock(etcd, KEY, values.name, ttl);
    lock.on('error', () => {});
    return async (work) => {
      try {
        await lock.lock();
      } catch (error) {
        if (!(error instanceof AlreadyLockedError)) throw error;
        // It never learns of a crash, so its users come back after a while.
        return pause(10 + Math.random() * 40);
      }
      await work();
      await lock.unlock();
    };
  },
};

const locked = ways[values.of]();
let increments = 0;
let last = 0;
const work = async (token) => {
  last = Number(readFileSync(counter, 'utf8'));
  if (last >= goal) return;
  journal({ read: last, token });
  console.log('in');
  await pause(2);
  if (increments + 1 === Number(values.stall)) {
    console.log('stalled');
    await new Promise((resolve) => setTimeout(resolve, 2 ** 30));
  }
  last += 1;
  writeFileSync(counter, String(last));
  journal({ wrote: last });
  increments += 1;
};

while (last < goal) await locked(work);
console.log('done');
process.exit();
