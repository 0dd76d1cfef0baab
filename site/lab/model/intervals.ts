/**
 * When who believes to hold what, and when two believe so that cannot both.
 */
import { PERMITS } from './schedule.js';
import type { Kind } from './schedule.js';
import type { HoldTrace, Trace } from './trace.js';

/** A key as a contention holds it. */
export interface ContentionKey {
  readonly process: string;
  readonly key: string;
  readonly kind: Kind;
  readonly from: number;
  readonly to: number;
}

export interface Overlap {
  readonly key: string;
  readonly from: number;
  readonly to: number;
}

/**
 * From when to when a holder acts as one. With rxlock that ends at `validUntil` at the latest: what is emitted after it,
 * be it after a stall, goes nowhere.
 */
export function beliefOf(hold: HoldTrace, end: number): { readonly from: number; readonly to: number } | undefined {
  if (hold.heldAt === undefined) return undefined;
  const stopped = Math.min(hold.stoppedAt ?? end, end);
  const to = Math.min(stopped, hold.validUntil ?? Infinity);
  return { from: hold.heldAt, to: Math.max(hold.heldAt, to) };
}

export const beliefsOf = ({ holds }: Trace, end: number): readonly ContentionKey[] =>
  holds.flatMap((hold) => {
    const belief = beliefOf(hold, end);
    const { keys, kind, process } = hold.contention;
    return belief ? keys.map((key) => ({ process: process.id, key, kind, ...belief })) : [];
  });

/** Whether those who hold at the same time are too many. */
function areTooMany(holding: readonly ContentionKey[]): boolean {
  if (holding.every(({ kind }) => kind === 'read')) return false;
  if (holding.every(({ kind }) => kind === 'semaphore')) return holding.length > PERMITS;
  return holding.length > 1;
}

export function overlapsOf(beliefs: readonly ContentionKey[]): readonly Overlap[] {
  return [...new Set(beliefs.map(({ key }) => key))].flatMap((key) => {
    const here = beliefs.filter((belief) => belief.key === key && belief.to > belief.from);
    const instants = [...new Set(here.flatMap(({ from, to }) => [from, to]))].sort((one, other) => one - other);
    return instants.slice(1).flatMap((to, index) => {
      const from = instants[index] ?? to;
      const holding = here.filter((belief) => belief.from <= from && belief.to >= to);
      return areTooMany(holding) ? [{ key, from, to }] : [];
    });
  });
}
