/**
 * The sleep-proof clock reading by reading, and the timers of the machine.
 */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Subject, VirtualTimeScheduler } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { afterIo, at, deadlineIn, failAt, sleepProofClock, timeOf } from '../../src/time/clock.js';

/** Three clocks that stand still unless they are moved, also between two readings of one look. */
const standing = () => {
  const hands = { monotonic: 1000, wall: 50_000, boot: 7000 };
  const reads = { boot: 0 };
  let between = (): void => undefined;
  const clock = sleepProofClock({
    monotonic: () => hands.monotonic,
    wall: () => hands.wall,
    boot: () => {
      reads.boot += 1;
      between();
      return hands.boot;
    },
  });
  reads.boot = 0;
  const move = (by: Partial<typeof hands>): void => {
    hands.monotonic += by.monotonic ?? 0;
    hands.wall += by.wall ?? 0;
    hands.boot += by.boot ?? 0;
  };
  return {
    /** What has passed since it was made, after the hands were moved. */
    passed: (by: Partial<typeof hands> = {}): number => {
      move(by);
      return clock.now() - 1000;
    },
    /** Moves the hands while the boot clock is being read. */
    putAside: (by: Partial<typeof hands>): void => {
      between = () => {
        between = () => undefined;
        move(by);
      };
    },
    bootReads: () => reads.boot,
  };
};

describe('the sleep-proof clock', () => {
  it.each([
    [{ monotonic: 1, wall: 26, boot: 1 }, 1],
    [{ monotonic: 1, wall: 27, boot: 1 }, 27],
    [{ monotonic: 10, wall: 10, boot: 35 }, 10],
    [{ monotonic: 10, wall: 10, boot: 36 }, 36],
    [{ monotonic: 1, wall: 41, boot: 61 }, 61],
    [{ monotonic: 1, wall: 61, boot: 41 }, 61],
    [{ monotonic: 1, wall: -99, boot: 41 }, 41],
    [{ monotonic: 10, wall: -99, boot: 0 }, 10],
  ])('that moved by %j says %d: a lead of up to 25 is rounding', (by, passed) => {
    expect(standing().passed(by)).toBe(passed);
  });

  it('counts a lead once, however often it is read', () => {
    const clock = standing();
    expect(clock.passed({ monotonic: 1, wall: 101, boot: 101 })).toBe(101);
    expect(clock.passed({ monotonic: 1, wall: 1, boot: 1 })).toBe(102);
    expect(clock.passed({ monotonic: 5, wall: 5, boot: 5 })).toBe(107);
    expect(clock.passed({ monotonic: 1, wall: 101, boot: 101 })).toBe(208);
  });

  it('adds up what does not count at once: a lead that grows is counted when it is more than rounding', () => {
    const clock = standing();
    expect(clock.passed({ monotonic: 1, wall: 21, boot: 1 })).toBe(1);
    expect(clock.passed({ monotonic: 1, wall: 21, boot: 1 })).toBe(42);
    const other = standing();
    expect(other.passed({ monotonic: 10, wall: 10, boot: 30 })).toBe(10);
    expect(other.passed({ monotonic: 10, wall: 10, boot: 30 })).toBe(60);
  });

  it('takes what a clock lost for its new base: what it gains then counts', () => {
    const clock = standing();
    expect(clock.passed({ monotonic: 1, wall: -500, boot: 1 })).toBe(1);
    expect(clock.passed({ monotonic: 1, wall: 41, boot: 1 })).toBe(42);
    const other = standing();
    expect(other.passed({ monotonic: 10, wall: 10, boot: -500 })).toBe(10);
    expect(other.passed({ monotonic: 10, wall: 10, boot: 50 })).toBe(60);
  });

  it('does not go back with its monotonic source', () => {
    const clock = standing();
    expect(clock.passed({ monotonic: 10, wall: 10, boot: 10 })).toBe(10);
    expect(clock.passed({ monotonic: -5 })).toBe(10);
    clock.putAside({ monotonic: -5 });
    expect(clock.passed({ wall: -1 })).toBe(10);
    expect(clock.passed({ monotonic: 15, wall: 6, boot: 5 })).toBe(15);
  });

  it('reads the dear boot clock once in 10 ms, and at once where the wall clock went back or ran ahead', () => {
    const clock = standing();
    clock.passed({ monotonic: 5, wall: 0 });
    clock.passed({ monotonic: 4, wall: 11 });
    expect(clock.bootReads()).toBe(0);
    clock.passed({ monotonic: 1 });
    expect(clock.bootReads()).toBe(1);
    clock.passed({ wall: 12 });
    expect(clock.bootReads()).toBe(2);
    clock.passed({ wall: -1 });
    expect(clock.bootReads()).toBe(3);
    clock.passed();
    expect(clock.bootReads()).toBe(3);
  });

  it('put aside between its readings counts the time of that once', () => {
    const clock = standing();
    clock.putAside({ monotonic: 400, wall: 400, boot: 400 });
    expect(clock.passed({ monotonic: 10, wall: 10, boot: 10 })).toBe(410);
    expect(clock.passed({ monotonic: 1, wall: 1, boot: 1 })).toBe(411);
    expect(clock.passed({ monotonic: 1, wall: 31, boot: 31 })).toBe(442);
  });
});

