/**
 * What the servers did, in their own order: every change of every key, as told by a watch on each member. The first to
 * tell counts, so that the fall of one member leaves no hole.
 */
import { Etcd3 } from 'etcd3';
import { setTimeout as pause } from 'node:timers/promises';
import { now } from './clock.mjs';
import { transparent } from './policy.mjs';

const AGAIN_AFTER = 200;

/** A watch that nothing is heard of is asked; one that does not answer then is opened again. */
const SILENT_FOR = 3000;

/**
 * @typedef {object} Change
 * @property {number} t when it was first heard of
 * @property {number} revision
 * @property {'put' | 'delete'} type
 * @property {string} key
 * @property {string} value
 * @property {string} created the create_revision; 0 for a delete
 * @property {string} lease
 * @property {number} [era] how often the cluster had been restored by then; revisions are of an era
 */

/**
 * @param {readonly string[]} urls of the members
 * @param {() => object | undefined} auth as npm etcd3 takes it
 */
export function observe(urls, auth) {
  /** @type {Map<string, Change>} */
  const changes = new Map();
  /** What is there now. @type {Map<string, Change>} */
  const present = new Map();
  let stopped = false;
  let latest = 0;
  let era = 0;
  /** The revision that the era began with: what is told up to there was told before. */
  let floor = 0;
  const heard = ({ type, kv }) => {
    const revision = Number(kv.mod_revision);
    const key = kv.key.toString();
    const id = `${era} ${revision} ${key}`;
    latest = Math.max(latest, revision);
    if (changes.has(id)) return;
    const change = {
      t: now(),
      revision,
      type: type === 'Delete' ? 'delete' : 'put',
      key,
      value: kv.value.toString(),
      created: kv.create_revision,
      lease: kv.lease,
    };
    if (revision > floor) changes.set(id, { ...change, ...(era > 0 && { era }) });
    if (change.type === 'put') present.set(key, change);
    else present.delete(key);
  };

  const follow = async (url) => {
    let from = 1;
    let inEra = era;
    while (!stopped) {
      if (inEra !== era) from = 1;
      inEra = era;
      const client = new Etcd3({ hosts: url, auth: auth(), faultHandling: transparent });
      try {
        await watchOnce(client, from, (response) => {
          if (inEra !== era) return;
          if (Number(response.compact_revision) >= from) from = Number(response.compact_revision) + 1;
          for (const event of response.events) {
            heard(event);
            from = Math.max(from, Number(event.kv.mod_revision) + 1);
          }
        });
      } catch {
        // Whatever it was, the next one goes on where this one ended.
      }
      client.close();
      if (!stopped) await pause(AGAIN_AFTER);
    }
  };

  /** Until the stream ends, in whatever way. */
  const watchOnce = async (client, from, onResponse) => {
    const stream = await withinOf(SILENT_FOR, client.watchClient.watch());
    let heardAt = now();
    let checking;
    await new Promise((resolve) => {
      checking = setInterval(() => {
        if (stopped || now() - heardAt > SILENT_FOR) resolve(undefined);
        else stream.write({ progress_request: {} });
      }, SILENT_FOR / 6);
      stream.on('data', (response) => {
        heardAt = now();
        onResponse(response);
        if (response.canceled) resolve(undefined);
      });
      stream.on('error', resolve);
      stream.on('end', resolve);
      stream.write({ create_request: { key: Buffer.of(0), range_end: Buffer.of(0), start_revision: String(from) } });
      stopping.push(resolve);
    }).finally(() => {
      clearInterval(checking);
      stream.cancel();
    });
  };
  const stopping = [];
  const followers = urls.map(follow);

  return {
    /** In the order in which the servers made them. */
    changes: () => [...changes.values()].sort((a, b) => (a.era ?? 0) - (b.era ?? 0) || a.revision - b.revision),
    latest: () => latest,
    present: () => [...present.values()],
    /** To be called while no server runs: they will go on from that revision. */
    restored(revision) {
      era += 1;
      floor = revision;
      latest = revision;
      present.clear();
    },
    async stop() {
      stopped = true;
      for (const stop of stopping) stop();
      await Promise.all(followers);
    },
  };
}

const withinOf = (ms, promise) =>
  Promise.race([
    promise,
    pause(ms, undefined, { ref: false }).then(() => {
      throw new Error(`no answer within ${ms} ms`);
    }),
  ]);
