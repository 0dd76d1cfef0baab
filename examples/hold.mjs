/**
 * Takes one lock and keeps it, to be tried in two terminals on one etcd:
 *
 *   node examples/hold.mjs --hosts http://127.0.0.1:2379 --owner a
 *   node examples/hold.mjs --hosts http://127.0.0.1:2379 --owner b
 *
 * Ctrl-C or SIGTERM gives the lock back at once; after a SIGKILL the next one gets it when the ttl has run out.
 */
import { parseArgs } from 'node:util';
import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: 'http://127.0.0.1:2379' },
    key: { type: 'string', default: 'examples/hold' },
    owner: { type: 'string', default: `pid ${process.pid}` },
    ttl: { type: 'string', default: '10000' },
  },
});

const locks = createLocks(etcd3Backend({ hosts: values.hosts }), { owner: values.owner, ttl: Number(values.ttl) });
const lock = locks.mutex(values.key);
const say = (text) => console.log(`${new Date().toISOString()}  ${text}`);

lock.ownership$().subscribe((state) => {
  if (state.status === 'held')
    say(`seen: held by ${state.holders.map(({ owner }) => owner).join()}, ${state.waiting} waiting`);
  else say(`seen: ${state.status}${state.status === 'unknown' ? `: ${state.cause.message}` : ''}`);
});
lock.lock$().subscribe({
  next: (state) => {
    if (state.status === 'waiting') say(`waiting, ${state.ahead} ahead`);
    else
      say(`HELD by me, fencing token ${state.held.fencingToken}, valid for ${Math.round(state.held.remaining())} ms`);
  },
  error: (error) => say(`${error.name}: ${error.message}`),
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    say(`${signal}: giving back`);
    await locks.close();
    say('gave back');
  });
}
