import { setTimeout as pause } from 'node:timers/promises';
import { PEERS } from '../contenders/peers.mjs';
import { interleaved, row } from '../measure.mjs';
import { startProxy } from '../proxy.mjs';
import { serversFor } from '../servers.mjs';

export const title = 'Loss: a holder whose network falls silent, and another one that waits; ttl 3 s';
export const server = false;

const TTL = 3000;

/** From the silence on: who was not told by then is taken for never told. */
const LONGEST = 5 * TTL;

/** What has a queue on a server, and can be asked for its own word of a loss where it has one. */
const CONTENDERS = ['rxlock, etcd v3', 'rxlock, etcd v2', 'etcd3 Lock', 'microlock', 'redis-semaphore', 'redlock'];

export async function run({ quick, progress }) {
  const rounds = quick ? 1 : 5;
  const peers = Object.fromEntries(CONTENDERS.map((name) => [name, PEERS[name]]));
  const { urls, absent, stop } = await serversFor(peers);
  const names = Object.keys(urls);
  const tick = progress(rounds);
  let keys = 0;
  const told = Object.fromEntries(names.map((name) => [name, []]));
  const next = Object.fromEntries(names.map((name) => [name, []]));
  const both = await interleaved(
    [
      {
        name: 'all',
        // All at once: they wait most of the time.
        round: () =>
          Promise.all(
            names.map(async (name) => {
              const { toldAfter, nextAfter } = await lossOf(peers[name], urls[name], `loss/${(keys += 1)}`);
              told[name].push(toldAfter);
              next[name].push(nextAfter);
            }),
          ).then(() => 0),
      },
    ],
    { rounds, warmups: 0, tick },
  );
  void both;
  await stop();

  const windows = Object.fromEntries(
    names.map((name) => [name, told[name].map((after, i) => Math.max(0, after - next[name][i]))]),
  );
  const rows = names.map((name) => ({
    ...row(windows, name),
    note: `told after ${spoken(told[name])}, the next one held after ${spoken(next[name])}`,
  }));
  const worst = Math.max(...windows['rxlock, etcd v3'], ...windows['rxlock, etcd v2']);
  return {
    tables: [{ name: 'two believe that they hold for', unit: 'ms', rows }],
    targets: [{ figure: 'rxlock: two believe that they hold for, at the most, ms', most: 0, value: worst }],
    absent,
  };
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const spoken = (values) => {
  const middle = median(values);
  return middle >= LONGEST ? `more than ${LONGEST / 1000} s, if at all` : `${(middle / 1000).toFixed(2)} s`;
};

/** From the silence on: when the holder was told by its library, and when the next one held. */
async function lossOf({ open }, url, key) {
  const proxy = await startProxy(url);
  const holder = await open(proxy.url, { ttl: TTL });
  const other = await open(url, { ttl: TTL });
  await holder.take(key);
  const told = new Promise((resolve) => {
    holder.onLost(() => resolve(performance.now()));
  });
  const waiting = other.take(key).then((giveBack) => ({ at: performance.now(), giveBack }));
  // It has been renewed once or twice by then, as a lock that is held for long.
  await pause(TTL * (0.8 + 0.4 * Math.random()));
  proxy.silence();
  const from = performance.now();
  const after = (at$) => Promise.race([at$.then((at) => at - from), pause(LONGEST).then(() => LONGEST)]);
  const [toldAfter, nextAfter] = await Promise.all([after(told), after(waiting.then(({ at }) => at))]);
  await waiting.then(({ giveBack }) => giveBack()).catch(() => undefined);
  // The holder stays cut off until this process ends: some fail for good when their connection does.
  await other.close();
  return { toldAfter, nextAfter };
}
