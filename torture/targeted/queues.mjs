/**
 * Queues and what is written there: who is in, who is before whom, and what goes when.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { PENDING, TTL, deletes, puts, queuedIn, until, within } from './stage.mjs';

/** A request that arrives when its client has given up, and has been told that it is withdrawn. */
const late = (keysOf, acquired) => async (stage) => {
  const keys = keysOf(stage.root);
  const aborter = new AbortController();
  let arrive;
  let isWithdrawn = false;
  const client = stage.intercepted(async (request, send) => {
    if (!arrive && puts(request, keys[0]) && !deletes(request)) {
      arrive = send;
      aborter.abort(new Error('given up'));
      throw new Error('14 UNAVAILABLE: the answer was lost');
    }
    if (!arrive || !deletes(request)) return send();
    const answer = await send();
    isWithdrawn = true;
    return answer;
  });
  const locks = stage.locks(client);
  await locks.mutex(`${stage.root}/warm`).acquire();
  await within(5000, acquired(locks, keys, { signal: aborter.signal }));
  if (!arrive || !(await until(() => isWithdrawn))) throw new Error('nothing was withdrawn');
  await within(1000, arrive());
  const left = (await Promise.all(keys.map((key) => stage.keysBelow(key)))).flat();
  return left.length > 0 ? `a claim came in after it had been withdrawn: ${left.join(', ')}` : undefined;
};

export const QUEUES = {
  'a claim that comes after its withdrawal': late(
    (root) => [`${root}/a`],
    (locks, [key], options) => locks.mutex(key).acquire(options),
  ),

  'claims that come after their withdrawal': late(
    (root) => [`${root}/a`, `${root}/b`],
    (locks, keys, options) => locks.all(...keys.map((key) => locks.mutex(key))).acquire(options),
  ),

  'a queue beyond one answer': async (stage) => {
    const key = `${stage.root}/a`;
    const locks = stage.locks();
    await locks.mutex(`${stage.root}/warm`).acquire();
    await stage.direct.put(`${key}/somebody`).value('');
    // Behind all claims of ours, which begin with a digit of the lease, and before that of somebody.
    for (let i = 0; i < 25; i += 1) {
      const puts = Array.from({ length: 100 }, (_, j) => ({
        request_put: { key: Buffer.from(`${key}/nested/${100 * i + j}`), value: Buffer.of() },
      }));
      await stage.direct.kv.txn({ success: puts });
    }
    const held = await within(500, locks.mutex(key).acquire());
    return held === PENDING ? undefined : 'it was held although somebody was before it';
  },

  "somebody else's claim": async (stage) => {
    const key = `${stage.root}/a`;
    const locks = stage.locks();
    const held = await locks.mutex(key).acquire();
    const [mine] = await stage.keysBelow(key);
    const lost = new Promise((resolve) => held.signal.addEventListener('abort', resolve, { once: true }));
    // In one step, so that nothing is to be seen in between.
    const { kv } = stage.direct;
    await kv.deleteRange({ key: Buffer.from(mine) });
    await stage.direct.put(mine).value('somebody');
    await within(TTL, lost);
    await held.release().catch(NOT_OURS_ANY_MORE);
    await pause(300);
    return (await stage.keysBelow(key)).length === 0 ? 'the claim of somebody else was deleted' : undefined;
  },

  'a semaphore that is asked for': async (stage) => {
    const key = `${stage.root}/a`;
    const [a, b, c, asking] = Array.from({ length: 4 }, () => stage.locks());
    const first = await a.semaphore(key, 2).acquire();
    const second = await b.semaphore(key, 2).acquire();
    const queued = queuedIn(c);
    const third = c.semaphore(key, 2).acquire();
    await queued;
    const { fencingToken } = first;
    // It goes on until the first gives its place back.
    const asked = within(3 * TTL, asking.semaphore(key, 2).revoke({ reason: REASON, within: 60_000, fencingToken }));
    await until(async () => JSON.stringify(await stage.direct.getAll().prefix(`${key}/`).strings()).includes(REASON));
    await second.release();
    const held = await within(TTL / 2, third);
    if (!first.isHeld()) return 'who was only asked for its place lost it';
    await first.release();
    await asked;
    return held === PENDING ? 'a place of a semaphore was free, and the next in line did not get it' : undefined;
  },

  'a semaphore of others': async (stage) => {
    const key = `${stage.root}/a`;
    const value = JSON.stringify({ owner: 'somebody', kind: 'semaphore', permits: 1e99 });
    // On a lease: a claim without one is a mutex, whatever it says.
    const { ID } = await stage.direct.leaseClient.leaseGrant({ TTL: '60' });
    await stage.direct.put(`${key}/somebody`).value(value).lease(ID);
    const tried = await stage
      .locks()
      .semaphore(key, 2)
      .acquire({ wait: 0 })
      .catch(({ code }) => code);
    return tried === 'ALREADY_LOCKED' ? undefined : 'it was held beside one whose permits cannot be';
  },

  'two sessions on one backend': async (stage) => {
    const first = stage.locks();
    const second = stage.createLocks(first.backend, { ttl: TTL });
    const mine = await second.mutex(`${stage.root}/mine`).acquire();
    await first.mutex(`${stage.root}/theirs`).acquire();
    const [theirs] = await stage.keysBelow(`${stage.root}/theirs`);
    const ID = BigInt(`0x${theirs.slice(theirs.lastIndexOf('/') + 1).split('-')[0]}`).toString();
    await stage.direct.leaseClient.leaseRevoke({ ID });
    const crowd = Array.from({ length: 16 }, (_, i) =>
      (i % 2 === 0 ? first : second).mutex(`${stage.root}/${i}`).acquire({ wait: TTL }),
    );
    await Promise.all(crowd.map((each) => within(TTL, each)));
    const isHeld = mine.isHeld();
    await second.close();
    return isHeld ? undefined : 'a lock was lost with the lease of another';
  },

  'the order of one process': async (stage) => {
    const locks = stage.locks();
    const held = [];
    for (let round = 0; round < 3; round += 1) {
      const lock = locks.mutex(`${stage.root}/${round}`);
      await Promise.all(Array.from({ length: 30 }, (_, i) => lock.use(async () => void held.push(30 * round + i))));
    }
    const isInOrder = held.every((each, i) => each === i);
    return isInOrder ? undefined : `served in the order ${held.slice(0, 12).join(', ')} …`;
  },

  'tries beside each other': async (stage) => {
    const [a, b, c] = ['a', 'b', 'c'].map((owner) => stage.locks(stage.url, { owner }));
    const lock = (locks) => locks.mutex(`${stage.root}/a`);
    const holders = new Set();
    const named = new Map();
    const trying = async (locks, owner) => {
      for (let i = 0; i < 60; i += 1) {
        const held = await lock(locks)
          .acquire({ wait: 0 })
          .catch((error) => error);
        if (held.code === 'ALREADY_LOCKED') for (const each of held.holders) named.set(each.fencingToken, owner);
        else if (held.code !== undefined) throw held;
        else {
          holders.add(held.fencingToken);
          await held.release();
        }
      }
    };
    await Promise.all([trying(a, 'a'), trying(b, 'b'), trying(c, 'c')]);
    const mistaken = [...named.keys()].filter((token) => !holders.has(token));
    return mistaken.length > 0 ? `${mistaken.length} refusals named somebody who never held` : undefined;
  },
};

const REASON = 'the host is being drained';

const NOT_OURS_ANY_MORE = (error) => {
  if (error.code !== 'LOCK_NOT_OWNED') throw error;
};
