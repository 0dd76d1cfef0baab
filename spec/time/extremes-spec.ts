/**
 * Every option that is allowed, at its extremes, in virtual time: what is looked at once a second must not cost more with
 * each look.
 */
import { describe, expect, it } from '@jest/globals';
import { VirtualTimeScheduler } from 'rxjs';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { LockLostError, LockTimeoutError, createLocks } from '../../src/index.js';
import type { ContendOptions, LockBackend, Locks, LocksOptions } from '../../src/index.js';
import { behindNetwork } from '../../src/testing/index.js';
import { at, timeOf } from '../../src/time/clock.js';

const SECOND = 1000;
const DAY = 24 * 60 * 60 * SECOND;

/** What a contender is told, each with its instant. */
const contend = (
  locks: Locks,
  scheduler: VirtualTimeScheduler,
  options?: ContendOptions,
): { readonly told: readonly (readonly [instant: number, what: unknown])[] } => {
  const told: [number, unknown][] = [];
  locks
    .mutex('k')
    .lock$(options)
    .subscribe({
      next: ({ status }) => told.push([scheduler.now(), status]),
      error: (error: unknown) => told.push([scheduler.now(), error]),
    });
  return { told };
};

const locksOn = (backend: LockBackend, scheduler: VirtualTimeScheduler, options: LocksOptions): Locks =>
  createLocks(backend, { random: () => 0, ...options, scheduler });

/** Runs until the instant. */
const runTo = (scheduler: VirtualTimeScheduler, instant: number): void => {
  scheduler.maxFrames = instant;
  scheduler.flush();
};

describe('at', () => {
  it.each([
    [DAY, SECOND],
    [SECOND, 0.01],
  ])('fires after %d ms, once, though it looks every %d ms', (instant, lookEvery) => {
    const scheduler = new VirtualTimeScheduler();
    const told: unknown[] = [];
    at(timeOf({ scheduler }), instant, lookEvery).subscribe({
      next: () => told.push(scheduler.now()),
      error: (error: unknown) => told.push(error),
      complete: () => told.push('complete'),
    });
    scheduler.flush();
    expect(told).toHaveLength(2);
    expect(told[0]).toBeCloseTo(instant, 3);
    expect(told[1]).toBe('complete');
  });

  it('asks nothing more once it is unsubscribed', () => {
    const scheduler = new VirtualTimeScheduler();
    const waiting = at(timeOf({ scheduler }), DAY, SECOND).subscribe();
    runTo(scheduler, 10 * SECOND);
    waiting.unsubscribe();
    scheduler.maxFrames = Infinity;
    scheduler.flush();
    expect(scheduler.now()).toBeLessThanOrEqual(11 * SECOND);
  });
});

describe('whatever is allowed', () => {
  const ttls = [2 * SECOND, 10 * SECOND, 24 * 60 * SECOND, 2 * 60 * 60 * SECOND, DAY];

  it.each(ttls)('a ttl of %d ms: the loss is told, in time', (ttl) => {
    const scheduler = new VirtualTimeScheduler();
    const { backend, network } = behindNetwork(memoryBackend({ scheduler }), { scheduler });
    const { told } = contend(locksOn(backend, scheduler, { ttl }), scheduler);
    scheduler.schedule(() => network.partition(), 1);
    runTo(scheduler, 1.5 * ttl);
    const margin = Math.max(250, ttl / 10);
    expect(told).toEqual([
      [0, 'held'],
      [ttl - margin, expect.any(LockLostError)],
    ]);
  });

  it.each(ttls)('a ttl of %d ms: it is renewed for as long as it is held', (ttl) => {
    const scheduler = new VirtualTimeScheduler();
    const { told } = contend(locksOn(memoryBackend({ scheduler }), scheduler, { ttl }), scheduler);
    runTo(scheduler, 1.2 * ttl);
    expect(told).toEqual([[0, 'held']]);
  });

  it.each([1, SECOND])('a wait of %d ms ends then', (wait) => {
    const scheduler = new VirtualTimeScheduler();
    const backend = memoryBackend({ scheduler });
    contend(locksOn(backend, scheduler, { ttl: DAY }), scheduler);
    const { told } = contend(locksOn(backend, scheduler, { ttl: DAY }), scheduler, { wait });
    runTo(scheduler, wait + 1);
    expect(told).toEqual([
      [0, 'waiting'],
      [wait, expect.any(LockTimeoutError)],
    ]);
  });
});
