/**
 * The picture of a run, and of a part of it.
 */
import { describe, expect, it } from '@jest/globals';
import { partOf, timelineOf } from '../../torture/timeline.mjs';
import { held, history } from './histories.js';

const run = history({
  clients: { 'c1.0': [held(1000, 3000), held(12_000, 13_000)], 'c2.0': [held(4000, 4001, { token: 4000 })] },
  run: [
    { t: 500, type: 'fault', lane: 'client', name: 'blip', target: 'c1.0', from: 500 },
    { t: 2500, type: 'healed', lane: 'client', name: 'blip', target: 'c1.0', from: 500 },
  ],
});

describe('the timeline', () => {
  it('names who held what and when, where that is wide enough to be pointed at', () => {
    expect(timelineOf(run, [])).toContain('<title>c1.0 #1, mutex, 1.000 s, 2000 ms</title>');
  });

  it('draws those of one client that are narrower as one line', () => {
    expect(timelineOf(run, [])).toMatch(/<path d="M[\d.]+ [\d.]+h0.4" stroke="#ee8866"/);
  });

  it('marks each violation', () => {
    const violation = { rule: 'a rule', t: 2000, key: 'm/0', message: 'broken' };
    expect(timelineOf(run, [violation])).toContain('<title>a rule: broken</title>');
  });

  it('of a part has what touches it, cut off at its ends', () => {
    const { holds, faults } = partOf(run, { from: 2, until: 5 });
    expect(holds.map(({ from, until }) => [from, until])).toEqual([
      [2000, 3000],
      [4000, 4001],
    ]);
    expect(faults.map(({ from, until }) => [from, until])).toEqual([[2000, 2500]]);
  });
});
