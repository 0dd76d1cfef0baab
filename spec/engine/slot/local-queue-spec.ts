/**
 * Who came first among those of one `Locks` who want the one place of a key.
 */
import { describe, expect, it } from '@jest/globals';
import { createLocalQueue } from '../../../src/engine/slot/local-queue.js';

const ranked = (...keys: string[]) => {
  const ranks = createLocalQueue();
  const told: number[] = [];
  const joined = keys.map((key, i) => {
    const rank = ranks.join(key);
    rank.first$.subscribe(() => told.push(i));
    return rank;
  });
  return { joined, told, first: () => joined.map((rank) => rank.isFirst()) };
};

describe('of those who want the one place', () => {
  it('only the one who came first is first, of each key', () => {
    const { first, told } = ranked('k', 'k', 'k', 'l');
    expect(first()).toEqual([true, false, false, true]);
    expect(told).toEqual([]);
  });

  it('the next one is told when the first leaves, once', () => {
    const { joined, first, told } = ranked('k', 'k', 'k');
    joined[0]?.leave(false);
    expect(told).toEqual([1]);
    expect(first()).toEqual([false, true, false]);
    joined[0]?.leave(false);
    expect(told).toEqual([1]);
  });

  it('nobody is told when one leaves who was not first, nor made first who is not next', () => {
    const { joined, first, told } = ranked('k', 'k', 'k');
    joined[1]?.leave(false);
    expect(told).toEqual([]);
    expect(first()).toEqual([true, false, false]);
    joined[0]?.leave(false);
    expect(told).toEqual([2]);
  });

  it('who comes after all have left is first, and may leave when nobody is there', () => {
    const ranks = createLocalQueue();
    const before = ranks.join('k');
    before.leave(false);
    before.leave(false);
    const after = ranks.join('k');
    before.leave(false);
    expect(after.isFirst()).toBe(true);
    expect(before.isFirst()).toBe(false);
  });

  it('the next one may try at once where the place was given back, but for each seventeenth', () => {
    const turns = createLocalQueue();
    const told: boolean[] = [];
    const joined = Array.from({ length: 20 }, () => turns.join('k'));
    for (const turn of joined) turn.first$.subscribe((isHandedOn) => told.push(isHandedOn));
    for (const turn of joined.slice(0, 18)) turn.leave(true);
    expect(told).toEqual([...Array.from({ length: 16 }, () => true), false, true]);
    joined[18]?.leave(false);
    expect(told.at(-1)).toBe(false);
  });

  it('who comes while others wait is behind them, also when the first has left', () => {
    const turns = createLocalQueue();
    const [first, second] = [turns.join('k'), turns.join('k')];
    first.leave(false);
    const third = turns.join('k');
    expect([first, second, third].map((turn) => turn.isFirst())).toEqual([false, true, false]);
  });

  it('who leaves twice takes no turn from those who came since', () => {
    const turns = createLocalQueue();
    const before = turns.join('k');
    before.leave(false);
    const after = turns.join('k');
    before.leave(false);
    const late = turns.join('k');
    expect([after, late].map((turn) => turn.isFirst())).toEqual([true, false]);
  });

  it('nobody pauses for who was there before all had left: nobody waited then', () => {
    const turns = createLocalQueue();
    for (let i = 0; i < 16; i += 1) turns.join('k').leave(true);
    const told: boolean[] = [];
    const [first, second] = [turns.join('k'), turns.join('k')];
    second.first$.subscribe((isHandedOn) => told.push(isHandedOn));
    first.leave(true);
    expect(told).toEqual([true]);
  });
});
