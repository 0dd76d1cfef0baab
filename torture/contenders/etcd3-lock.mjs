/**
 * The `Lock` of npm etcd3, as its documentation shows it, by a careful user: it has no queue, so whoever finds it taken
 * tries again; it says `lost` by an event of its lease, after which nothing more is done.
 */
import { Etcd3, EtcdLockFailedError } from 'etcd3';
import { Observable, takeWhile } from 'rxjs';
import { setTimeout as pause } from 'node:timers/promises';
import { KINDS } from '../kinds.mjs';
import { OWNERS } from '../names.mjs';

const ANSWERED_WITHIN = 3000;
const AGAIN_AFTER = [50, 150];

export function contender({ hosts, auth, ttl, owner, onEvent }) {
  const client = new Etcd3({
    hosts,
    auth,
    // By itself a call to a server that hangs has no end; this is how its documentation gives it one.
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + ANSWERED_WITHIN }),
  });
  return {
    kinds: ['mutex', 'long mutex'].map((name) => ({ name, ...KINDS[name] })),
    forms: ['lock'],
    hold$: ({ keys: [key], onState, options, body }) =>
      new Observable((subscriber) => {
        void contend({ client, key, ttl, owner, onState, onEvent, options, body, subscriber }).catch((error) =>
          subscriber.error(error),
        );
      }),
    /** There is none: it writes as if nothing could have happened. */
    guard: undefined,
    close: async () => client.close(),
  };
}

/** What the client answers; its errors have no code of their own, so they get the one of ours that says the same. */
const asked = (answer) =>
  answer.catch((error) => {
    throw error instanceof EtcdLockFailedError ? error : Object.assign(error, { code: 'BACKEND' });
  });

async function contend({ options, ...given }) {
  const { client, key, ttl, subscriber } = given;
  const { wait = Infinity, signal } = options;
  const giveUpAt = performance.now() + wait;
  const isOver = () => subscriber.closed || signal?.aborted;
  for (;;) {
    const lock = client.lock(key).ttl(Math.ceil(ttl / 1000));
    try {
      await asked(lock.acquire());
    } catch (error) {
      if (!(error instanceof EtcdLockFailedError)) {
        // It may have got it all the same, or its lease alone, which would be kept alive for ever.
        await lock.release().catch(() => undefined);
        throw error;
      }
      if (isOver()) return subscriber.error(signal?.reason);
      if (performance.now() >= giveUpAt) throw Object.assign(new Error('taken'), { code: 'LOCK_TIMEOUT' });
      const [low, high] = AGAIN_AFTER;
      await pause(low + Math.random() * (high - low));
      continue;
    }
    if (!isOver()) return hold({ ...given, lock, signal });
    await asked(lock.release());
    return subscriber.error(signal?.reason);
  }
}

async function hold({ client, key, lock, owner, onState, onEvent, signal, body, subscriber }) {
  let isLost = false;
  let running;
  const since = performance.now();
  lock.lease.once('lost', () => {
    isLost = true;
    running?.unsubscribe();
    onEvent({ type: 'lost', key, reason: 'expired', held: performance.now() - since });
    subscriber.error(Object.assign(new Error('lost'), { code: 'LOCK_LOST', reason: 'expired' }));
  });
  try {
    // Its claim has no value, and faults are to meet holders.
    await asked(lock.lease.put(`${OWNERS}${key}`).value(owner));
    const { kvs } = await asked(client.kv.range({ key: Buffer.from(key) }));
    const held = { key, fencingToken: kvs[0] && BigInt(kvs[0].create_revision), isHeld: () => !isLost };
    if (isLost || subscriber.closed || signal?.aborted) throw signal?.reason;
    onState({ status: 'held', key, held });
    await new Promise((resolve, reject) => {
      const stop = () => {
        running?.unsubscribe();
        reject(signal?.reason);
      };
      subscriber.add(stop);
      signal?.addEventListener('abort', stop, { once: true });
      running = body(held)
        .pipe(takeWhile(() => held.isHeld()))
        .subscribe({ next: (value) => subscriber.next(value), error: reject, complete: resolve });
    });
  } finally {
    await asked(lock.release());
  }
  subscriber.complete();
}
