/**
 * Each guard of the engine is taken out, and the simulator must find that out: what it does not miss is not proven.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';

jest.setTimeout(120_000);

const ROOT = join(__dirname, '../..');
/** How many schedules it may take; each guard here is found within a third of them. */
const SEEDS = '3000';

/** An ES module, which specs in CommonJS cannot import. */
const names = [...readFileSync(join(__dirname, 'guards.mjs'), 'utf8').matchAll(/^ {2}'(.+)': \[/gm)].map(
  ([, name = '']) => name,
);

describe('the simulator misses', () => {
  it('all guards that are listed', () => {
    expect(names.length).toBeGreaterThan(15);
  });

  it.each(names)('%s', (name) => {
    const run = [join(__dirname, 'run.mjs'), '--seeds', SEEDS, '--without', name];
    const { status, stdout, stderr } = spawnSync(process.execPath, run, { cwd: ROOT, encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toMatch(/schedule \d+ violates/);
    expect(status).toBe(0);
  });
});
