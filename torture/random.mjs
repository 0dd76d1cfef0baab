/**
 * Choices from a seed: the same seed, the same choices.
 */
import { createHash } from 'node:crypto';

/**
 * @typedef {object} Random
 * @property {() => number} next from 0 to less than 1
 * @property {(low: number, high: number) => number} between
 * @property {(probability: number) => boolean} chance
 * @property {<T>(list: readonly T[]) => T} pick
 * @property {<T>(list: readonly T[]) => T[]} shuffled
 */

/**
 * @param {string} seed
 * @returns {Random}
 */
export function createRandom(seed) {
  let state = createHash('sha256').update(seed).digest().readUInt32LE();
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    chance: (probability) => next() < probability,
    pick: (list) => pickAt(list, next()),
    shuffled: (list) =>
      list
        .map((item) => ({ item, rank: next() }))
        .sort((a, b) => a.rank - b.rank)
        .map(({ item }) => item),
  };
}

/**
 * The item at a place that is given as a part of the length, from 0 to less than 1.
 *
 * @template T
 * @param {readonly T[]} list
 * @param {number} part
 * @returns {T}
 */
export const pickAt = (list, part) => /** @type {T} */ (list[Math.floor(part * list.length)]);
