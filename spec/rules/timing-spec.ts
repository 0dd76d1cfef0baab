/**
 * The arithmetic of a lease at its limits.
 */
import { describe, expect, it } from '@jest/globals';
import { deadline, timingOf } from '../../src/rules/timing.js';
import { backoff } from '../../src/time/backoff.js';

const none = { renewEvery: undefined, safetyMargin: undefined };

describe('the timing of a lease', () => {
  it('takes what is asked for, up to half of the ttl for the margin and three quarters of the rest for a renewal', () => {
    const most = timingOf(100, { safetyMargin: 50, renewEvery: 37.5 });
    expect(most).toEqual({ ttl: 100, margin: 50, renewEvery: 37.5, attempt: 100 / 6, clamped: [] });
    const more = timingOf(100, { safetyMargin: 51, renewEvery: 38 });
    expect(more).toMatchObject({ margin: 50, renewEvery: 37.5 });
    expect(more.clamped).toHaveLength(2);
    expect(timingOf(100, { safetyMargin: 20, renewEvery: 60 })).toMatchObject({ renewEvery: 60, clamped: [] });
  });

  it('has defaults that fit any ttl of half a second or more', () => {
    expect(timingOf(500, none)).toMatchObject({ margin: 250, clamped: [] });
    expect(timingOf(2500, none)).toMatchObject({ margin: 250, clamped: [] });
    expect(timingOf(2600, none)).toMatchObject({ margin: 260, clamped: [] });
  });

  it('ends a margin before the ttl', () => {
    expect(deadline(7, timingOf(100, { ...none, safetyMargin: 20 }))).toBe(87);
  });
});

describe('the pause before the next attempt', () => {
  const least = (failures: number, ttl: number): number => backoff(failures, ttl, () => 0);
  const most = (failures: number, ttl: number): number => backoff(failures, ttl, () => 1);

  it('is half of it random', () => {
    expect([least(1, 10_000), backoff(1, 10_000, () => 0.5), most(1, 10_000)]).toEqual([25, 38, 50]);
  });

  it('does not shrink where nothing has failed yet', () => {
    expect(most(0, 10_000)).toBe(50);
  });

  it('is a fiftieth of a short ttl first, a sixth of it at most', () => {
    expect([1, 2, 3, 4, 5].map((failures) => most(failures, 600))).toEqual([12, 24, 48, 96, 100]);
  });

  it('is 50 ms first, a second at most, for any long ttl', () => {
    expect([1, 2, 6, 20].map((failures) => most(failures, 86_400_000))).toEqual([50, 100, 1000, 1000]);
  });
});
