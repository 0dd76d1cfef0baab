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
