/**
 * A fleet that moves from microlock to rxlock one process at a time: both at once, on one key, and two of them die.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Subject, filter, firstValueFrom, forkJoin } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { ETCDS } from '../support/etcds.js';
import { within } from '../support/waiting.js';

jest.setTimeout(60_000);

const WORKER = join(__dirname, '../support/fleet-worker.mjs');
const GOAL = 300;
/** Seconds. */
const TTL = 2;

/** A line of a worker's output. */
interface Said {
  readonly by: string;
  readonly of: string;
  readonly words: string;
}

type Entry = { readonly by: string; readonly token?: string } & (
  { readonly read: number } | { readonly wrote: number }
);

describe.each(ETCDS)('a fleet of 3 microlock and 3 rxlock processes on the v2 API of $server', ({ suite }) => {
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let folder: string;
  const workers = new Map<string, ChildProcess>();
  const said$ = new Subject<Said>();

  beforeAll(async () => {
    etcd = await startEtcd(suite, { 'enable-v2': true });
    folder = mkdtempSync(join(tmpdir(), 'rxlock-fleet-'));
  });
  afterEach(() => {
    for (const worker of workers.values()) worker.kill('SIGKILL');
  });
  afterAll(async () => {
    await etcd.stop();
    rmSync(folder, { recursive: true });
  });

  const start = (of: string, name: string, stall = 0): void => {
    const given = { of, name, hosts: etcd.url, folder, goal: GOAL, ttl: TTL, stall };
    const options = Object.entries(given).flatMap(([option, value]) => [`--${option}`, String(value)]);
    const worker = spawn(process.execPath, [WORKER, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
    worker.stdout.on('data', (chunk: Buffer) => {
      for (const words of chunk.toString().trim().split('\n')) said$.next({ by: name, of, words });
    });
    workers.set(name, worker);
  };
  const says = (name: string, what: string): Promise<Said> =>
    firstValueFrom(said$.pipe(filter(({ by, words }) => by === name && words === what)));

  it('increments one counter 300 times: no update is lost, no two hold, the waiters go on after each death', async () => {
    writeFileSync(join(folder, 'counter'), '0');
    writeFileSync(join(folder, 'journal'), '');
    const stays = ['m1', 'm2', 'r1', 'r2'];
    const done = firstValueFrom(forkJoin(stays.map((name) => says(name, 'done'))));
    const dies = ['m3', 'r3'].map((name) => says(name, 'stalled'));
    for (const name of ['m1', 'm2']) start('microlock', name);
    for (const name of ['r1', 'r2']) start('rxlock', name);
    start('microlock', 'm3', 10);
    start('rxlock', 'r3', 15);

    // Whoever stalls keeps the others out. They die one after the other.
    const kills = dies.map(async (stalled) => {
      const { by } = await stalled;
      const next$ = said$.pipe(filter(({ of, words }) => of === 'rxlock' && words === 'in'));
      // The other one may get it next and die, too: that is two times the ttl, and the server expires keys by the second.
      const goesOn = within(5 * TTL * 1000, next$);
      workers.get(by)?.kill('SIGKILL');
      return goesOn.then((next) => ({ killed: by, next: next.by }));
    });
    const deaths = await Promise.all(kills);
    expect(deaths.map(({ killed }) => killed).sort()).toEqual(['m3', 'r3']);
    await done;

    const journal = readFileSync(join(folder, 'journal'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Entry);
    expect(readFileSync(join(folder, 'counter'), 'utf8')).toBe(String(GOAL));
    // One at a time: what is read is followed by its own write, but for the two who died in between, and each reads
    // what was written last.
    let written = 0;
    const unfinished: string[] = [];
    journal.forEach((entry, i) => {
      if ('wrote' in entry) return;
      expect(entry.read).toBe(written);
      const next = journal[i + 1];
      if (next && 'wrote' in next && next.by === entry.by) expect((written = next.wrote)).toBe(entry.read + 1);
      else unfinished.push(entry.by);
    });
    expect(journal.filter((entry) => 'wrote' in entry)).toHaveLength(GOAL);
    expect(unfinished.sort()).toEqual(['m3', 'r3']);
    // All who stayed had their share.
    const share = (name: string) => journal.filter((entry) => entry.by === name && 'wrote' in entry).length;
    expect(stays.map(share).filter((increments) => increments === 0)).toEqual([]);
    const tokens = journal.flatMap(({ token }) => (token === undefined ? [] : [BigInt(token)]));
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => (a < b ? -1 : 1)));
  });
});
