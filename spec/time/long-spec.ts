/**
 * Durations of more than 2^31 - 1 ms, some 25 days: Node fires such a timer after 1 ms, so that what was to end in a
 * month ends at once.
 */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { VirtualTimeScheduler, asyncScheduler, firstValueFrom, lastValueFrom, timer } from 'rxjs';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { createLocks, runOnce } from '../../src/index.js';
import type { LockEvent, Locks } from '../../src/index.js';
import { decorate } from '../../src/backend/decorate.js';
import { behindNetwork } from '../../src/testing/index.js';
import { at, later, timeOf } from '../../src/time/clock.js';

const LONGEST = 2 ** 31 - 1;
const YEAR = 365 * 24 * 60 * 60 * 1000;

describe('a timer of any length', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const custom = { now: () => asyncScheduler.now() + 7, schedule: asyncScheduler.schedule.bind(asyncScheduler) };

  it.each<[string, (ms: number, work: () => void) => () => void]>([
    [
      'after',
      (ms, work) => {
        const waiting = timeOf().after(ms).subscribe(work);
        return () => waiting.unsubscribe();
      },
    ],
    [
      'after, by a scheduler of the user',
      (ms, work) => {
        const waiting = timeOf({ scheduler: custom }).after(ms).subscribe(work);
        return () => waiting.unsubscribe();
      },
    ],
    ['later', later],
  ])('%s: neither at once nor never', (_, begin) => {
    const work = jest.fn();
    const given = 2 * LONGEST + 1000;
    begin(given, work);
    jest.advanceTimersByTime(given - 1);
    expect(work).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(work).toHaveBeenCalledTimes(1);
    const calledOff = begin(given, work);
    jest.advanceTimersByTime(LONGEST + 1);
    calledOff();
    jest.advanceTimersByTime(given);
    expect(work).toHaveBeenCalledTimes(1);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('with real timers nothing that is to come in more than 25 days comes at once', () => {
  /** What an overflown timer takes, and ten times more. */
  const aMoment = () => firstValueFrom(timer(10));
  let longest: number;

  beforeEach(() => {
    longest = 0;
    const real = setTimeout;
    jest.spyOn(globalThis, 'setTimeout').mockImplementation((work: () => void, ms = 0, ...args: []) => {
      longest = Math.max(longest, ms);
      return real(work, ms, ...args);
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  const eventsOf = (locks: Locks): readonly LockEvent['type'][] => {
    const types: LockEvent['type'][] = [];
    locks.events$.subscribe(({ type }) => types.push(type));
    return types;
  };

  it('atMost, atLeast, wait', async () => {
    const locks = createLocks(memoryBackend());
    const types = eventsOf(locks);
    const held = await locks.mutex('k').acquire({ atMost: LONGEST + 1000, atLeast: LONGEST + 500 });
    let told: unknown;
    const waiting = locks
      .mutex('k')
      .acquire({ wait: 2 ** 32 })
      .catch((error: unknown) => (told = error));
    await aMoment();
    expect(held.isHeld()).toBe(true);
    expect(told).toBeUndefined();
    // Kept on a lease of its own, for as long as it said.
    await held.release();
    await aMoment();
    expect(types).toEqual(['acquired', 'queued', 'released']);
    await locks.close();
    await waiting;
    expect(told).toMatchObject({ code: 'LOCKS_CLOSED' });
    expect(longest).toBeLessThanOrEqual(LONGEST);
  });

  it('a lease of a year, and nothing is asked again and again', async () => {
    const asked: string[] = [];
    const backend = decorate(memoryBackend({ grantedTtl: () => YEAR }), (source$, { verb }) => {
      asked.push(verb);
      return source$;
    });
    const locks = createLocks(backend);
    const types = eventsOf(locks);
    const held = await locks.mutex('k').acquire();
    const observer = locks.mutex('k').ownership$().subscribe();
    expect(held.remaining()).toBeGreaterThan(YEAR / 2);
    const before = asked.length;
    await aMoment();
    expect(asked).toHaveLength(before);
    expect(types).toEqual(['acquired']);
    observer.unsubscribe();
    await held.release();
    await locks.close();
    expect(longest).toBeLessThanOrEqual(LONGEST);
  });

  it('keep, drain, within of a revocation and of a ping', async () => {
    const backend = memoryBackend();
    const [a, b] = [createLocks(backend), createLocks(backend)];
    const once = (locks: Locks) => locks.once<string>('day', { keep: YEAR });
    await expect(lastValueFrom(runOnce(once(a), () => ['A']))).resolves.toBe('A');
    const held = await a.mutex('k').acquire();
    const revoking = b.mutex('k').revoke({ reason: 'some day', within: 2 ** 33 });
    const closing = a.close({ drain: 2 ** 34 });
    const { backend: silent, network } = behindNetwork(memoryBackend());
    network.partition();
    const c = createLocks(silent);
    let answer: unknown;
    const pinged = c.ping({ within: 2 ** 32 }).catch((error: unknown) => (answer = error));
    await aMoment();
    expect(held.isHeld()).toBe(true);
    expect(answer).toBeUndefined();
    await expect(lastValueFrom(runOnce(once(b), () => ['B']))).resolves.toBe('A');
    await held.release();
    await Promise.all([closing, revoking, b.close()]);
    network.heal();
    await pinged;
    await c.close();
    expect(longest).toBeLessThanOrEqual(LONGEST);
  });
});

describe('in virtual time', () => {
  it.each([LONGEST, LONGEST + 1000, 2 ** 32, YEAR])('what is to come in %d ms comes then', (ms) => {
    const scheduler = new VirtualTimeScheduler();
    const told: number[] = [];
    const time = timeOf({ scheduler });
    at(time, ms).subscribe(() => told.push(scheduler.now()));
    time.after(ms).subscribe(() => told.push(scheduler.now()));
    scheduler.flush();
    expect(told).toEqual([ms, ms]);
  });

  it('what is kept for a year is kept for a year', () => {
    const scheduler = new VirtualTimeScheduler();
    const backend = memoryBackend({ scheduler });
    const told: string[] = [];
    const runAt = (instant: number, value: string): void => {
      scheduler.schedule(() => {
        const locks = createLocks(backend, { scheduler, random: () => 0 });
        runOnce(locks.once<string>('k', { keep: YEAR }), () => [value]).subscribe((result) => told.push(result));
      }, instant);
    };
    runAt(0, 'A');
    runAt(LONGEST + 1000, 'B');
    runAt(YEAR - 1, 'C');
    runAt(YEAR + 1, 'D');
    scheduler.maxFrames = YEAR + 1;
    scheduler.flush();
    expect(told).toEqual(['A', 'A', 'A', 'D']);
  });
});
