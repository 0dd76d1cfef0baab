import { setTimeout as pause } from 'node:timers/promises';
import { buildGo } from '../contenders/go.mjs';
import { GO, PEERS, RXLOCK, VARIANTS } from '../contenders/peers.mjs';
import { startClient } from '../clients.mjs';
import { interleaved, row, summary } from '../measure.mjs';
import { eventsSoFar } from '../metrics.mjs';
import { requestsOf } from '../requests.mjs';
import { serversFor } from '../servers.mjs';

export const title = 'One key, so many clients in four processes, each waits once and gives it back at once';
export const server = false;

const CROWDS = [16, 64, 256];
const PROCESSES = 4;
const LONGEST = 30_000;
/** Milliseconds from one that comes to the next. */
const GAP = 8;

export async function run({ quick, progress }) {
  const rounds = quick ? 1 : 5;
  const crowds = quick ? CROWDS.slice(0, 2) : CROWDS;
  buildGo();
  const peers = { [RXLOCK]: PEERS[RXLOCK], ...VARIANTS, [GO]: PEERS[GO] };
  const { urls, absent, stop } = await serversFor(peers);
  const names = Object.keys(urls);
  const tick = progress(crowds.length * names.length * rounds);
  let keys = 0;

  const tables = [];
  /** Of each contender: its times per hand-off, by crowd. */
  const times = [];
  for (const crowd of crowds) {
    const requests = {};
    const events = {};
    const round = (name) => async () => {
      const clients = await Promise.all(
        Array.from({ length: PROCESSES }, () => startClient(urls[name], { script: 'crowd.mjs', name })),
      );
      const key = `clients/${(keys += 1)}`;
      await clients[0].ask('hold', { key });
      const waiters = crowd / PROCESSES;
      // Go's waiters share the client of their process: each watches what is right before it.
      const own = name !== GO;
      await Promise.all(
        clients.map((client, i) => client.ask('queue', { key, waiters, gap: PROCESSES * GAP, after: i * GAP, own })),
      );
      await pause(500 + crowd * GAP);
      const before = [await requestsOf(peers[name], urls[name]), await eventsSoFar(urls[name])];
      const openedAt = await clients[0].ask('open');
      const told = await Promise.all(clients.map((client) => client.ask('turns', { within: LONGEST })));
      const turns = told.flatMap(({ done }) => done);
      for (const client of clients) client.kill();
      if (turns.length < crowd) throw new Error(`${name}: ${turns.length} of ${crowd} were served`);
      (requests[name] ??= []).push(((await requestsOf(peers[name], urls[name])) - before[0]) / crowd);
      (events[name] ??= []).push(((await eventsSoFar(urls[name])) - before[1]) / crowd);
      return (Math.max(...turns.map(({ heldAt }) => heldAt)) - openedAt) / crowd;
    };
    const samples = await interleaved(
      names.map((name) => ({ name, round: round(name) })),
      { rounds, warmups: 0, tick },
    );
    times.push(samples);
    const rows = names.map((name) => ({
      ...row(samples, name, RXLOCK),
      requests: summary(requests[name]).median,
      note: `${summary(events[name]).median.toFixed(1)} events`,
    }));
    tables.push({ name: `${crowd} clients`, unit: 'ms per hand-off', rows });
  }
  await stop();
  const growthOf = (name) => summary(times.at(-1)[name]).median / summary(times[0][name]).median;
  const figure = `growth of a hand-off from ${crowds[0]} to ${crowds.at(-1)} clients / Go's growth`;
  const targets = GO in urls ? [{ figure, most: 1, value: growthOf(RXLOCK) / growthOf(GO) }] : [];
  return { tables, targets, absent };
}
