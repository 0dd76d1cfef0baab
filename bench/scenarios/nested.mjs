import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';
import { rawKv } from '../contenders/kv.mjs';
import { over } from '../contenders/rxlock.mjs';
import { interleaved, quantile, row, timed } from '../measure.mjs';
import { counted } from '../metrics.mjs';

export const title = 'Names nest: acquire and release of `a` with 10,000 keys below `a/x/`';

const NESTED = 10_000;
const PER_TXN = 100;
const CYCLES = 4;

export async function run({ url, quick, progress }) {
  const rounds = quick ? 5 : 31;
  const kv = await rawKv(url);
  for (let i = 0; i < NESTED; i += PER_TXN) {
    const puts = Array.from({ length: PER_TXN }, (_, j) => ({
      request_put: { key: Buffer.from(`a/x/${i + j}/claim`), value: VALUE, lease: kv.lease },
    }));
    await kv.client.kv.txn({ success: puts });
  }

  /** The first visit of a process to a name, and those that follow: from the first it may know what to leave out. */
  const newcomer = (key) => async (measure) => {
    const ours = over('rxlock', createLocks(etcd3Backend(kv.client)));
    await ours.cycle('session');
    const result = await measure(() => ours.cycle(key));
    await ours.close();
    return result;
  };
  const regular = over('rxlock', createLocks(etcd3Backend(kv.client)));
  const again = (cycle) => async (measure) => {
    await cycle();
    return measure(cycle);
  };
  const contenders = [
    { name: 'rxlock, first visit to b', run: newcomer('b') },
    { name: 'rxlock, first visit to a', run: newcomer('a') },
    { name: 'rxlock, b again', run: again(() => regular.cycle('b')) },
    { name: 'rxlock, a again', run: again(() => regular.cycle('a')) },
    { name: 'raw kv, b', run: again(() => kv.cycle('b')) },
    { name: 'raw kv, a', run: again(() => kv.cycle('a')) },
  ];

  const counts = {};
  for (const { name, run: one } of contenders) counts[name] = await one((cycle) => counted(url, cycle));
  const warmups = 1;
  const tick = progress((rounds + warmups) * contenders.length);
  const samples = await interleaved(
    contenders.map(({ name, run: one }) => ({
      name,
      round: async () => {
        const took = [];
        for (let i = 0; i < CYCLES; i += 1) took.push(await one(timed));
        return quantile(took, 0.5);
      },
    })),
    { rounds, warmups, tick },
  );
  await regular.close();
  await kv.close();

  const against = Object.fromEntries(contenders.map(({ name }, i) => [name, contenders[i - (i % 2)].name]));
  const rows = contenders.map(({ name }) => ({
    ...row(samples, name, against[name]),
    requests: counts[name].total,
    note: `${(counts[name].bytes / 1024).toFixed(1)} KB answered`,
  }));
  const ratioOf = (wanted) => rows.find(({ name }) => name === wanted).ratio.median;
  return {
    tables: [{ name: '`b` has nothing below it', unit: 'ms per cycle', rows }],
    targets: [
      { figure: 'first visit, `a` / `b`', value: ratioOf('rxlock, first visit to a') },
      { figure: 'again, `a` / `b`', value: ratioOf('rxlock, a again') },
    ],
  };
}

const VALUE = Buffer.from('{"owner":"bench:1"}');
