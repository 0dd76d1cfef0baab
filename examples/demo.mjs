/**
 * Several workers, one file, each line done once, though one of the workers dies half-way.
 *
 *   npm run demo                           in memory, workers in this process
 *   npm run demo -- --etcd                 on a real etcd that it starts, a process for each worker
 *   npm run demo -- --hosts URL            on your etcd v3
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { distinctUntilChanged, filter, merge, map, pairwise, startWith, tap } from 'rxjs';
import { createLocks } from 'rxlock';
import { createScreen } from './demo-screen.mjs';
import { readTasks } from './work.mjs';

const { values } = parseArgs({
  options: {
    etcd: { type: 'boolean', default: false },
    hosts: { type: 'string' },
    file: { type: 'string', default: fileURLToPath(new URL('tasks.txt', import.meta.url)) },
  },
});

const WORKERS = ['ada', 'bob', 'cleo'];
const VICTIM = 'bob';
/** The line of its own on which the victim dies. */
const LAST_WORDS = 5;
const TTL = 2000;

const tasks = readTasks(values.file);
const onEtcd = values.etcd || values.hosts !== undefined;
const { startFleet } = await import(onEtcd ? './demo-etcd.mjs' : './demo-memory.mjs');
const fleet = await startFleet({
  workers: WORKERS,
  victim: VICTIM,
  lastWords: LAST_WORDS,
  ttl: TTL,
  tasks,
  file: values.file,
  hosts: values.hosts,
});
const screen = createScreen({ workers: WORKERS, tasks, title: `rxlock on ${fleet.where}` });

/** Who holds what, seen from outside: nobody but the lock server is asked. */
const observer = createLocks(fleet.backend, { owner: 'observer' });
let death;
const handovers = [];
const watching = merge(
  ...tasks.map((task) =>
    observer
      .mutex(task.key)
      .ownership$()
      .pipe(
        filter((state) => state.status === 'held'),
        map(({ holders: [holder] }) => holder),
        distinctUntilChanged((a, b) => a.fencingToken === b.fencingToken),
        tap((holder) => screen.holds(holder.owner, task, holder.fencingToken)),
        startWith(undefined),
        pairwise(),
        tap(([before, holder]) => {
          if (death === undefined || before?.owner !== death.worker || holder.owner === before.owner) return;
          handovers.push({ ms: performance.now() - death.at });
          screen.takesOver(holder.owner, before.owner, task, performance.now() - death.at);
        }),
      ),
  ),
).subscribe();

await fleet.run({
  died(task) {
    death = { worker: VICTIM, at: performance.now() };
    screen.dies(VICTIM, task);
  },
});
watching.unsubscribe();
const doneBy = await fleet.read();
const fine = screen.account(doneBy, { reader: fleet.reader, ttl: TTL, handovers });
await observer.close();
await fleet.stop();
process.exitCode = fine && handovers.length > 0 ? 0 : 1;
