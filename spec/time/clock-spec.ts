import { afterEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { marbles } from 'rxjs-marbles/jest';
import { at, deadlineIn, processTime, sleepProofClock, timeOf, untilDeadline } from '../../src/time/clock.js';

/** Three clocks to be set by hand, as a machine has them. */
const machine = () => {
  const hands = { monotonic: 1000, wall: 1_700_000_000_000, boot: 5000 };
  const clock = sleepProofClock({
    monotonic: () => hands.monotonic,
    // As Date.now and os.uptime are: whole milliseconds, and hundredths of a second.
    wall: () => Math.floor(hands.wall),
    boot: () => Math.floor(hands.boot / 10) * 10,
  });
  const run = (ms: number): void => {
    hands.monotonic += ms;
    hands.wall += ms;
    hands.boot += ms;
  };
  const sleep = (ms: number): void => {
    hands.wall += ms;
    hands.boot += ms;
  };
  const setWall = (ms: number): void => {
    hands.wall += ms;
  };
  return { clock, run, sleep, setWall };
};

/** What passes by `action`, by the clock. */
const passes = ({ clock }: { clock: { now(): number } }, action: () => void): number => {
  const before = clock.now();
  action();
  return clock.now() - before;
};

describe('the sleep-proof clock', () => {
  it('runs with the monotonic clock', () => {
    const m = machine();
    expect(passes(m, () => m.run(1234))).toBeCloseTo(1234, 6);
  });

  it('counts a sleep, which stops the monotonic clock', () => {
    const m = machine();
    expect(passes(m, () => m.sleep(60_000))).toBeGreaterThanOrEqual(60_000 - 10);
  });

  it('takes no notice of a wall clock set back', () => {
    const m = machine();
    expect(passes(m, () => m.setWall(-3_600_000))).toBe(0);
    expect(passes(m, () => m.run(10))).toBeCloseTo(10, 6);
  });

  it('counts a wall clock set ahead as time gone by: that may cost a lock, never safety', () => {
    const m = machine();
    expect(passes(m, () => m.setWall(5000))).toBeCloseTo(5000, 6);
  });

  it('sees within 10 ms a sleep that a wall clock set back by just as long would hide', () => {
    const m = machine();
    const passed = passes(m, () => {
      m.sleep(30_000);
      m.setWall(-30_000);
      m.run(10);
    });
    expect(passed).toBeGreaterThanOrEqual(30_000 - 10);
  });

  it.each([
    ['wall', 25, 0],
    ['wall', 26, 26],
    ['boot', 25, 0],
    ['boot', 26, 26],
  ] as const)('takes no gain of the %s clock for sleep up to 25 ms: %d', (which, gain, asleep) => {
    const hands = { monotonic: 1000, wall: 50_000, boot: 5000 };
    const clock = sleepProofClock({
      monotonic: () => hands.monotonic,
      wall: () => hands.wall,
      boot: () => hands.boot,
    });
    const before = clock.now();
    // Long enough for all three to be read.
    for (const hand of ['monotonic', 'wall', 'boot'] as const) hands[hand] += 100;
    hands[which] += gain;
    expect(clock.now() - before).toBe(100 + asleep);
  });

  it('sees a sleep after a wall clock was set back before', () => {
    const m = machine();
    m.setWall(-60_000);
    m.clock.now();
    expect(passes(m, () => m.sleep(20_000))).toBeGreaterThanOrEqual(20_000 - 10);
  });

  it('does not run fast because its sources are coarse, however often it is read', () => {
    const m = machine();
    const passed = passes(m, () => {
      for (let i = 0; i < 100_000; i += 1) {
        m.run(0.1);
        m.clock.now();
      }
    });
    expect(passed).toBeCloseTo(10_000, 3);
  });

  it('never goes back and never falls behind the time that really passed, whatever the wall clock does', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('run' as const), ms: fc.double({ min: 0, max: 500, noNaN: true }) }),
      fc.record({ kind: fc.constant('sleep' as const), ms: fc.double({ min: 0, max: 100_000, noNaN: true }) }),
      fc.record({ kind: fc.constant('setWall' as const), ms: fc.double({ min: -100_000, max: 100_000, noNaN: true }) }),
    );
    fc.assert(
      fc.property(fc.array(fc.record({ step, read: fc.boolean() }), { maxLength: 60 }), (steps) => {
        const m = machine();
        const start = m.clock.now();
        let last = start;
        let real = 0;
        for (const { step, read } of steps) {
          m[step.kind](step.ms);
          if (step.kind !== 'setWall') real += step.ms;
          if (!read) continue;
          // Readings closer than a millisecond may not look at all three clocks.
          const passed = (ms: number): number => {
            m.run(ms);
            real += ms;
            return m.clock.now();
          };
          let now = passed(1);
          expect(now).toBeGreaterThanOrEqual(last);
          // A tenth of the smallest safety margin: what the coarseness of the sources may hide.
          const isBehind = (): boolean => now - start < real - 40;
          // A wall clock that was set back by just as long as the machine slept hides that for 10 ms.
          if (isBehind()) now = passed(10);
          expect(isBehind()).toBe(false);
          last = now;
        }
      }),
    );
  });
});

describe('at', () => {
  it(
    'fires when the clock says so, at once where the instant has passed',
    marbles((m) => {
      const time = timeOf({ scheduler: m.scheduler });
      m.expect(at(time, 5)).toBeObservable('-----(a|)', { a: 0 });
      m.expect(at(time, 2), '----^').toBeObservable('----(a|)', { a: 0 });
    }),
  );

  it(
    'goes on for longer than a timer of Node can, and looks as often as it is asked to',
    marbles((m) => {
      const time = timeOf({ scheduler: m.scheduler });
      m.expect(at(time, 2 ** 32)).toBeObservable(`${String(2 ** 32)}ms (a|)`, { a: 0 });
      m.expect(at(time, 5000, 1000)).toBeObservable('5000ms (a|)', { a: 0 });
    }),
  );
});

describe('readings of the machine', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('give the deadline of a call as an instant of the wall clock, and what is left of it', () => {
    const wall = jest.spyOn(Date, 'now').mockReturnValue(10_000);
    const { deadline } = deadlineIn(500);
    expect(deadline).toBe(10_500);
    wall.mockReturnValue(10_200);
    expect(untilDeadline(deadline)).toBe(300);
    wall.mockReturnValue(10_600);
    expect(untilDeadline(deadline)).toBe(-100);
  });

  it('give the time of the process in milliseconds', () => {
    jest.spyOn(process.hrtime, 'bigint').mockReturnValue(2_500_000n);
    expect(processTime()).toBe(2.5);
  });
});
