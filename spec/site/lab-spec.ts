/**
 * The model of the lock lab: schedules, URLs, runs and copied specs. The page is tested by `npm run site:test`.
 */
import * as rxjs from 'rxjs';
import * as rxjsTesting from 'rxjs/testing';
import { transformSync } from '@swc/core';
import * as jestGlobals from '@jest/globals';
import { describe, expect, it } from '@jest/globals';
import * as rxlock from '../../src/index.js';
import * as rxlockTesting from '../../src/testing/index.js';
import { endOf } from '../../site/lab/model/outcome.js';
import { PRESETS } from '../../site/lab/model/presets.js';
import { programOf } from '../../site/lab/model/program.js';
import { runLab } from '../../site/lab/model/run.js';
import { KEEP } from '../../site/lab/model/schedule.js';
import { specText } from '../../site/lab/model/spec-text.js';
import { CLIENTS } from '../../site/lab/model/trace.js';
import { fromFragment, toFragment } from '../../site/lab/model/url.js';
import { scheduleOf } from './schedules.js';

/** Runs a copied spec as Jest would, its `it` included, and says how often it compared anything. */
function runCopied(text: string): number {
  const { code } = transformSync(text, {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  const bodies: (() => void)[] = [];
  let comparisons = 0;
  const counted = (actual: unknown): unknown => {
    comparisons += 1;
    return expect(actual);
  };
  const modules: Readonly<Record<string, unknown>> = {
    rxjs,
    rxlock,
    '@jest/globals': { ...jestGlobals, expect: counted, it: (_: string, body: () => void) => bodies.push(body) },
    'rxjs/testing': rxjsTesting,
    'rxlock/testing': rxlockTesting,
  };
  // The text is TypeScript made above, from our own lab.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const load = new Function('require', 'exports', code) as (
    require: (name: string) => unknown,
    exports: object,
  ) => void;
  load((name) => modules[name], {});
  for (const body of bodies) body();
  expect(bodies).toHaveLength(1);
  return comparisons;
}

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed + 1);

describe('the lock lab', () => {
  it.each(PRESETS.map((preset) => [preset.id, preset] as const))('%s ends as it promises', (_, preset) => {
    const { schedule, unread } = fromFragment(preset.fragment);
    expect(unread).toEqual([]);
    expect(toFragment(schedule)).toBe(preset.fragment);
    const { outcomes } = runLab(schedule);
    for (const client of CLIENTS) {
      expect({ client, ...endOf(outcomes[client]) }).toEqual({ client, ...preset.expected[client] });
    }
  });

  it.each(SEEDS)('seed %d: the URL gives the same schedule, and the schedule the same run', (seed) => {
    const schedule = scheduleOf(seed);
    const { schedule: again, unread } = fromFragment(`#${toFragment(schedule)}`);
    expect(unread).toEqual([]);
    expect(again).toEqual(schedule);
    const [one, other] = [runLab(schedule), runLab(again)];
    expect(other).toEqual(one);
    // Whatever happens, no two of them hold, and the counter that looks at the tokens forgets nothing.
    expect(one.outcomes.rxlock.overlaps).toEqual([]);
  });

  it.each(SEEDS)('seed %d: the copied spec passes', (seed) => {
    const schedule = fromFragment(toFragment(scheduleOf(seed))).schedule;
    const wants = programOf(schedule).contentions.length;
    const compared = runCopied(specText(schedule));
    expect(compared).toBeGreaterThan(0);
    expect(compared).toBeLessThanOrEqual(wants);
  });

  it('the copied spec fails where the run is another one', () => {
    const text = specText(fromFragment(PRESETS[1]?.fragment ?? '').schedule);
    expect(text).toContain('at(20,');
    expect(() => runCopied(text.replace('at(20,', 'at(40,'))).toThrow();
  });

  it('work that is done once is marked until its time is over, and the copied spec has it', () => {
    const { schedule } = fromFragment('2.24.4.1.120_2a-want.once.k.10_30b-want.once.k.10_90b-want.once.k.10');
    const { traces, outcomes } = runLab(schedule);
    expect(outcomes.rxlock.ends).toEqual(['a done', 'b given', 'b done']);
    expect(traces.rxlock.marks).toMatchObject([
      { key: 'k', by: 'a', at: 21, until: 21 + KEEP },
      { key: 'k', by: 'b', until: expect.any(Number) },
    ]);
    const text = specText(schedule);
    expect(text).toContain("import { runOnce } from 'rxlock';");
    expect(runCopied(text)).toBe(3);
    expect(() => runCopied(text.replaceAll(`keep: ${KEEP}`, 'keep: 100'))).toThrow();
  });

  it('whoever has one of two keys and waits for the other one for ever is stuck; who waits for a turn is not', () => {
    const stuckIn = (fragment: string): readonly number[] => {
      const { outcomes } = runLab(fromFragment(fragment).schedule);
      return CLIENTS.map((client) => outcomes[client].stuck);
    };
    expect(CLIENTS).toEqual(['rxlock', 'set-nx', 'late-lease']);
    expect(stuckIn('2.24.4.1.100_2a-want.all.x+y.16_2b-want.all.y+x.16')).toEqual([0, 0, 2]);
    expect(stuckIn('2.24.4.1.100_2a-want.all.x+y.200_20b-want.all.x+y.16')).toEqual([0, 0, 0]);
  });

  it('a job is due by the clock of each process: late on a late one, never on one set beyond it, again on one set back', () => {
    const due = (actions: string): readonly string[] =>
      programOf(fromFragment(`3.24.4.1.120_${actions}`).schedule).contentions.map(
        ({ at, process, kind, keys }) => `${at} ${process.id} ${kind} ${keys.join()}`,
      );
    expect(due('0b-clock.-6_0c-clock.6_10s-tick.job.5')).toEqual([
      '4 c once job10',
      '10 a once job10',
      '16 b once job10',
    ]);
    expect(due('5b-clock.20_0c-kill_10s-tick.job.5')).toEqual(['10 a once job10']);
    expect(due('15a-clock.-10_0b-kill_0c-kill_10s-tick.job.5')).toEqual(['10 a once job10', '20 a once job10']);
  });

  it('a fragment that cannot be read is named, not guessed', () => {
    const { schedule, unread } = fromFragment('#9.24.4.1.999_2a-want.mutex.k.18_3z-cut_4a-want.mutex.K.1_5a-freeze_x');
    expect(unread).toEqual(['3z-cut', '4a-want.mutex.K.1', '5a-freeze', 'x']);
    expect(schedule).toMatchObject({ processes: 5, end: 400 });
    expect(schedule.actions).toHaveLength(1);
  });
});
