/**
 * Which fault comes when: pure, from a seed.
 */
import { createRandom } from './random.mjs';

/**
 * @typedef {object} Card a kind of fault that may be drawn
 * @property {string} name
 * @property {readonly [number, number]} lasts milliseconds, from and to
 */

/**
 * @typedef {object} Planned
 * @property {string} lane faults of one lane follow one another, those of two lanes overlap
 * @property {string} name
 * @property {number} at milliseconds from the start
 * @property {number} lasts
 * @property {readonly number[]} draw numbers from 0 to 1, for the fault to choose its victims with
 */

/** Some quiet between two faults of a lane, so that recovery is seen as well. */
const QUIET = /** @type {const} */ ([1000, 4000]);

/** How many choices a fault may make. */
const CHOICES = 4;

/**
 * Each lane deals from a deck of all its kinds, shuffled anew when it is empty: none is forgotten.
 *
 * @param {{ seed: string, length: number, decks: Readonly<Record<string, readonly Card[]>> }} given
 * @returns {Planned[]}
 */
export function schedule({ seed, length, decks }) {
  return Object.entries(decks)
    .flatMap(([lane, deck]) => laneOf(lane, deck, createRandom(`${seed}/${lane}`), length))
    .sort((a, b) => a.at - b.at);
}

function laneOf(lane, deck, random, length) {
  const planned = [];
  let stack = [];
  let at = random.between(...QUIET);
  for (;;) {
    if (stack.length === 0) stack = random.shuffled(deck);
    const { name, lasts: range } = stack.pop();
    const lasts = Math.round(random.between(...range));
    const draw = Array.from({ length: CHOICES }, random.next);
    if (at + lasts > length) return planned;
    planned.push({ lane, name, at: Math.round(at), lasts, draw });
    at += lasts + random.between(...QUIET);
  }
}
