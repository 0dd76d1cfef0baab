/**
 * A real scheduler may run timers, but is never the clock; a virtual one is.
 */
import {
  VirtualTimeScheduler,
  animationFrameScheduler,
  asapScheduler,
  asyncScheduler,
  queueScheduler,
  firstValueFrom,
} from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { timeOf } from '../../src/time/clock.js';
import { isOfRxjs, isVirtual } from '../../src/time/scheduler.js';
import { stallable } from '../../src/testing/stalls.js';

const HOUR = 3_600_000;
const wrapped = (scheduler: SchedulerLike): SchedulerLike => ({
  now: () => scheduler.now(),
  schedule: scheduler.schedule.bind(scheduler),
});
const monotonic: SchedulerLike = { ...wrapped(asyncScheduler), now: () => performance.now() };
const test = (): TestScheduler => new TestScheduler(() => undefined);

describe('a real scheduler', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each([
    ['asyncScheduler', asyncScheduler],
    ['asapScheduler', asapScheduler],
    ['queueScheduler', queueScheduler],
    ['animationFrameScheduler', animationFrameScheduler],
    ['one made of it', wrapped(asyncScheduler)],
    ['a process that stands still', stallable(asyncScheduler)],
    ['one by the monotonic clock', monotonic],
  ])('is not the clock: %s', (_, scheduler) => {
    const time = timeOf({ scheduler });
    const before = time.now();
    const real = Date.now();
    // Set back: by the wall clock nothing would end for an hour.
    jest.spyOn(Date, 'now').mockReturnValue(real - HOUR);
    expect(time.now()).toBeGreaterThanOrEqual(before);
  });

  it.each([
    ['asyncScheduler', asyncScheduler],
    ['one made of it', wrapped(asyncScheduler)],
  ])('runs timers: %s', async (_, scheduler) => {
    expect(await firstValueFrom(timeOf({ scheduler }).after(1))).toBe(0);
  });

  it('that is made of asyncScheduler runs the timers itself', () => {
    const scheduler = wrapped(asyncScheduler);
    const schedule = jest.spyOn(scheduler, 'schedule');
    timeOf({ scheduler }).after(1).subscribe().unsubscribe();
    expect(schedule).toHaveBeenCalledTimes(1);
  });
});

describe('a virtual scheduler', () => {
  it.each([
    ['VirtualTimeScheduler', new VirtualTimeScheduler()],
    ['TestScheduler', test()],
    ['a process that stands still', stallable(test())],
    ['one made of it', wrapped(test())],
  ])('is the clock: %s', (_, scheduler) => {
    expect(timeOf({ scheduler }).now()).toBe(0);
  });

  it('is the clock although its time is the calendar', () => {
    const scheduler = new VirtualTimeScheduler();
    scheduler.frame = Date.now();
    const time = timeOf({ scheduler });
    scheduler.frame += HOUR;
    expect(time.now()).toBe(scheduler.frame);
  });
});

describe('a timer of the machine', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('may be a number, as under jsdom', async () => {
    const real = setTimeout;
    jest.spyOn(globalThis, 'setTimeout').mockImplementation(((work: () => void, ms?: number) => {
      real(work, ms);
      return 7;
    }) as never);
    expect(await firstValueFrom(timeOf().after(1))).toBe(0);
  });
});

describe('the time of a scheduler', () => {
  const reading = (now: number): SchedulerLike => ({ ...wrapped(asyncScheduler), now: () => now });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('is real if it is that of the monotonic clock, to the last digit', () => {
    expect(isVirtual(monotonic)).toBe(false);
    jest.spyOn(performance, 'now').mockReturnValue(5000);
    expect([4999, 5000, 5001].map((now) => isVirtual(reading(now)))).toEqual([true, false, true]);
  });

  it('is real within a second of the wall clock', () => {
    const wall = 1_700_000_000_000;
    jest.spyOn(Date, 'now').mockReturnValue(wall);
    const apart = [-1001, -1000, 0, 1000, 1001];
    expect(apart.map((ms) => isVirtual(reading(wall + ms)))).toEqual([true, false, false, false, true]);
  });

  it('is virtual far ahead of the monotonic clock', () => {
    expect(isVirtual(reading(performance.now() + HOUR))).toBe(true);
  });
});

describe('a scheduler of RxJS itself', () => {
  it.each<[string, SchedulerLike, boolean]>([
    ['asyncScheduler', asyncScheduler, true],
    ['asapScheduler', asapScheduler, true],
    ['one made of it', wrapped(asyncScheduler), false],
    ['one with only a flush', Object.assign(wrapped(asyncScheduler), { flush: () => undefined }), false],
    ['one with only actions', Object.assign(wrapped(asyncScheduler), { actions: [] }), false],
  ])('is known by its parts: %s', (_, scheduler, isOne) => {
    expect(isOfRxjs(scheduler)).toBe(isOne);
  });
});

describe('a timer of a scheduler in real time', () => {
  const LONGEST = 2 ** 31 - 1;

  it.each([
    [LONGEST - 1, 1],
    [LONGEST, 1],
    [LONGEST + 1, 2],
    [2 * LONGEST + 1, 3],
  ])('of %d ms takes %d of at most 24 days', (ms, timers) => {
    const machine = new VirtualTimeScheduler();
    const schedule = jest.fn(machine.schedule.bind(machine)) as unknown as SchedulerLike['schedule'];
    const fired: number[] = [];
    timeOf({ scheduler: { now: () => Date.now(), schedule } })
      .after(ms)
      .subscribe(() => fired.push(machine.frame));
    machine.flush();
    expect(fired).toEqual([ms]);
    expect(schedule).toHaveBeenCalledTimes(timers);
  });
});
