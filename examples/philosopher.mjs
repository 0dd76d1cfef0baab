/**
 * Some of the philosophers, in a process of their own: see philosophers.mjs.
 */
import { defer, finalize, lastValueFrom, merge, repeat, takeUntil, tap, timer } from 'rxjs';
import { createLocks, usingLock } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';

const { own, philosophers, forks, meal, milliseconds, hosts } = JSON.parse(process.argv[2]);
const locks = createLocks(etcd3Backend({ hosts }), { owner: `table ${process.pid}` });
const meals = [];

const now = () => Number(process.hrtime.bigint()) / 1e6;

const eat$ = (by) =>
  defer(() => {
    const from = now();
    return timer(meal).pipe(tap(() => meals.push({ by, from, until: now() })));
  });

const mutex = (fork) => locks.mutex(`${forks}/forks/${fork}`);

/** With both forks in hand. */
const dine$ = (by) => {
  const [lower, higher] = [by, (by + 1) % philosophers].sort((a, b) => a - b).map(mutex);
  if (forks === 'all') return usingLock(locks.all(lower, higher), () => eat$(by));
  return usingLock(lower, () => usingLock(higher, () => eat$(by)));
};

// The session is there before the first is hungry.
await locks.mutex(`warm ${process.pid}`).use(() => undefined);
process.once('message', async () => {
  const evening$ = merge(...own.map((by) => dine$(by).pipe(repeat()))).pipe(
    takeUntil(timer(milliseconds)),
    finalize(() => void locks.close()),
  );
  await lastValueFrom(evening$, { defaultValue: undefined });
  process.send(meals, () => process.exit());
});
process.send('ready');
