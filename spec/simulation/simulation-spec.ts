/**
 * The engine against everything that can go wrong, in as many schedules as fit. A failure prints the smallest schedule
 * that fast-check finds, to be replayed with `simulate(schedule)`.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { schedules } from './schedule.js';
import { simulate } from './simulate.js';
import type { Account } from './simulate.js';

/** The same ones each time; `npm run simulate -- --seeds 100000 --seed 7` runs as many as asked, from another start. */
const RUNS = 600;
const SEED = 1;

jest.setTimeout(120_000);

// Thousands of errors are made for what gets lost on the simulated network, and nobody reads where.
const { stackTraceLimit } = Error;
beforeAll(() => void (Error.stackTraceLimit = 0));
afterAll(() => void (Error.stackTraceLimit = stackTraceLimit));

describe('the engine', () => {
  it(`keeps its promises in ${String(RUNS)} schedules`, () => {
    const totals: Record<string, number> = {};
    const simulated = fc.property(schedules, (schedule) => {
      for (const [what, count] of Object.entries<number>({ ...simulate(schedule) }))
        totals[what] = (totals[what] ?? 0) + count;
    });
    fc.assert(simulated, { numRuns: RUNS, seed: SEED });
    // A run in which nothing happens proves nothing.
    const enough: Record<keyof Account, number> = {
      held: RUNS,
      together: RUNS / 2,
      beside: RUNS / 10,
      asked: RUNS / 20,
      lost: RUNS / 10,
      emitted: 10 * RUNS,
      requeued: RUNS / 10,
      refused: RUNS / 10,
      restored: RUNS / 10,
      ran: RUNS / 2,
      given: RUNS / 4,
      proclaimed: RUNS / 20,
      seen: RUNS / 2,
    };
    const missing = Object.entries(enough).filter(([what, count]) => (totals[what] ?? 0) < count);
    expect({ missing, totals }).toMatchObject({ missing: [] });
  });
});
