/**
 * The engine against everything that can go wrong, in as many schedules as fit. A failure prints the smallest schedule
 * that fast-check finds, to be replayed with `simulate(schedule)`.
 */
import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { schedules } from './schedule.js';
import { simulate } from './simulate.js';
import type { Account } from './simulate.js';

/** The same ones each time; `npm run simulate -- --seeds 100000 --seed 7` runs as many as asked, from another start. */
const RUNS = 600;
const SEED = 1;

jest.setTimeout(120_000);

describe('the engine', () => {
  it(`keeps its promises in ${String(RUNS)} schedules`, () => {
    const accounts: Account[] = [];
    fc.assert(
      fc.property(schedules, (schedule) => void accounts.push(simulate(schedule))),
      { numRuns: RUNS, seed: SEED },
    );
    const total = (what: keyof Account): number => accounts.reduce((sum, account) => sum + account[what], 0);
    // A run in which nothing happens proves nothing.
    expect(total('held')).toBeGreaterThan(RUNS);
    expect(total('together')).toBeGreaterThan(RUNS / 2);
    expect(total('beside')).toBeGreaterThan(RUNS / 10);
    expect(total('asked')).toBeGreaterThan(RUNS / 10);
    expect(total('lost')).toBeGreaterThan(RUNS / 10);
    expect(total('emitted')).toBeGreaterThan(10 * RUNS);
    expect(total('requeued')).toBeGreaterThan(RUNS / 10);
    expect(total('ran')).toBeGreaterThan(RUNS / 2);
    expect(total('given')).toBeGreaterThan(RUNS / 4);
  });
});
