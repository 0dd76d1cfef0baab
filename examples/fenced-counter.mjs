/**
 * A counter in etcd, incremented under a lock, and a holder that is put to sleep between its read and its write. No lock
 * can wake it in time; etcd itself refuses the write that comes too late, where it is guarded.
 *
 *   node examples/fenced-counter.mjs [--hosts http://127.0.0.1:2379]
 *
 * Without --hosts it starts an etcd of its own. Ends with 1 if a guarded update was lost.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Etcd3 } from 'etcd3';
import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';

const { values } = parseArgs({
  options: { hosts: { type: 'string' }, sleeper: { type: 'boolean', default: false } },
});
// Not below the name of the lock: what lies there is its queue.
const LOCK = 'examples/counter-lock';
const PLAIN = 'examples/counter/plain';
const GUARDED = 'examples/counter/guarded';
const TIMES = 3;

const started = values.hosts ? undefined : await createRequire(import.meta.url)('../scripts/etcd.cjs').startEtcd();
const hosts = values.hosts ?? started.url;
const client = new Etcd3({ hosts });
const backend = etcd3Backend({ hosts });
const locks = createLocks(backend, { ttl: 2000 });
locks.events$.subscribe(({ type }) => type === 'lost' && say('is told that its lock is lost'));

const say = (text) => console.log(`${values.sleeper ? 'the sleeper ' : 'the other one'}  ${text}`);

/** Adds 1 to both counters, and says whether the guarded one took it. Between read and write it does what it is given. */
async function increment(held, between = () => undefined) {
  // Before the read: what is written was read under this very lock.
  const guard = await backend.guard(held);
  const read = async (key) => Number((await client.get(key).string()) ?? 0);
  const [plain, guarded] = [await read(PLAIN), await read(GUARDED)];
  await between();
  await client.put(PLAIN).value(plain + 1);
  const write = client.put(GUARDED).value(guarded + 1);
  const { succeeded } = await client
    .if(...guard)
    .then(write)
    .commit();
  return succeeded;
}

async function sleeper() {
  const held = await locks.mutex(LOCK).acquire();
  const isTaken = await increment(held, async () => {
    say('holds the lock, has read both counters, and is stopped');
    process.send('stop me');
    await once(process, 'message');
  });
  say(`goes on where it was; the plain write is done, the guarded one ${isTaken ? 'too' : 'is refused'}`);
  await locks.close();
  client.close();
  process.disconnect();
}

async function other() {
  await client.delete().prefix('examples/counter/');
  const child = fork(fileURLToPath(import.meta.url), ['--sleeper', '--hosts', hosts]);
  await once(child, 'message');
  child.kill('SIGSTOP');
  for (let i = 0; i < TIMES; i += 1) {
    const isTaken = await locks.mutex(LOCK).use((held) => increment(held));
    say(`has the lock, and adds 1 to both${isTaken ? '' : ': refused'}`);
  }
  child.send('go on');
  child.kill('SIGCONT');
  await once(child, 'exit');

  const counted = async (key) => Number(await client.get(key).string());
  const [plain, guarded] = [await counted(PLAIN), await counted(GUARDED)];
  say(`counted ${TIMES}; the plain counter says ${plain}, the guarded one ${guarded}`);
  if (guarded !== TIMES) process.exitCode = 1;
  await locks.close();
  client.close();
  await started?.stop();
}

await (values.sleeper ? sleeper() : other());
