/**
 * The alarm when a change costs speed: counts, and ratios within one run with wide margins, never a time by itself. What
 * they are about is in bench/README.md; the targets there are narrower, and for a quiet machine.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

jest.setTimeout(240_000);

const ROOT = join(__dirname, '../..');
const SCENARIOS = ['sequential', 'in-flight', 'hand-off-between', 'hand-off-inside', 'held', 'engine', 'once'];

interface Row {
  readonly name: string;
  readonly rounds: { readonly median: number };
  readonly ratio?: { readonly median: number };
  readonly requests?: number;
}

interface Figures {
  readonly scenarios: Readonly<
    Record<
      string,
      {
        readonly failed?: string;
        readonly tables: readonly { readonly name?: string; readonly rows: readonly Row[] }[];
        readonly targets: readonly { readonly figure: string; readonly value: number }[];
      }
    >
  >;
}

describe('a quick run of the bench', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rxlock-bench-'));
  let figures: Figures;

  const rowOf = (scenario: string, name: string, table?: string): Row => {
    const tables = figures.scenarios[scenario]?.tables.filter((one) => table === undefined || one.name === table) ?? [];
    const found = tables.flatMap(({ rows }) => rows).find((row) => row.name === name);
    if (!found) throw new Error(`${scenario} has no row "${name}": ${figures.scenarios[scenario]?.failed ?? ''}`);
    return found;
  };
  const figureOf = (scenario: string, figure: string): number | undefined =>
    figures.scenarios[scenario]?.targets.find((target) => target.figure.startsWith(figure))?.value;

  beforeAll(() => {
    const json = join(folder, 'figures.json');
    const only = SCENARIOS.flatMap((name) => ['--only', name]);
    const run = [join(ROOT, 'bench/run.mjs'), '--quick', '--json', json, ...only];
    const { status, stdout, stderr } = spawnSync(process.execPath, run, { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${stdout}\n${stderr}`);
    figures = JSON.parse(readFileSync(json, 'utf8')) as Figures;
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['rxlock', "rxlock, user's client", 'rxlock, withLock'])(
    'a cycle of %s is two requests, and no more than the double of what they take without it',
    (name) => {
      const { requests, ratio } = rowOf('sequential', name);
      expect(requests).toBeLessThan(2.1);
      expect(ratio?.median).toBeLessThan(2);
    },
  );

  it.each([
    ['64 in flight', 0.1, 1.7],
    ['512 in flight', 0.06, 2],
  ])('%s travel together', (table, most, least) => {
    const { requests, ratio } = rowOf('in-flight', 'rxlock', table);
    expect(requests).toBeLessThan(most);
    expect(ratio?.median).toBeGreaterThan(least);
  });

  it.each([1, 10, 100])('with %i waiting, a hand-off between processes is two requests', (waiters) => {
    expect(rowOf('hand-off-between', `rxlock, ${String(waiters)} waiting`).requests).toBeLessThan(2.2);
  });

  it('a hand-off within a process has no request on its path', () => {
    expect(figureOf('hand-off-inside', 'held to next held')).toBeLessThan(0.5);
  });

  it('10,000 locks are held on one lease, renewed once in a third of its ttl', () => {
    // Claims travel in groups. Each lock is watched once it has been held for a while: one message on the stream.
    expect(rowOf('held', 'rxlock').requests).toBeLessThan(1.1);
    expect(figureOf('held', 'leases')).toBe(1);
    expect(figureOf('held', 'keepalives')).toBeLessThan(2);
    expect(figureOf('held', 'heap per lock')).toBeLessThan(6);
  });

  it('what one does for all costs who waits its place and its withdrawal, and a process its watches', () => {
    expect(figureOf('once', 'requests for each process, however many wait in it')).toBeLessThan(20);
    expect(figureOf('once', 'requests for each of 100 in a tick')).toBeLessThan(9);
  });

  it('withLock allocates some 20 KB a cycle, beside a server in the same memory', () => {
    const { median } = rowOf('engine', 'withLock, distinct keys', 'allocated').rounds;
    expect(median).toBeGreaterThan(0);
    expect(median).toBeLessThan(32_000);
  });
});
