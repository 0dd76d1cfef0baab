import { setTimeout as after } from 'node:timers/promises';
import { bareGrpc } from '../contenders/grpc.mjs';
import { etcd3Lock } from '../contenders/etcd3-lock.mjs';
import { rawKv } from '../contenders/kv.mjs';
import { rxlock } from '../contenders/rxlock.mjs';
import { queueing } from '../contenders/transactions.mjs';
import { inFlight, interleaved, row, summary, timed } from '../measure.mjs';
import { counted, watchesOf } from '../metrics.mjs';

export const title = 'Held: 1,000 and 10,000 locks in one process';

const SIZES = [1000, 10_000];
/** Of requests that are not collected into groups: etcd refuses more than 5,000 that wait to be applied. */
const AT_ONCE = 2000;
const TTL = 9000;

export async function run({ url, quick, progress }) {
  const tick = progress(SIZES.length * (quick ? 2 * 2 : 5 * 3));
  const all = [];
  for (const size of quick ? SIZES.slice(1) : SIZES) all.push(await held({ url, quick, tick, size }));
  return { tables: all.flatMap(({ tables }) => tables), targets: all.at(-1).targets };
}

async function held({ url, quick, tick, size }) {
  const rounds = quick ? 1 : 4;
  /** From one renewal to the next is a third of the ttl. */
  const intervals = quick ? 1 : 3;
  const kv = await rawKv(url);
  const grpc = await bareGrpc(url);
  const heap = { rxlock: [], 'etcd3 Lock': [] };
  const outside = [];
  const leases = {};
  const keepalives = {};
  /** Of one core, in percent, while all are held and nothing else is done. */
  const idle = {};
  const requests = {};

  /** Everything held at once, then looked at, then given back. */
  const round = (name, open) => async (turn) => {
    const keys = Array.from({ length: size }, (_, i) => `held/${size}/${name}/${turn}/${i}`);
    const { hold, settled = () => undefined, letGo } = open();
    await hold(['held/first']); // the session and the connection are there
    const empty = memory();
    const { result: took, total } = await counted(url, async () => {
      const held = await timed(() => hold(keys));
      await settled(size);
      return held;
    });
    const full = memory();
    if (turn >= 0) {
      heap[name]?.push((full.heap - empty.heap) / size);
      if (name === 'rxlock') outside.push((full.outside - empty.outside) / size);
    }
    requests[name] = total / size;
    if (leases[name] === undefined && name in heap) {
      leases[name] = await leasesOf(kv);
      const before = process.cpuUsage();
      const from = performance.now();
      keepalives[name] = (await renewalsIn(url, (intervals * TTL) / 3)) / intervals;
      const { user, system } = process.cpuUsage(before);
      idle[name] = (user + system) / 10 / (performance.now() - from);
    }
    await letGo();
    while ((await leasesOf(kv)) > 0) await after(100);
    return took / 1000;
  };

  const contenders = [
    { name: 'bare grpc-js, puts only', round: round('bare grpc-js, puts only', () => claimsOver(grpc)) },
    { name: 'rxlock', round: round('rxlock', () => subscribed(url)) },
    ...(quick ? [] : [{ name: 'etcd3 Lock', round: round('etcd3 Lock', () => locksOfEtcd3(url)) }]),
  ];
  const warmups = 1;
  const samples = await interleaved(contenders, { rounds, warmups, tick });
  await grpc.close();
  await kv.close();

  const perLock = (name) =>
    heap[name]?.length ? `${(summary(heap[name]).median / 1024).toFixed(2)} KB heap per lock, ` : '';
  const counts = (name) =>
    name in leases
      ? `${leases[name]} leases, ${keepalives[name]} keepalives per ttl/3, idle ${idle[name].toFixed(1)} % of a core`
      : '';
  const rows = contenders.map(({ name }) => ({
    ...row(samples, name, 'bare grpc-js, puts only'),
    requests: requests[name],
    note: perLock(name) + counts(name),
  }));
  const kilobytes = summary(heap.rxlock).median / 1024;
  return {
    tables: [{ name: `${size.toLocaleString('en')} locks`, unit: 's until all are held', rows }],
    targets: [
      { figure: 'acquired, s', most: 1, value: summary(samples.rxlock).median },
      { figure: 'heap per lock, KB', most: 1.5, value: kilobytes },
      { figure: 'outside the heap per lock, KB', value: summary(outside).median / 1024 },
      { figure: 'leases', most: 1, value: leases.rxlock },
      { figure: 'keepalives per ttl/3', most: 1, value: keepalives.rxlock, digits: 1 },
    ],
  };
}

function subscribed(url) {
  const { locks, close } = rxlock(url, { ttl: TTL });
  const subscriptions = [];
  return {
    hold: (keys) =>
      new Promise((resolve, reject) => {
        let left = keys.length;
        const next = ({ status }) => {
          if (status !== 'held') return;
          left -= 1;
          if (left === 0) resolve();
        };
        for (const key of keys) subscriptions.push(locks.mutex(key).lock$().subscribe({ next, error: reject }));
      }),
    /** Each lock is watched once it has been held for a moment: what is measured must not depend on how many are yet. */
    async settled(size) {
      while ((await watchesOf(url)) < size) await after(50);
    },
    async letGo() {
      for (const subscription of subscriptions) subscription.unsubscribe();
      await close();
    },
  };
}

function locksOfEtcd3(url) {
  const { client, close } = etcd3Lock(url);
  const held = [];
  return {
    async hold(keys) {
      const locks = keys.map((key) => client.lock(key).ttl(TTL / 1000));
      held.push(...locks);
      await inFlight(AT_ONCE, locks, (lock) => lock.acquire());
    },
    async letGo() {
      // Thousands of its leases can trip its circuit breaker; those that it fails to give up run out by themselves.
      await inFlight(AT_ONCE, held, (lock) => lock.release().catch(() => undefined));
      await close();
    },
  };
}

/** The yardstick: one request for each claim, on a shared lease. */
function claimsOver({ send, lease }) {
  const claimed = [];
  return {
    async hold(keys) {
      const claims = keys.map((name) => queueing(name, lease));
      claimed.push(...claims);
      await inFlight(AT_ONCE, claims, ({ txn }) => send(txn));
    },
    letGo: () => inFlight(AT_ONCE, claimed, ({ key }) => send({ success: [{ request_delete_range: { key } }] })),
  };
}

/** Those of the two yardsticks are not counted. */
const leasesOf = async ({ client }) => (await client.leaseClient.leaseLeases()).leases.length - 2;

/** Counted from a renewal on, so that a window of whole intervals holds a whole number of them. */
async function renewalsIn(url, window) {
  const renewals = async (run) => (await counted(url, run)).requests.LeaseKeepAlive ?? 0;
  while ((await renewals(() => after(20))) === 0);
  await after(100);
  return renewals(() => after(window));
}

function memory() {
  global.gc();
  global.gc();
  const { heapUsed, external } = process.memoryUsage();
  return { heap: heapUsed, outside: external };
}
