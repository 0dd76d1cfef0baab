/**
 * Which keys a request names: one, all from the first up to the end, or all from the first on.
 */

export interface Range {
  readonly key?: Buffer | undefined;
  readonly range_end?: Buffer | undefined;
}

const isEndless = (end: Buffer): boolean => end.length === 1 && end[0] === 0;

export const covers = ({ key = Buffer.of(), range_end: end }: Range, one: Buffer): boolean => {
  if (!end || end.length === 0) return one.equals(key);
  return one.compare(key) >= 0 && (isEndless(end) || one.compare(end) < 0);
};

export const isEmpty = ({ key = Buffer.of(), range_end: end }: Range): boolean =>
  end !== undefined && end.length > 0 && !isEndless(end) && key.compare(end) >= 0;

/** Whether every key of the inner range is one of the outer one's: how etcd looks at roles. */
export const contains = (outer: Range, inner: Range): boolean => {
  const { key = Buffer.of(), range_end: end } = inner;
  if (!end || end.length === 0) return covers(outer, key);
  if (!outer.range_end || !covers(outer, key)) return false;
  if (isEndless(outer.range_end)) return true;
  return !isEndless(end) && end.compare(outer.range_end) <= 0;
};
