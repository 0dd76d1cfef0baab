import { Etcd3 } from 'etcd3';
import { firstValueFrom } from 'rxjs';
import { createLocks } from 'rxlock';
import { etcd3Backend } from 'rxlock/etcd3';
import { rawKv } from '../contenders/kv.mjs';
import { interleaved, row, timed } from '../measure.mjs';
import { counted } from '../metrics.mjs';

export const title = 'Observed: `ownerships$` of a prefix with 1,000 and 10,000 locks held below it';

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
    const took = await timed(() => firstValueFrom(locks.ownerships$(`${size}/`)));
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
  plain.close();
  await kv.close();

  const rows = contenders.map(({ name }, i) => ({
    ...row(samples, name, contenders[i | 1].name),
    requests: counts[name].total,
  }));
  return {
    tables: [{ name: 'from the subscription to the first value', unit: 'ms', rows }],
    targets: [{ figure: 'start with 10,000 keys, ms', value: rows[2].rounds.median, most: 500 }],
  };
}

const VALUE = Buffer.from('{"owner":"bench:1","kind":"mutex","since":"2026-01-01T00:00:00.000Z"}');
