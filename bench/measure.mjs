/**
 * How things are compared: in turns. A machine is never equally fast twice, but two contenders that take turns see the
 * same machine, so the ratio of one round is sound where its two times are not.
 */

import { Session } from 'node:inspector/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Every contender once per round, A, B, C, C, B, A ..., after rounds to warm up that are not counted: to come always
 * after the same one is to pay always for what that one has left to the garbage collector.
 *
 * @param {readonly { name: string, round: (round: number) => Promise<number> | number }[]} contenders
 * @param {{ rounds: number, warmups?: number, tick: () => void }} options
 * @returns {Promise<Record<string, number[]>>} what the rounds of each gave, in their order
 */
export async function interleaved(contenders, { rounds, warmups = 1, tick }) {
  const samples = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  const backwards = [...contenders].reverse();
  for (let round = -warmups; round < rounds; round += 1) {
    for (const { name, round: run } of round % 2 === 0 ? contenders : backwards) {
      const value = await run(round);
      if (round >= 0) samples[name].push(value);
      tick();
      // Promises alone never let a timer run: renewals need a turn of the event loop.
      await nextTurn();
    }
  }
  return samples;
}

/** What is said of some numbers: the median, and between which two the middle half of them lies. */
export function summary(values) {
  return { median: quantile(values, 0.5), low: quantile(values, 0.25), high: quantile(values, 0.75), n: values.length };
}

/** Round by round, since only what ran side by side is comparable. */
export const ratio = (values, baseline) => summary(values.map((value, round) => value / baseline[round]));

export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const [low = NaN, high = low] = sorted.slice(below, below + 2);
  return low + (high - low) * (place - below);
}

/** Milliseconds that a run takes. */
export async function timed(run) {
  const from = performance.now();
  await run();
  return performance.now() - from;
}

/** Bytes that a run allocates on the heap, also those that are collected meanwhile: estimated by V8's sampling. */
export async function allocated(run) {
  const session = new Session();
  session.connect();
  try {
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: 4096,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    await run();
    const { profile } = await session.post('HeapProfiler.stopSampling');
    const sizeOf = ({ selfSize, children }) => children.reduce((sum, child) => sum + sizeOf(child), selfSize);
    return sizeOf(profile.head);
  } finally {
    session.disconnect();
  }
}

/** Each of the keys through `run`, with so many under way at any time. */
export async function inFlight(width, keys, run) {
  let next = 0;
  const worker = async () => {
    while (next < keys.length) {
      const key = keys[next];
      next += 1;
      await run(key);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** A row of the table: a contender, its rounds, and how they compare with those of another one. */
export const row = (samples, name, against) => ({
  name,
  rounds: summary(samples[name]),
  ...(against !== undefined && against !== name && { against, ratio: ratio(samples[name], samples[against]) }),
});
