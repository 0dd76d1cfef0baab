import { bareGrpc } from '../contenders/grpc.mjs';
import { etcd3Lock } from '../contenders/etcd3-lock.mjs';
import { rawKv } from '../contenders/kv.mjs';
import { rxlock, rxlockOverClient, rxlockPipelines } from '../contenders/rxlock.mjs';
import { interleaved, quantile, row, timed } from '../measure.mjs';
import { counted } from '../metrics.mjs';

export const title = 'One after another: acquire and release a lock that nobody else wants';

/** Short rounds, so that all see the same machine; many, so that a median says something. */
const CYCLES = 5;

export async function run({ url, quick, progress }) {
  const rounds = quick ? 60 : 500;
  const contenders = [
    await rawKv(url),
    rxlockOverClient(url),
    await bareGrpc(url),
    rxlock(url),
    etcd3Lock(url),
    // After the Lock of npm etcd3, whose leases the server may still be busy with: on it no target depends.
    rxlockPipelines(url),
  ];
  let keys = 0;
  const cyclesOf = async ({ cycle }, count) => {
    const took = [];
    for (let i = 0; i < count; i += 1) {
      const key = `sequential/${(keys += 1)}`;
      took.push(await timed(() => cycle(key)));
    }
    return took;
  };

  const requests = {};
  for (const contender of contenders) {
    // The session, the connection and the compiler take their time once.
    await cyclesOf(contender, WARM_UP);
    const { total } = await counted(url, () => cyclesOf(contender, WARM_UP));
    requests[contender.name] = total / WARM_UP;
  }
  const warmups = 5;
  const tick = progress((rounds + warmups) * contenders.length);
  const all = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  const samples = await interleaved(
    contenders.map((contender) => ({
      name: contender.name,
      round: async (round) => {
        const took = await cyclesOf(contender, CYCLES);
        if (round >= 0) all[contender.name].push(...took);
        return quantile(took, 0.5);
      },
    })),
    { rounds, warmups, tick },
  );
  for (const contender of contenders) await contender.close();

  const rows = contenders.map(({ name }) => ({
    ...row(samples, name, AGAINST[name]),
    requests: requests[name],
    note: `p99 ${quantile(all[name], 0.99).toFixed(1)} ms`,
  }));
  const ratioOf = (wanted) => rows.find(({ name }) => name === wanted).ratio.median;
  return {
    tables: [{ unit: 'ms per cycle', rows }],
    targets: [
      { figure: "rxlock over the user's client / its raw kv", most: 1.1, value: ratioOf("rxlock, user's client") },
      { figure: 'rxlock / bare grpc-js', most: 0.75, value: ratioOf('rxlock') },
    ],
  };
}

const WARM_UP = 100;

const AGAINST = {
  "rxlock, user's client": 'raw kv',
  rxlock: 'bare grpc-js',
  'rxlock, withLock': 'bare grpc-js',
  'raw kv': 'bare grpc-js',
  'etcd3 Lock': 'bare grpc-js',
};
