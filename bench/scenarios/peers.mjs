import { GO, PEERS, RXLOCK } from '../contenders/peers.mjs';
import { inFlight, interleaved, quantile, ratio, row, timed } from '../measure.mjs';
import { serversFor } from '../servers.mjs';

export const title =
  'The peers: acquire and release of distinct keys, so many in flight, each contender on its own server';
export const server = false;

const MOST = 512;
const WIDTHS = [1, 8, 64, MOST];

/** At least so many in a round, so that a fast one is not measured by the start of its workers. */
const cyclesAt = (width, quick) => (width === 1 ? (quick ? 20 : 40) : Math.max(2 * width, quick ? 64 : 256));

export async function run({ quick, progress }) {
  const rounds = quick ? 3 : 11;
  const warmups = 1;
  const { urls, absent, stop } = await serversFor(PEERS);
  const names = Object.keys(urls);
  const contenders = [];
  for (const name of names) contenders.push({ name, ...(await PEERS[name].open(urls[name])) });
  const tick = progress((rounds + warmups) * names.length * WIDTHS.length);
  let keys = 0;

  const tables = [];
  const targets = [];
  for (const width of WIDTHS) {
    const cycles = cyclesAt(width, quick);
    const waits = Object.fromEntries(names.map((name) => [name, []]));
    const samples = await interleaved(
      contenders.map(({ name, take }) => ({
        name,
        round: async (round) => {
          const fresh = Array.from({ length: cycles }, () => `peers/${(keys += 1)}`);
          const cycle = async (key) => {
            const took = await timed(async () => (await take(key))());
            if (round >= 0) waits[name].push(took);
          };
          return cycles / ((await timed(() => inFlight(width, fresh, cycle))) / 1000);
        },
      })),
      { rounds, warmups, tick },
    );
    const rows = names.map((name) => ({
      ...row(samples, name, 'bare grpc-js'),
      note: `p50 ${quantile(waits[name], 0.5).toFixed(2)} ms, p99 ${quantile(waits[name], 0.99).toFixed(2)} ms`,
    }));
    if (width === MOST && GO in samples) {
      const value = ratio(samples[RXLOCK], samples[GO]).median;
      targets.push({ figure: `rxlock / ${GO}, ${width} in flight`, least: 4, value });
    }
    tables.push({ name: width === 1 ? 'one after another' : `${width} in flight`, width, unit: 'cycles/s', rows });
  }
  for (const contender of contenders) await contender.close();
  await stop();
  return { tables, targets, absent };
}
