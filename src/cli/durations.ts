/**
 * Durations as people write them: `1.5h`, `30s`, `200ms`. A bare number is refused, since its unit is not clear.
 */
import { UsageError } from './exit.js';

const UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** Milliseconds. @throws UsageError that names the flag */
export function milliseconds(flag: string, text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(text) ?? [];
  const factor = UNITS.get(unit);
  if (factor !== undefined) return Number(digits) * factor;
  const advice =
    digits !== '' && unit === ''
      ? `it has no unit: did you mean ${digits}s?`
      : 'give a number and a unit, such as 30s.';
  throw new UsageError(`${flag} is ${JSON.stringify(text)}: ${advice} The units are ms, s, m, h, d.`);
}

const SHOWN = [...UNITS].reverse();

/** A duration for people, in its two largest units: `1h30m`. */
export function shownDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const parts: string[] = [];
  let left = Math.round(ms / 1000) * 1000;
  for (const [unit, factor] of SHOWN) {
    const count = Math.floor(left / factor);
    left -= count * factor;
    if (count > 0 && factor >= 1000) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join('');
}
