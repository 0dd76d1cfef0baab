/**
 * Each guard of the engine is taken out, and the simulator must find that out: what it does not miss is not proven.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';

jest.setTimeout(600_000);

const ROOT = join(__dirname, '../..');
/** How many schedules it may take; each guard here is found within half of them. */
const SEEDS = '3000';

/** An ES module, which specs in CommonJS cannot import. */
const names = [...readFileSync(join(__dirname, 'guards.mjs'), 'utf8').matchAll(/^ {2}'(.+)': \[/gm)].map(
  ([, name = '']) => name,
);

describe('the simulator misses', () => {
  let report = '';

  beforeAll(() => {
    const run = [join(__dirname, 'run.mjs'), '--seeds', SEEDS, '--guards'];
    const { stdout, stderr } = spawnSync(process.execPath, run, { cwd: ROOT, encoding: 'utf8' });
    report = `${stdout}${stderr}`;
  });

  it('all guards that are listed', () => {
    expect(names.length).toBeGreaterThan(30);
  });

  it.each(names)('%s', (name) => {
    const of = report.split('\n').filter((line) => line.startsWith(`without "${name}": `));
    expect(of).toEqual([expect.stringMatching(/: schedule \d+ violates: /)]);
  });
});
