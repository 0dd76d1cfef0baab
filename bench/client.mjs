/**
 * A client of its own process, for hand-offs between processes: does what it is asked over IPC and answers.
 */
import { rawKv } from './contenders/kv.mjs';
import { rxlock } from './contenders/rxlock.mjs';
import { leaving, queueing } from './contenders/transactions.mjs';
import { answerWith } from './verbs.mjs';

const [url] = process.argv.slice(2);
const { locks, close } = rxlock(url);
const kv = await rawKv(url);

/** Milliseconds on a clock that all processes of a machine share. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

/** Who held when, since it was last asked for. */
let holdings = [];
let waiting = [];
let gate;
let relayed;

const hangUp = (stream) => {
  stream.end();
  stream.cancel();
};

const verbs = {
  /** Holds the lock until `open`. */
  async hold({ key }) {
    gate = await locks.mutex(key).acquire();
  },

  open() {
    const token = Number(gate.fencingToken);
    holdings.push({ token, heldAt: 0, releasedAt: now() });
    void gate.release();
  },

  /** Answers when it is in the queue. Holds so many times, each for no time at all, queueing again in between. */
  queue: ({ key, times }) =>
    new Promise((queued) => {
      waiting.push(
        new Promise((resolve, reject) => {
          const contend = (left) => {
            if (left === 0) return resolve();
            const next = (state) => {
              if (state.status === 'waiting') return queued();
              const { held } = state;
              const heldAt = now();
              const token = Number(held.fencingToken);
              void held.release().catch(reject);
              holdings.push({ token, heldAt, releasedAt: heldAt });
              contend(left - 1);
            };
            locks.mutex(key).lock$().subscribe({ next, error: reject });
          };
          contend(times);
        }),
      );
    }),

  /** Answers who held when, once everybody here has held. */
  async holdings() {
    await Promise.all(waiting);
    const all = holdings;
    holdings = [];
    waiting = [];
    return all;
  },

  /**
   * The baseline: claims by number, of which some are ours, and a watch of all. Whoever has the next one deletes it
   * when it is told that the one before is gone. Answers when all that is in place.
   */
  async relay({ key, mine, total }) {
    const prefix = `${key}/`;
    const claims = new Map();
    for (const number of mine) {
      const queue = queueing(`${prefix}${number}`, kv.lease);
      const { header } = await kv.client.kv.txn(queue.txn);
      claims.set(number, leaving(queue.key, header.revision));
    }
    const sentAt = {};
    const seenAt = {};
    const remove = (number) => {
      if (!claims.has(number)) return undefined;
      sentAt[number] = now();
      return kv.client.kv.txn(claims.get(number));
    };
    const stream = await kv.client.watchClient.watch();
    await new Promise((created) => {
      const seen = new Promise((resolve) => {
        stream.on('data', ({ created: isCreated, events }) => {
          if (isCreated) return created();
          const at = now();
          for (const event of events) {
            if (event.type !== 'Delete') continue;
            const number = Number.parseInt(event.kv.key.toString().slice(prefix.length), 10);
            seenAt[number] = at;
            void remove(number + 1);
            if (number === total - 1) resolve({ sentAt, seenAt });
          }
        });
      });
      relayed = { remove, seen: seen.finally(() => hangUp(stream)) };
      stream.write({ create_request: { key: Buffer.from(prefix), range_end: Buffer.from(`${key}0`) } });
    });
  },
  async start() {
    await relayed.remove(0);
  },
  seen: () => relayed.seen,

  async close() {
    await Promise.all([close(), kv.close()]);
    setImmediate(() => process.disconnect());
  },
};

answerWith(verbs);
