/**
 * Holds a lock, blocks its event loop for a while, and says what it was told then: a line each.
 *
 *   node holder.mjs <hosts> <key> <options as JSON> <milliseconds to block>
 */
import { firstValueFrom } from 'rxjs';
import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';

const [hosts, key, options, blockFor] = process.argv.slice(2);
const { auth, ...locksOptions } = JSON.parse(options);
const locks = createLocks(etcd3Backend({ hosts, auth }), { owner: 'blocked', ...locksOptions });
locks.events$.subscribe(({ type, message, reason }) => {
  if (type === 'note') console.log(`note: ${message}`);
  if (type === 'lost') console.log(`lost: ${reason}`);
});

const held = await locks.mutex(key).acquire();
// The worker has started by then, and a renewal is on its way or has been answered.
await firstValueFrom(held.renewals$);
console.log('blocked');

// Without work for a core: several of these run at the same time.
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(blockFor));

console.log(`holds: ${held.isHeld()}`);
const goesOn = await new Promise((resolve) => {
  const answer = (does) => () => resolve(does);
  held.renewals$.subscribe({ next: answer(true), error: answer(false), complete: answer(false) });
});
console.log(`goes on: ${goesOn}`);
await locks.close();
