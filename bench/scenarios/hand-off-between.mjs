import { setTimeout as after } from 'node:timers/promises';
import { startClient } from '../clients.mjs';
import { interleaved, quantile, row } from '../measure.mjs';
import { counted } from '../metrics.mjs';

export const title = 'Hand-off between processes: released in one, held in the other';

/** What a hand-off cannot do without: the guarded delete of one, and its event at the other. */
const SINGLE = 'guarded delete + event';
const CHAINED = 'the same, one after another';

/** Between queueing and the gate: a waiter says that it waits before its watch is in place. The baseline pauses, too. */
const SETTLE = 10;

export async function run({ url, quick, progress }) {
  const rounds = quick ? 5 : 31;
  /** A round has so many hand-offs or somewhat more, whatever the number of waiters. */
  const handOffs = quick ? 10 : 20;
  const looped = quick ? 200 : 600;
  const clients = await Promise.all([startClient(url), startClient(url)]);
  const crowds = [
    { waiters: 1, against: SINGLE },
    // One hand-off right after the other finds processes and server awake, so that is what these are compared with.
    { waiters: 10, against: CHAINED },
    { waiters: 100, against: CHAINED },
  ].map((crowd) => ({ ...crowd, name: `rxlock, ${crowd.waiters} waiting`, all: [] }));
  const baselines = [
    { name: SINGLE, length: 1, all: [] },
    { name: CHAINED, length: handOffs, all: [] },
  ];
  const fromGate = {};
  let keys = 0;
  const freshKey = () => `between/${(keys += 1)}`;

  const relays = baselines.map(({ name, length, all }) => ({
    name,
    async round(round) {
      const took = [];
      while (took.length < handOffs) took.push(...(await relayed(clients, freshKey(), length)));
      if (round >= 0) all.push(...took);
      return quantile(took, 0.5);
    },
  }));
  const chains = crowds.map(({ waiters, name, all }) => ({
    name,
    async round(round) {
      const took = [];
      let requests = 0;
      while (took.length < handOffs) {
        await queueUp(clients, freshKey(), waiters, 1);
        if (round < 0) {
          const { result, total } = await counted(url, () => opened(clients));
          requests += total;
          took.push(...betweenProcesses(result));
        } else took.push(...betweenProcesses(await opened(clients)));
      }
      if (round >= 0) all.push(...took);
      // To be asked for its counters keeps the server busy, so that is left out of the rounds that count.
      else fromGate[name] = requests / took.length;
      return quantile(took, 0.5);
    },
  }));

  const contenders = [...relays, ...chains];
  const warmups = quick ? 1 : 3;
  const tick = progress((rounds + warmups) * contenders.length + crowds.length);
  const samples = await interleaved(contenders, { rounds, warmups, tick });

  const targets = [];
  const rows = baselines.map(({ name, all }) => ({ ...row(samples, name), note: percentiles(all) }));
  for (const { waiters, against, name, all } of crowds) {
    // Everything that a hand-off takes, queueing again included, when the queue is never empty.
    const times = Math.ceil(looped / waiters);
    const { result, total } = await counted(url, async () => {
      await queueUp(clients, freshKey(), waiters, times);
      return opened(clients);
    });
    tick();
    const requests = total / (result.length - 1);
    const compared = row(samples, name, against);
    rows.push({
      ...compared,
      requests,
      note: `${percentiles(all)}; from the gate on ${fromGate[name].toFixed(2)} requests`,
    });
    targets.push(
      { figure: `${name}: p50 / ${against}`, most: 1.3, value: compared.ratio.median },
      { figure: `${name}: requests per hand-off, all in all`, most: 2, value: requests, digits: 1 },
    );
  }
  for (const client of clients) await client.ask('close');
  return { tables: [{ unit: 'ms', rows }], targets };
}

const percentiles = (all) => `p50 ${quantile(all, 0.5).toFixed(2)}, p99 ${quantile(all, 0.99).toFixed(2)} ms`;

/** From the sending of each guarded delete in one process to its event in the other, which deletes the next. */
async function relayed(clients, key, total) {
  const numbers = Array.from({ length: total }, (_, i) => i);
  await Promise.all(
    clients.map((client, process) => {
      const mine = numbers.filter((number) => number % 2 === process);
      return client.ask('relay', { key, mine, total });
    }),
  );
  await after(SETTLE);
  const seen = Promise.all(clients.map((client) => client.ask('seen')));
  await clients[0].ask('start');
  const records = await seen;
  return numbers.map((number) => records[(number + 1) % 2].seenAt[number] - records[number % 2].sentAt[number]);
}

/** The gate is held by the first; behind it wait members of the second and the first in turn. */
async function queueUp(clients, key, waiters, times) {
  await clients[0].ask('hold', { key });
  for (let i = 0; i < waiters; i += 1) await clients[(i + 1) % 2].ask('queue', { key, times });
  await after(SETTLE);
}

/** Who held when, in the order of their holding. */
async function opened(clients) {
  await clients[0].ask('open');
  const all = await Promise.all(
    clients.map(async (client, process) => (await client.ask('holdings')).map((holding) => ({ ...holding, process }))),
  );
  return all.flat().sort((a, b) => a.token - b.token);
}

const betweenProcesses = (holdings) =>
  holdings
    .slice(1)
    .map((to, i) => ({ from: holdings[i], to }))
    .filter(({ from, to }) => from.process !== to.process)
    .map(({ from, to }) => to.heldAt - from.releasedAt);
