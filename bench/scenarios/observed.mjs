import { Etcd3 } from 'etcd3';
import { Subject, firstValueFrom } from 'rxjs';
import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';
import { rawKv } from '../contenders/kv.mjs';
import { interleaved, row, timed } from '../measure.mjs';
import { counted } from '../metrics.mjs';

export const title = 'Observed: `watchAll$` of a prefix with 1,000 and 10,000 locks held below it';

const SIZES = [1000, 10_000];
const PER_TXN = 100;

export async function run({ url, quick, progress }) {
  const rounds = quick ? 5 : 21;
  const warmups = 1;
  const kv = await rawKv(url);
  for (const size of SIZES) {
    for (let i = 0; i < size; i += PER_TXN) {
      const puts = Array.from({ length: PER_TXN }, (_, j) => ({
        request_put: { key: Buffer.from(`${size}/${i + j}/claim`), value: VALUE, lease: kv.lease },
      }));
      await kv.client.kv.txn({ success: puts });
    }
  }
  const plain = new Etcd3({ hosts: url });

  const look = async (size) => {
    const locks = createLocks(etcd3Backend({ hosts: url }));
    const took = await timed(() => firstValueFrom(locks.watchAll$(`${size}/`)));
    await locks.close();
    return took;
  };
  const read = async (size) => {
    let watcher;
    const took = await timed(async () => {
      await plain.getAll().prefix(`${size}/`).strings();
      watcher = await plain.watch().prefix(`${size}/`).create();
    });
    await watcher.cancel();
    return took;
  };
  /** From the sending of a change to its arrival, beside npm etcd3's own watch; and what the observer keeps in memory. */
  const observed = async (size) => {
    const before = memory();
    const locks = createLocks(etcd3Backend({ hosts: url }));
    const heard = new Subject();
    const watching = locks.watchAll$(`${size}/`).subscribe(() => heard.next(performance.now()));
    await firstValueFrom(heard);
    const bytes = (memory() - before) / size;
    const watcher = await plain.watch().prefix(`${size}/`).create();
    const latencies = { rxlock: [], etcd3: [] };
    for (let i = 0; i < (quick ? 20 : 200); i += 1) {
      const own = firstValueFrom(heard);
      const theirs = new Promise((resolve) => {
        watcher.once('put', () => resolve(performance.now()));
      });
      const sentAt = performance.now();
      const put = { key: Buffer.from(`${size}/event-${i}/claim`), value: VALUE, lease: kv.lease };
      await kv.client.kv.txn({ success: [{ request_put: put }] });
      latencies.rxlock.push((await own) - sentAt);
      latencies.etcd3.push((await theirs) - sentAt);
    }
    watching.unsubscribe();
    await watcher.cancel();
    await locks.close();
    return { bytes, latencies };
  };

  const contenders = SIZES.flatMap((size) => [
    { name: `rxlock, ${size}`, run: () => look(size) },
    { name: `npm etcd3, read and watch ${size}`, run: () => read(size) },
  ]);
  const tick = progress((rounds + warmups) * contenders.length);
  const counts = {};
  for (const { name, run: one } of contenders) counts[name] = await counted(url, one);
  const samples = await interleaved(
    contenders.map(({ name, run: one }) => ({ name, round: one })),
    { rounds, warmups, tick },
  );
  const events = {};
  const bytes = {};
  for (const size of SIZES) {
    const { latencies, bytes: each } = await observed(size);
    events[`rxlock, ${size}`] = latencies.rxlock;
    events[`npm etcd3, read and watch ${size}`] = latencies.etcd3;
    bytes[`rxlock, ${size}`] = each;
  }
  plain.close();
  await kv.close();

  const rows = contenders.map(({ name }, i) => ({
    ...row(samples, name, contenders[i | 1].name),
    requests: counts[name].total,
  }));
  const late = contenders.map(({ name }, i) => ({
    ...row(events, name, contenders[i | 1].name),
    note: name in bytes ? `${(bytes[name] / 1024).toFixed(2)} KB heap per key` : '',
  }));
  return {
    tables: [
      { name: 'from the subscription to the first value', unit: 'ms', rows },
      { name: 'from the sending of a change to its arrival', unit: 'ms', rows: late },
    ],
    targets: [{ figure: 'start with 10,000 keys, ms', value: rows[2].rounds.median, most: 500 }],
  };
}

const VALUE = Buffer.from('{"owner":"bench:1","kind":"mutex","since":"2026-01-01T00:00:00.000Z"}');

function memory() {
  global.gc();
  global.gc();
  return process.memoryUsage().heapUsed;
}
