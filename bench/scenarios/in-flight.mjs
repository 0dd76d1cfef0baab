import { bareGrpc } from '../contenders/grpc.mjs';
import { rawKv } from '../contenders/kv.mjs';
import { rxlock, rxlockOverClient } from '../contenders/rxlock.mjs';
import { allocated, inFlight, interleaved, quantile, row, timed } from '../measure.mjs';
import { counted } from '../metrics.mjs';

export const title = 'Many at a time: acquire and release of distinct keys, so many in flight';

const WIDTHS = [{ width: 8 }, { width: 64, least: 6 }, { width: 512, least: 10 }];

export async function run({ url, quick, progress }) {
  const rounds = quick ? 5 : 15;
  const widths = quick ? WIDTHS.filter(({ least }) => least) : WIDTHS;
  const perRound = (width) => Math.max(width * 2, quick ? 256 : 512);
  const contenders = [await bareGrpc(url), rxlock(url), rxlockOverClient(url), ...(quick ? [] : [await rawKv(url)])];
  const warmups = 2;
  const tick = progress((rounds + warmups + 1) * contenders.length * widths.length);
  let keys = 0;
  const some = (cycle, width, count) => {
    const fresh = Array.from({ length: count }, () => `in-flight/${(keys += 1)}`);
    return inFlight(width, fresh, cycle);
  };

  const tables = [];
  const targets = [];
  for (const { width, least } of widths) {
    const total = perRound(width);
    const requests = {};
    const waits = Object.fromEntries(contenders.map(({ name }) => [name, []]));
    for (const { name, cycle } of contenders) {
      await some(cycle, width, total);
      requests[name] = (await counted(url, () => some(cycle, width, total))).total / total;
      tick();
    }
    const samples = await interleaved(
      contenders.map(({ name, cycle }) => ({
        name,
        round: async (round) => {
          const one = async (key) => {
            const took = await timed(() => cycle(key));
            if (round >= 0) waits[name].push(took);
          };
          return total / ((await timed(() => some(one, width, total))) / 1000);
        },
      })),
      { rounds, warmups, tick },
    );
    const rows = contenders.map(({ name }) => ({
      ...row(samples, name, 'bare grpc-js'),
      requests: requests[name],
      note: `p50 ${quantile(waits[name], 0.5).toFixed(1)} ms, p99 ${quantile(waits[name], 0.99).toFixed(1)} ms`,
    }));
    tables.push({ name: `${width} in flight`, unit: 'cycles/s', rows });
    if (least !== undefined) {
      const { ratio } = rows.find(({ name }) => name === 'rxlock');
      targets.push({ figure: `rxlock / bare grpc-js, ${width} in flight`, least, value: ratio.median });
    }
  }
  const { width } = widths.at(-1);
  const ours = contenders.find(({ name }) => name === 'rxlock').cycle;
  const cycles = 8 * width;
  targets.push({
    figure: `KB allocated by a cycle of rxlock, ${width} in flight`,
    most: 8,
    value: (await allocated(() => some(ours, width, cycles))) / cycles / 1024,
  });
  for (const contender of contenders) await contender.close();
  return { tables, targets };
}
