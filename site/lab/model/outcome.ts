/**
 * What a run comes to, in a few numbers: what the presets promise and the page shows.
 */
import { beliefsOf, overlapsOf } from './intervals.js';
import type { Overlap } from './intervals.js';
import type { ExpectedEnd } from './presets.js';
import type { Trace } from './trace.js';

export interface Outcome {
  /** How each contention ended, in the order of their beginnings, such as `a done`. */
  readonly ends: readonly string[];
  /** The ticks in which two believed that they held what only one can. */
  readonly twoHold: number;
  readonly overlaps: readonly Overlap[];
  /** Writes that arrived at the counters. */
  readonly writes: number;
  /** Of these, the ones that the counter without fencing has forgotten. */
  readonly lostUpdates: number;
  /** Writes that the counter with fencing refused. Nothing where the client has no tokens. */
  readonly refused: number | undefined;
  /** How often work of `once` was done again that had been done. */
  readonly repeats: number;
  /** How many wait at the end for a key of each other's, and hold one themselves. */
  readonly stuck: number;
}

export function outcomeOf(trace: Trace, end: number): Outcome {
  const overlaps = overlapsOf(beliefsOf(trace, end));
  const last = new Map(trace.writes.map(({ key, plain }) => [key, plain.after]));
  const counted = [...last.values()].reduce((sum, value) => sum + value, 0);
  const hasTokens = trace.client === 'rxlock';
  return {
    ends: trace.holds.map(({ contention, ending, heldAt }) => {
      const word = ending === 'open' ? (heldAt === undefined ? 'waiting' : 'holding') : ending;
      return `${contention.process.id} ${word}`;
    }),
    twoHold: overlaps.reduce((sum, { from, to }) => sum + to - from, 0),
    overlaps,
    writes: trace.writes.length,
    lostUpdates: trace.writes.length - counted,
    repeats: repeatsIn(trace),
    stuck: stuckIn(trace),
    refused: hasTokens ? trace.writes.filter(({ fenced }) => fenced?.refused).length : undefined,
  };
}

function repeatsIn({ holds }: Trace): number {
  const done = holds.filter(({ contention, ending }) => contention.kind === 'once' && ending === 'done');
  return done.length - new Set(done.map(({ contention }) => contention.keys.join())).size;
}

/** Whoever has one of several keys at the end and still waits; alone it only waits for its turn. */
function stuckIn({ holds, queues }: Trace): number {
  const last = new Map(queues.map(({ key, claims }) => [key, claims]));
  const stuck = holds.filter(
    ({ contention: { keys, process }, ending, heldAt }) =>
      keys.length > 1 &&
      ending === 'open' &&
      heldAt === undefined &&
      keys.some((key) => last.get(key)?.some((claim) => claim.holds && claim.owner === process.id)),
  );
  return stuck.length > 1 ? stuck.length : 0;
}

/** The outcome in the words of the presets. */
export const endOf = ({ ends, twoHold, lostUpdates, refused = 0, repeats }: Outcome): ExpectedEnd => ({
  ends,
  twoHold: twoHold > 0,
  losesUpdates: lostUpdates > 0,
  refuses: refused > 0,
  repeats: repeats > 0,
});
