import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { defer, of } from 'rxjs';
import { createLocks, withLock } from 'rxlock';
import { memoryBackend } from 'rxlock/memory';
import { interleaved, row, summary, timed } from '../measure.mjs';

export const title = 'The engine alone: withLock on the memory backend against a bare defer';
export const server = false;
/** What a sample of a few hundred cycles allocates is to stay in the young generation until it is read. */
export const flags = ['--min-semi-space-size=16'];

/** Nobody listens to them but in the row that says so: that one pays for being told. */
const CHANNELS = ['acquire:start', 'acquire:asyncEnd', 'hold:start', 'hold:asyncEnd'].map(
  (event) => `tracing:rxlock:${event}`,
);
const heard = () => undefined;

export async function run({ quick, progress }) {
  const [rounds, cycles, sampled] = quick ? [15, 500, 200] : [101, 1000, 200];
  const locks = createLocks(memoryBackend());
  const nothing$ = defer(() => of(undefined));
  let keys = 0;
  const completed = (source$) =>
    new Promise((resolve, reject) => {
      source$.subscribe({ complete: resolve, error: reject });
    });
  const contenders = {
    'bare defer': () => completed(nothing$),
    'withLock, distinct keys': () => completed(nothing$.pipe(withLock(locks.mutex(`engine/${(keys += 1)}`)))),
    'withLock, traced': async () => {
      for (const channel of CHANNELS) subscribe(channel, heard);
      await completed(nothing$.pipe(withLock(locks.mutex(`engine/${(keys += 1)}`))));
      for (const channel of CHANNELS) unsubscribe(channel, heard);
    },
    'withLock, one key': () => completed(nothing$.pipe(withLock(locks.mutex('engine')))),
    'acquire, release': async () => (await locks.mutex(`engine/${(keys += 1)}`).acquire()).release(),
  };
  const some = async (cycle, count) => {
    for (let i = 0; i < count; i += 1) await cycle();
  };
  // The session is held by one lock throughout, as in a service that always holds some.
  const held = await locks.mutex('engine/first').acquire();

  const warmups = 5;
  const tick = progress(Object.keys(contenders).length * (rounds + warmups) * 2);
  const times = await interleaved(
    Object.entries(contenders).map(([name, cycle]) => ({
      name,
      round: async () => ((await timed(() => some(cycle, cycles))) / cycles) * 1000,
    })),
    { rounds, warmups, tick },
  );
  const bytes = await interleaved(
    Object.entries(contenders).map(([name, cycle]) => ({
      name,
      round: async () => {
        global.gc();
        const before = process.memoryUsage().heapUsed;
        await some(cycle, sampled);
        return (process.memoryUsage().heapUsed - before) / sampled;
      },
    })),
    { rounds, warmups, tick },
  );
  await held.release();
  await locks.close();

  const rowsOf = (samples) => Object.keys(contenders).map((name) => row(samples, name, 'bare defer'));
  const withLockOnly = times['withLock, distinct keys'].map((time, i) => time - times['bare defer'][i]);
  return {
    tables: [
      { name: 'time', unit: 'µs per cycle', rows: rowsOf(times) },
      { name: 'allocated', unit: 'bytes per cycle', rows: rowsOf(bytes) },
    ],
    targets: [{ figure: 'withLock - bare defer, µs', value: summary(withLockOnly).median }],
  };
}
