/**
 * The choice of faults: the same for the same seed, and none is forgotten.
 */
import { describe, expect, it } from '@jest/globals';
import { decksFor } from '../../torture/faults.mjs';
import { schedule } from '../../torture/schedule.mjs';

const TWO_MINUTES = 120_000;
const decks = decksFor(5000);
const namesIn = (deck: readonly { readonly name: string }[] = []): readonly string[] =>
  deck.map(({ name }) => name).sort();

describe('a schedule', () => {
  it('is the same for the same seed', () => {
    const again = (): unknown => schedule({ seed: '7', length: TWO_MINUTES, decks });
    expect(again()).toEqual(again());
  });

  it('is another one for another seed', () => {
    const first = schedule({ seed: '7', length: TWO_MINUTES, decks });
    expect(schedule({ seed: '8', length: TWO_MINUTES, decks })).not.toEqual(first);
  });

  it.each(Object.keys(decks))('has every fault of the lane "%s" in its first round', (lane) => {
    const deck = decks[lane] ?? [];
    const planned = schedule({ seed: '7', length: 10 * TWO_MINUTES, decks }).filter((each) => each.lane === lane);
    expect(namesIn(planned.slice(0, deck.length))).toEqual(namesIn(deck));
  });

  it('has no two faults of one lane at a time', () => {
    const lane = schedule({ seed: '7', length: TWO_MINUTES, decks }).filter((each) => each.lane === 'server');
    const overlapping = lane.slice(1).filter(({ at }, i) => at < (lane[i]?.at ?? 0) + (lane[i]?.lasts ?? 0));
    expect(overlapping).toEqual([]);
  });

  it('is over in time', () => {
    const ends = schedule({ seed: '7', length: TWO_MINUTES, decks }).map(({ at, lasts }) => at + lasts);
    expect(Math.max(...ends)).toBeLessThanOrEqual(TWO_MINUTES);
  });
});
