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
    const total = { held: 0, together: 0, beside: 0, asked: 0, lost: 0, emitted: 0, requeued: 0, ran: 0, given: 0 };
    const add = (account: Account): void => {
      total.held += account.held;
      total.together += account.together;
      total.beside += account.beside;
      total.asked += account.asked;
      total.lost += account.lost;
      total.emitted += account.emitted;
      total.requeued += account.requeued;
      total.ran += account.ran;
      total.given += account.given;
    };
    fc.assert(
      fc.property(schedules, (schedule) => add(simulate(schedule))),
      { numRuns: RUNS, seed: SEED },
    );
    // A run in which nothing happens proves nothing.
    expect(total.held).toBeGreaterThan(RUNS);
    expect(total.together).toBeGreaterThan(RUNS / 2);
    expect(total.beside).toBeGreaterThan(RUNS / 10);
    expect(total.asked).toBeGreaterThan(RUNS / 10);
    expect(total.lost).toBeGreaterThan(RUNS / 10);
    expect(total.emitted).toBeGreaterThan(10 * RUNS);
    expect(total.requeued).toBeGreaterThan(RUNS / 10);
    expect(total.ran).toBeGreaterThan(RUNS / 2);
    expect(total.given).toBeGreaterThan(RUNS / 4);
  });
});