describe('the time of the machine', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 5000 });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('emits once after so long, and completes', () => {
    const told: unknown[] = [];
    timeOf()
      .after(10)
      .subscribe({ next: (value) => told.push(value), complete: () => told.push('end') });
    jest.advanceTimersByTime(9);
    expect(told).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(told).toEqual([0, 'end']);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('leaves no timer behind when unsubscribed', () => {
    timeOf().after(10).subscribe().unsubscribe();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('keeps the process by what is to keep it awake only', () => {
    const timers: { hasRef(): boolean }[] = [];
    const [timeout, interval] = [setTimeout, setInterval];
    jest.spyOn(globalThis, 'setTimeout').mockImplementation(((work: () => void, ms: number) => {
      const timer = timeout(work, ms);
      timers.push(timer);
      return timer;
    }) as never);
    jest.spyOn(globalThis, 'setInterval').mockImplementation(((work: () => void, ms: number) => {
      // A longer one would run every millisecond.
      expect(ms).toBe(2 ** 31 - 1);
      const timer = interval(work, ms);
      timers.push(timer);
      return timer;
    }) as never);
    const time = timeOf();
    time.after(10).subscribe();
    const awake = time.awake();
    expect(timers.map((timer) => timer.hasRef())).toEqual([false, true]);
    awake.unsubscribe();
    expect(jest.getTimerCount()).toBe(1);
    jest.restoreAllMocks();
  });

  it('reads the clock it is given, and shows the date of the calendar', () => {
    const time = timeOf({ clock: { now: () => 42 } });
    expect(time.now()).toBe(42);
    expect(time.date()).toEqual(new Date(5000));
  });

  it('reads its own clock where none is given', () => {
    const time = timeOf();
    const before = time.now();
    jest.advanceTimersByTime(300);
    expect(time.now() - before).toBe(300);
  });

  it('gives gRPC an instant of the wall clock', () => {
    expect(deadlineIn(70)).toEqual({ deadline: 5070 });
  });

  it('comes back after what has come in, not before', () => {
    const work = jest.fn();
    afterIo(work);
    expect(work).not.toHaveBeenCalled();
    jest.advanceTimersByTime(0);
    expect(work).toHaveBeenCalledTimes(1);
  });
});

describe('the time of a scheduler', () => {
  it(
    'is its own, and the clock that is given beside it',
    marbles((m) => {
      const time = timeOf({ scheduler: m.scheduler });
      m.scheduler.schedule(() => {
        expect(time.now()).toBe(7);
        expect(time.date()).toEqual(new Date(7));
        expect(timeOf({ scheduler: m.scheduler, clock: { now: () => 42 } }).now()).toBe(42);
      }, 7);
      m.expect(time.after(3)).toBeObservable('---(a|)', { a: 0 });
      m.flush();
      expect.assertions(4);
    }),
  );

  it('needs nothing to stay awake', () => {
    jest.useFakeTimers();
    timeOf({ scheduler: new VirtualTimeScheduler() }).awake();
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });
});

describe('at', () => {
  it(
    'asks the clock when its timer fires: a clock that is behind is waited for, one that is ahead is noticed',
    marbles((m) => {
      const behind = { now: () => m.scheduler.now() / 2 };
      const ahead = { now: () => m.scheduler.now() + (m.scheduler.now() >= 4 ? 100 : 0) };
      m.expect(at(timeOf({ scheduler: m.scheduler, clock: behind }), 5)).toBeObservable('10ms (a|)', { a: 0 });
      m.expect(at(timeOf({ scheduler: m.scheduler, clock: ahead }), 50, 3)).toBeObservable('------(a|)', { a: 0 });
    }),
  );

  it(
    'asks as often as the longest timer of Node makes it',
    marbles((m) => {
      const times: number[] = [];
      const time = timeOf({ scheduler: m.scheduler });
      const asked = { ...time, after: (ms: number) => (times.push(ms), time.after(ms)) };
      m.expect(at(asked, 2 ** 31 + 1)).toBeObservable(`${String(2 ** 31 + 1)}ms (a|)`, { a: 0 });
      m.flush();
      expect(times).toEqual([2 ** 31 - 1, 2]);
    }),
  );
});

describe('failAt', () => {
  it('errors at the first trigger, with an error made then', () => {
    const trigger = new Subject<void>();
    const made: string[] = [];
    const told: unknown[] = [];
    const make = (): string => {
      made.push('made');
      return 'failed';
    };
    failAt(trigger, make).subscribe({ error: (error: unknown) => told.push(error) });
    expect(made).toEqual([]);
    trigger.next();
    trigger.next();
    expect([made, told, trigger.observed]).toEqual([['made'], ['failed'], false]);
  });

  it('completes with a trigger that never comes', () => {
    const trigger = new Subject<void>();
    const complete = jest.fn();
    failAt(trigger, () => 0).subscribe({ complete });
    trigger.complete();
    expect(complete).toHaveBeenCalledTimes(1);
  });
});
