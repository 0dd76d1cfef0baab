/**
 * A process of a fleet in which one does it for all: does what it is asked over IPC. The clock is one that all processes
 * of a machine share.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { SINGLE_FLIGHTS } from './contenders/single-flights.mjs';
import { answerWith } from './verbs.mjs';

const [name, url] = process.argv.slice(2);
let clients = [];

const now = () => Number(process.hrtime.bigint()) / 1e6;

answerWith({
  /** So many clients, each with connections of its own, as if in a process of its own. */
  async open({ count }) {
    await Promise.all(clients.map((client) => client.close()));
    clients = Array.from({ length: count }, () => SINGLE_FLIGHTS[name].open(url));
    // Connected, its code compiled, its lease granted.
    await Promise.all(clients.map((client, i) => client.run(`warm/${process.pid}/${i}`, async () => 'warm')));
  },
  /** Each client has so many who want what comes of it. */
  async run({ key, each, takes }) {
    const from = now();
    let runs = 0;
    const work = async () => {
      runs += 1;
      await pause(takes);
      return `${process.pid}`;
    };
    const wanted = clients.flatMap((client) => Array.from({ length: each }, () => client.run(key, work)));
    const settled = await Promise.allSettled(wanted);
    const values = new Set(settled.flatMap(({ value }) => value ?? []));
    const failures = settled.flatMap(({ reason }) => (reason ? String(reason.message) : []));
    return { from, until: now(), runs, values: [...values], failures };
  },
});
