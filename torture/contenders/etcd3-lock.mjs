/**
 * The `Lock` of npm etcd3, as its documentation shows it, by a careful user: it has no queue, so whoever finds it taken
 * tries again; it says `lost` by an event of its lease, after which nothing more is done.
 */
import { Etcd3, EtcdError, EtcdLockFailedError, GRPCGenericError } from 'etcd3';
import { Observable, takeWhile } from 'rxjs';
import { setTimeout as pause } from 'node:timers/promises';
import { KINDS } from '../kinds.mjs';

const AGAIN_AFTER = [50, 150];

export function contender({ hosts, auth, ttl, onEvent }) {
  const client = new Etcd3({ hosts, auth });
  return {
    kinds: ['mutex', 'long mutex'].map((name) => ({ name, ...KINDS[name] })),
    forms: ['lock'],
    hold$: ({ keys: [key], onState, options, body }) =>
      new Observable((subscriber) => {
        void contend({ client, key, ttl, onState, onEvent, options, body, subscriber }).catch((error) =>
          subscriber.error(coded(error)),
        );
      }),
    /** There is none: it writes as if nothing could have happened. */
    guard: undefined,
    close: async () => client.close(),
  };
}

/** Errors of the client have no code of their own: whatever no mistake of this file is one of the server or the way. */
function coded(error) {
  if (error instanceof EtcdError || error instanceof GRPCGenericError || /circuit/.test(error?.message)) {
    return Object.assign(error, { code: 'BACKEND' });
  }
  return error;
}

async function contend({ client, key, ttl, onState, onEvent, options, body, subscriber }) {
  const { wait = Infinity, signal } = options;
  const giveUpAt = performance.now() + wait;
  const isOver = () => subscriber.closed || signal?.aborted;
  for (;;) {
    const lock = client.lock(key).ttl(Math.ceil(ttl / 1000));
    try {
      await lock.acquire();
      if (!isOver()) return await hold({ client, key, lock, onState, onEvent, signal, body, subscriber });
      await lock.release();
      return subscriber.error(signal?.reason);
    } catch (error) {
      if (!(error instanceof EtcdLockFailedError)) throw error;
    }
    if (isOver()) return subscriber.error(signal?.reason);
    if (performance.now() >= giveUpAt) throw Object.assign(new Error('taken'), { code: 'LOCK_TIMEOUT' });
    const [low, high] = AGAIN_AFTER;
    await pause(low + Math.random() * (high - low));
  }
}

async function hold({ client, key, lock, onState, onEvent, signal, body, subscriber }) {
  let isLost = false;
  let running;
  const since = performance.now();
  lock.lease.once('lost', () => {
    isLost = true;
    running?.unsubscribe();
    onEvent({ type: 'lost', key, reason: 'expired', held: performance.now() - since });
    subscriber.error(Object.assign(new Error('lost'), { code: 'LOCK_LOST', reason: 'expired' }));
  });
  const { kvs } = await client.kv.range({ key: Buffer.from(key) });
  const held = { key, fencingToken: kvs[0] && BigInt(kvs[0].create_revision), isHeld: () => !isLost };
  if (isLost || subscriber.closed) return;
  onState({ status: 'held', key, held });
  await new Promise((resolve, reject) => {
    running = body(held)
      .pipe(takeWhile(() => held.isHeld()))
      .subscribe({
        next: (value) => subscriber.next(value),
        error: (error) => void lock.release().then(() => reject(error), reject),
        complete: () => void lock.release().then(resolve, reject),
      });
    const stop = () => {
      running.unsubscribe();
      void lock.release().then(() => reject(signal?.reason), reject);
    };
    subscriber.add(() => {
      if (!running.closed) stop();
    });
    signal?.addEventListener('abort', stop, { once: true });
  });
  subscriber.complete();
}
