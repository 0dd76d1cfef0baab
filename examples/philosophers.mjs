/**
 * The dining philosophers: each needs the forks on both sides of the plate, and nobody may wait for ever.
 *
 *   npm run build && node examples/philosophers.mjs                     100 of them in 4 processes, for 60 s
 *   node examples/philosophers.mjs --seconds 5 --philosophers 10 --processes 2
 *
 * First with `locks.all(left, right)`, then with two mutexes one after the other, the lower one first. Ends with 1 when
 * two neighbours ate at once or somebody never did.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Table } from 'console-table-printer';

const { startEtcd } = createRequire(import.meta.url)('../scripts/etcd.cjs');

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    philosophers: { type: 'string', default: '100' },
    processes: { type: 'string', default: '4' },
    meal: { type: 'string', default: '5' },
    forks: { type: 'string', multiple: true, default: ['all', 'ordered'] },
  },
});
const [seconds, philosophers, processes, meal] = ['seconds', 'philosophers', 'processes', 'meal'].map((name) =>
  Number(values[name]),
);

const etcd = await startEtcd();
const table = new Table({
  title: `${philosophers} philosophers in ${processes} processes, ${seconds} s, meals of ${meal} ms`,
});
try {
  for (const forks of values.forks) {
    const meals = await dinner(forks);
    const { atOnce, least, mean, most } = judged(meals);
    table.addRow({
      forks: forks === 'all' ? 'locks.all(left, right)' : 'two mutexes, the lower first',
      'meals a second': Math.round(meals.length / seconds),
      'meals of each': `${least} to ${most}, mean ${mean.toFixed(1)}`,
      'farthest from the mean': `${((100 * Math.max(most - mean, mean - least)) / mean).toFixed(1)} %`,
      'neighbours at once': atOnce,
    });
    if (atOnce > 0 || least === 0) process.exitCode = 1;
  }
} finally {
  await etcd.stop();
}
table.printTable();

/** All meals of an evening: who, from when, until when. */
async function dinner(forks) {
  const seats = Array.from({ length: philosophers }, (_, i) => i);
  // Every other neighbour is in the same process.
  const tables = Array.from({ length: processes }, (_, n) => seats.filter((i) => (i >> 1) % processes === n));
  const path = fileURLToPath(new URL('philosopher.mjs', import.meta.url));
  const workers = tables.map((own) => {
    const given = { own, philosophers, forks, meal, milliseconds: 1000 * seconds, hosts: etcd.url };
    return fork(path, [JSON.stringify(given)]);
  });
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const over = workers.map((worker) => once(worker, 'message'));
  for (const worker of workers) worker.send('dinner');
  const eaten = await Promise.all(over);
  return eaten.flatMap(([meals]) => meals);
}

/** Who shares a fork must not eat at once; the clock is one for all processes of a machine. */
function judged(meals) {
  const of = Array.from({ length: philosophers }, () => []);
  for (const meal of meals) of[meal.by].push(meal);
  let atOnce = 0;
  for (let seat = 0; seat < philosophers; seat += 1) {
    const both = [...of[seat], ...of[(seat + 1) % philosophers]].sort((a, b) => a.from - b.from);
    for (let i = 1; i < both.length; i += 1) if (both[i].from < both[i - 1].until) atOnce += 1;
  }
  const counts = of.map(({ length }) => length);
  const mean = meals.length / philosophers;
  return { atOnce, least: Math.min(...counts), mean, most: Math.max(...counts) };
}
