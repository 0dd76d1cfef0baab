/**
 * Many locks one after another: no stack grows, no order is lost. Apart from the rules, which mutation testing repeats
 * thousands of times.
 */
import { describe, expect, it, jest } from '@jest/globals';
import {
  NEVER,
  finalize,
  ignoreElements,
  lastValueFrom,
  mergeMap,
  of,
  repeat,
  retry,
  tap,
  throwError,
  timer,
} from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { createLocks, usingLock, withLock } from '../../src/index.js';
import type { Locks } from '../../src/index.js';
import { TIMES, letters, seen, serverOf } from '../support/marbles.js';

describe('one lock', () => {
  it('goes through a thousand waiters in the order of their coming', async () => {
    const lock = createLocks(memoryBackend()).mutex('k');
    const order: number[] = [];
    const first = await lock.acquire();
    const through = Array.from({ length: 1000 }, (_, n) =>
      lastValueFrom(usingLock(lock, (held) => of(held.fencingToken).pipe(tap(() => order.push(n))))),
    );
    await first.release();
    const tokens = await Promise.all(through);
    expect(order).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(tokens.every((token, n) => n === 0 || token > (tokens[n - 1] ?? 0n))).toBe(true);
  });

  it(
    'is taken anew by repeat and retry, a thousand times',
    marbles((m) => {
      const client = serverOf(m).client(TIMES);
      const round$ = timer(1, m.scheduler);
      const failed = new Error('once more');
      const failing$ = round$.pipe(mergeMap(() => throwError(() => failed)));
      m.expect(round$.pipe(withLock(client.mutex('k')), ignoreElements(), repeat(1000))).toBeObservable('1000ms |');
      m.expect(failing$.pipe(withLock(client.mutex('l')), retry(999))).toBeObservable('1000ms #', undefined, failed);
    }),
  );

  it(
    'grows no stack over three hundred synchronous sources, each waiting for the one before',
    marbles((m) => {
      const lock = serverOf(m).client(TIMES).mutex('k');
      const done = jest.fn();
      const first = NEVER.pipe(withLock(lock)).subscribe();
      for (let i = 0; i < 300; i += 1) of(i).pipe(withLock(lock)).subscribe({ complete: done });
      expect(done).not.toHaveBeenCalled();
      first.unsubscribe();
      expect(done).toHaveBeenCalledTimes(300);
      m.flush();
    }),
  );

  it(
    'may be taken again in finalize, as often as one likes: each time at the tail',
    marbles((m) => {
      const server = serverOf(m);
      const lock = server.client(TIMES).mutex('k');
      let rounds = 0;
      const again = (): void => {
        rounds += 1;
        if (rounds < 2000) {
          timer(0, m.scheduler).pipe(withLock(lock), finalize(again)).subscribe();
        }
      };
      again();
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^-!').toBeObservable('-h--');
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), '----^-!').toBeObservable('----f--');
      m.flush();
      expect(rounds).toBe(2000);
    }),
  );
});

describe('a lock of a thousand keys', () => {
  const KEYS = Array.from({ length: 1000 }, (_, n) => `k${String(n)}`);
  const allOf = (locks: Locks) => locks.all(...KEYS.map((key) => locks.mutex(key)));

  it('is looked at as a whole once when all are free, not with each key', async () => {
    const all = allOf(createLocks(memoryBackend()));
    const looks = jest.spyOn(Array.prototype, 'flatMap');
    try {
      const held = await all.acquire();
      await held.release();
      const visited = looks.mock.contexts.reduce<number>((sum, one) => sum + (Array.isArray(one) ? one.length : 0), 0);
      expect(visited).toBeLessThan(10 * KEYS.length);
    } finally {
      looks.mockRestore();
    }
  });

  it('tells who waits for it of each half that comes free, and holds with the last key', async () => {
    const memory = memoryBackend();
    const before = await allOf(createLocks(memory)).acquire();
    const told: string[] = [];
    const waiting = allOf(createLocks(memory))
      .lock$()
      .subscribe(({ status }) => told.push(status));
    expect(told).toEqual(['waiting']);
    await before.release();
    expect(told.at(-1)).toBe('held');
    expect(told.length).toBeLessThan(50);
    waiting.unsubscribe();
  });
});
