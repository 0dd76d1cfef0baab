import { startClient } from '../clients.mjs';
import { SINGLE_FLIGHTS } from '../contenders/single-flights.mjs';
import { interleaved, row, summary } from '../measure.mjs';
import { requestsOf } from '../requests.mjs';
import { serversFor } from '../servers.mjs';

export const title = 'One does it for all: from the first call to the last result, and the requests of that';
export const server = false;

const PROCESSES = 4;

/** The work itself: all have come by its end. */
const TAKES = 200;

const OURS = 'rxlock, etcd v3';

/** `each`: how many of a client want what comes of it. */
const fleetsOf = (each) => [
  { name: `${PROCESSES} processes with ${each} subscribers each`, clients: PROCESSES, each },
  { name: 'a tick of a fleet of 100', clients: 100, each: 1 },
];

export async function run({ quick, progress }) {
  const [rounds, warmups, each] = quick ? [1, 1, 50] : [7, 1, 250];
  const fleets = fleetsOf(each);
  // The others are there to be compared with, not to be guarded.
  const peers = quick ? { [OURS]: SINGLE_FLIGHTS[OURS] } : SINGLE_FLIGHTS;
  const { urls, absent, stop } = await serversFor(peers);
  const names = Object.keys(urls);
  const tick = progress(fleets.length * names.length * (rounds + warmups));
  let keys = 0;

  const processes = {};
  for (const name of names) {
    processes[name] = await Promise.all(
      Array.from({ length: PROCESSES }, () => startClient(urls[name], { script: 'single-flight.mjs', name })),
    );
  }

  const tables = [];
  for (const { name: fleet, clients, each: subscribers } of fleets) {
    const requests = Object.fromEntries(names.map((name) => [name, []]));
    const failed = Object.fromEntries(names.map((name) => [name, []]));
    for (const name of names) {
      await Promise.all(processes[name].map((one) => one.ask('open', { count: clients / PROCESSES })));
    }
    const once = (name) => async (round) => {
      const key = `once/${(keys += 1)}`;
      const before = await requestsOf(peers[name], urls[name]);
      const told = await Promise.all(
        processes[name].map((one) => one.ask('run', { key, each: subscribers, takes: TAKES })),
      );
      const after = await requestsOf(peers[name], urls[name]);
      const runs = told.reduce((sum, one) => sum + one.runs, 0);
      const values = new Set(told.flatMap((one) => one.values));
      if (runs !== 1 || values.size !== 1) throw new Error(`${name} ran it ${runs} times, with ${values.size} results`);
      failed[name].push(...told.flatMap(({ failures }) => failures));
      if (round >= 0) requests[name].push(after - before);
      return Math.max(...told.map(({ until }) => until)) - Math.min(...told.map(({ from }) => from)) - TAKES;
    };
    const samples = await interleaved(
      names.map((name) => ({ name, round: once(name) })),
      { rounds, warmups, tick },
    );
    const rows = names.map((name) => ({
      ...row(samples, name, OURS),
      requests: summary(requests[name]).median,
      note: [
        peers[name].waits,
        ...(failed[name].length > 0 ? [`${failed[name].length} failed: ${failed[name][0]}`] : []),
      ].join('; '),
    }));
    tables.push({ name: fleet, unit: `ms beside the ${TAKES} of the work`, rows });
  }
  for (const one of Object.values(processes).flat()) one.kill();
  await stop();
  const requestsIn = (table) => table.rows.find(({ name }) => name === OURS)?.requests ?? NaN;
  return {
    tables,
    targets: [
      {
        figure: 'requests for each process, however many wait in it',
        value: requestsIn(tables[0]) / PROCESSES,
        most: 12,
        digits: 0,
      },
      { figure: 'requests for each of 100 in a tick', value: requestsIn(tables[1]) / 100, most: 7, digits: 0 },
    ],
    absent,
  };
}
