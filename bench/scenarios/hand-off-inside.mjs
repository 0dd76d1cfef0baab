import { of } from 'rxjs';
import { usingLock } from 'rxlock';
import { rawKv } from '../contenders/kv.mjs';
import { rxlock } from '../contenders/rxlock.mjs';
import { leaving, queueing } from '../contenders/transactions.mjs';
import { interleaved, quantile, row, summary, timed } from '../measure.mjs';
import { counted } from '../metrics.mjs';

export const title = 'Hand-off inside a process: 1,000 waiters, all queued, through one mutex';

const WAITERS = 1000;
const DELETES = 20;

export async function run({ url, quick, progress }) {
  const rounds = quick ? 5 : 15;
  const ours = rxlock(url);
  const kv = await rawKv(url);
  const gaps = [];
  const requests = [];

  const chain = async (round) => {
    const heldAt = [];
    const { open, done } = await queuedUp(ours.locks, `inside/${round}`, () => heldAt.push(performance.now()));
    const { result, total } = await counted(url, () =>
      timed(() => {
        open();
        return done;
      }),
    );
    if (round >= 0) {
      gaps.push(...heldAt.slice(1).map((at, i) => at - heldAt[i]));
      requests.push(total / WAITERS);
    }
    return result / 1000;
  };

  const put = async (name) => {
    const { key, txn } = queueing(name, kv.lease);
    const { header } = await kv.client.kv.txn(txn);
    return leaving(key, header.revision);
  };
  const deletes = async (round) => {
    const leaves = await Promise.all(Array.from({ length: WAITERS }, (_, i) => put(`deletes/${round}/${i}`)));
    return (await timed(() => Promise.all(leaves.map((txn) => kv.client.kv.txn(txn))))) / 1000;
  };
  const trips = [];
  const trip = async (round) => {
    for (let i = 0; i < DELETES; i += 1) {
      const leave = await put(`trip/${round}/${i}`);
      trips.push(await timed(() => kv.client.kv.txn(leave)));
    }
    return quantile(trips.slice(-DELETES), 0.5) / 1000;
  };

  const contenders = [
    { name: 'rxlock', round: chain },
    { name: 'raw kv, 1,000 guarded deletes at once', round: deletes },
    { name: 'raw kv, one guarded delete', round: trip },
  ];
  const warmups = quick ? 1 : 3;
  const tick = progress((rounds + warmups) * contenders.length);
  const samples = await interleaved(contenders, { rounds, warmups, tick });
  await ours.close();
  await kv.close();

  const against = 'raw kv, 1,000 guarded deletes at once';
  const rows = contenders.map(({ name }) => row(samples, name, name === 'rxlock' ? against : undefined));
  const [first] = rows;
  first.requests = summary(requests).median;
  first.note = `held to next held: p50 ${(quantile(gaps, 0.5) * 1000).toFixed(0)} µs, p99 ${(quantile(gaps, 0.99) * 1000).toFixed(0)} µs`;
  return {
    tables: [{ unit: 's from the gate to the last completion', rows }],
    targets: [
      { figure: '1,000 waiters through one mutex, s', most: 0.2, value: first.rounds.median },
      {
        figure: 'held to next held / one guarded delete (a request on the path makes it 1 or more)',
        most: 0.5,
        value: quantile(gaps, 0.5) / 1000 / summary(samples['raw kv, one guarded delete']).median,
      },
    ],
  };
}

/** The gate is held and everybody waits behind it; `open` lets them go, `done` is when the last one has completed. */
async function queuedUp(locks, key, onHeld) {
  const lock = locks.mutex(key);
  const gate = await lock.acquire();
  let queued = 0;
  const allQueued = new Promise((resolve) => {
    const events = locks.events$.subscribe((event) => {
      if (event.type !== 'queued' || event.key !== key) return;
      queued += 1;
      if (queued < WAITERS) return;
      events.unsubscribe();
      resolve();
    });
  });
  const bodies = Array.from(
    { length: WAITERS },
    () =>
      new Promise((resolve, reject) => {
        const body = () => {
          onHeld();
          return of(1);
        };
        usingLock(lock, body).subscribe({ complete: resolve, error: reject });
      }),
  );
  await allQueued;
  return { open: () => gate.release(), done: Promise.all(bodies) };
}
