import { setTimeout as pause } from 'node:timers/promises';
import { buildGo } from '../contenders/go.mjs';
import { GO, PEERS, RXLOCK } from '../contenders/peers.mjs';
import { startClient } from '../clients.mjs';
import { interleaved, ratio, row, summary } from '../measure.mjs';
import { requestsOf } from '../requests.mjs';
import { serversFor } from '../servers.mjs';

export const title = 'The peers: one key, so many waiters in one process and in four, each gives it back at once';
export const server = false;

const CROWDS = [1, 10, 100, 1000];
const PROCESSES = [1, 4];

/** With so many, pollers are at it for all of their time: once is enough. */
const MANY = 1000;

/** Who does not get through by then is not waited for. */
const LONGEST = 8000;

/** They come one after another, within a second, so that it can be told who is served out of turn. */
const gapOf = (waiters) => Math.min(20, 1000 / waiters);

/** For all to have come: who asks now and then does not say that it waits. */
const settling = (waiters) => 200 + waiters * gapOf(waiters);

/** Who came so much later, and is served before, has overtaken. */
const LATER = 50;

export async function run({ quick, progress }) {
  const rounds = quick ? 1 : 3;
  const crowds = quick ? CROWDS.slice(0, 3) : CROWDS;
  buildGo();
  const peers = Object.fromEntries(Object.entries(PEERS).filter(([, { hasNoQueue }]) => !hasNoQueue));
  const { urls, absent, stop } = await serversFor(peers);
  const names = Object.keys(urls);
  const roundsOf = (waiters) => (waiters < MANY ? rounds : 1);
  const turns = crowds.reduce((sum, waiters) => sum + roundsOf(waiters), 0);
  const tick = progress(turns * names.length * PROCESSES.length);
  let keys = 0;

  const tables = [];
  const targets = [];
  for (const processes of PROCESSES) {
    for (const waiters of crowds) {
      // What is within one process cannot be contended for from another.
      const here = names.filter((name) => processes === 1 || peers[name].server !== 'none');
      const requests = {};
      const overtaken = {};
      const served = {};
      const lost = {};
      const failed = {};
      const round = (name) => async () => {
        // Anew each time: a crowd that was not served in time would go on asking.
        const clients = await Promise.all(
          Array.from({ length: processes }, () => startClient(urls[name], { script: 'crowd.mjs', name })),
        );
        const key = `crowd/${(keys += 1)}`;
        await clients[0].ask('hold', { key });
        await Promise.all(
          clients.map((client, i) =>
            client.ask('queue', {
              key,
              waiters: shareOf(waiters, processes, i),
              gap: processes * gapOf(waiters),
              after: i * gapOf(waiters),
            }),
          ),
        );
        await pause(settling(waiters));
        const before = await requestsOf(peers[name], urls[name]);
        const openedAt = await clients[0].ask('open');
        const told = await Promise.all(clients.map((client) => client.ask('turns', { within: LONGEST })));
        const turns = told.flatMap(({ done }) => done);
        (failed[name] ??= []).push(...told.flatMap(({ failures }) => failures));
        lost[name] = (lost[name] ?? 0) + told.reduce((sum, { losers }) => sum + losers, 0);
        const after = await requestsOf(peers[name], urls[name]);
        for (const client of clients) client.kill();
        turns.sort((a, b) => a.heldAt - b.heldAt);
        const last = turns.at(-1)?.heldAt ?? openedAt + LONGEST;
        (requests[name] ??= []).push((after - before) / Math.max(1, turns.length));
        (overtaken[name] ??= []).push(overtakenIn(turns));
        (served[name] ??= []).push(turns.length);
        return (last - openedAt) / Math.max(1, turns.length);
      };
      const samples = await interleaved(
        here.map((name) => ({ name, round: round(name) })),
        { rounds: roundsOf(waiters), warmups: 0, tick },
      );
      const rows = here.map((name) => ({
        ...row(samples, name, RXLOCK),
        ...(peers[name].server !== 'none' && { requests: summary(requests[name]).median }),
        note: [
          peers[name].waits,
          `${Math.round(100 * summary(overtaken[name]).median)} % overtaken`,
          ...(lost[name] > 0 ? [`${lost[name]} had lost it when they gave it back`] : []),
          ...(failed[name].length > 0 ? [`${failed[name].length} failed: ${failed[name][0]}`] : []),
          ...(Math.min(...served[name]) < waiters
            ? [`${Math.min(...served[name])} served in ${LONGEST / 1000} s`]
            : []),
        ].join('; '),
      }));
      if (processes > 1 && (waiters === 10 || waiters === 100) && GO in samples) {
        const value = ratio(samples[RXLOCK], samples[GO]).median;
        targets.push({ figure: `rxlock / ${GO}, ${waiters} waiting in ${processes} processes`, most: 0.9, value });
      }
      const where = processes === 1 ? 'one process' : `${processes} processes`;
      tables.push({ name: `${waiters} waiting, ${where}`, waiters, processes, unit: 'ms per hand-off', rows });
    }
  }
  await stop();
  return { tables, targets, absent };
}

const shareOf = (waiters, processes, i) => Math.floor((waiters + processes - 1 - i) / processes);

/** The share of those who saw somebody served before them that had come after them. */
function overtakenIn(turns) {
  let latest = -Infinity;
  let overtaken = 0;
  for (const { cameAt } of turns) {
    if (cameAt + LATER < latest) overtaken += 1;
    latest = Math.max(latest, cameAt);
  }
  return turns.length === 0 ? 1 : overtaken / turns.length;
}
