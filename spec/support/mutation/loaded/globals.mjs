/**
 * What a spec imports of '@jest/globals', as far as the specs that stay loaded use it: they are collected here, and run
 * by the runner beside this file.
 */
import { ModernFakeTimers } from '@jest/fake-timers';
import { expect } from 'expect';
import { ModuleMocker } from 'jest-mock';
import os from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';

export { expect };
// rxjs-marbles expects it there.
globalThis.expect = expect;

/** All tests, in the order of their being told. */
export const collected = [];
let titles = [];
/** The `describe`s around what is told, the outermost first. */
let scopes = [{ before: [], after: [], beforeEach: [], afterEach: [] }];
const innermost = () => scopes.at(-1);

const filled = (title, row) => {
  const values = Array.isArray(row) ? row : [row];
  let place = 0;
  return title
    .replace(/%[a-z]/g, () => String(values[place++]))
    .replace(/\$(\w+)/g, (all, name) => (row && typeof row === 'object' && name in row ? String(row[name]) : all));
};
const each = (tell) => (rows) => (title, body, timeout) => {
  for (const row of rows) {
    tell(filled(title, row), (...more) => (Array.isArray(row) ? body(...row, ...more) : body(row, ...more)), timeout);
  }
};

export const it = (title, run, timeout = 2000) => {
  const name = [...titles, title].join(' ');
  const same = collected.filter((other) => other.title === name).length;
  // Two of the same title are two.
  collected.push({ name: same === 0 ? name : `${name} (${same + 1})`, title: name, run, timeout, scopes });
};
it.each = each(it);

export const describe = (title, body) => {
  const outer = { titles, scopes };
  titles = [...titles, title];
  scopes = [...scopes, { before: [], after: [], beforeEach: [], afterEach: [] }];
  body();
  ({ titles, scopes } = outer);
};
describe.each = each(describe);

export const beforeAll = (work) => innermost().before.push(work);
export const afterAll = (work) => innermost().after.unshift(work);
export const beforeEach = (work) => innermost().beforeEach.push(work);
export const afterEach = (work) => innermost().afterEach.unshift(work);

const timers = new ModernFakeTimers({ config: { fakeTimers: {} }, global: globalThis });
const mocks = new ModuleMocker(globalThis);

/** Until the end of the `describe` that is being told, time passes only as {@link passing} says. */
export const inVirtualTime = () => {
  const { uptime } = os;
  beforeAll(() => {
    // Not those in which nothing passes: promises wait for them.
    timers.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    // The boot clock, too, which would get ahead of the others on a slow machine, as in a sleep.
    os.uptime = () => performance.now() / 1000;
  });
  afterAll(() => {
    os.uptime = uptime;
    timers.useRealTimers();
  });
  innermost().isVirtual = true;
};

/** Does the work while virtual time passes: on to the next timer whenever nothing else happens, `most` times. */
export const passing = async (work, most) => {
  let isOver = false;
  const result = work().finally(() => {
    isOver = true;
  });
  // Of `result`: told by whoever awaits it.
  result.catch(() => undefined);
  for (let steps = 0; !isOver; steps += 1) {
    if (steps > most) throw new Error(`still busy after ${most} steps of virtual time`);
    await nextTurn();
    await nextTurn();
    if (!isOver) timers.advanceTimersToNextTimer();
  }
  return result;
};

export const jest = {
  // For servers. None has to start here.
  setTimeout: () => undefined,
  useFakeTimers: (options) => timers.useFakeTimers(options),
  useRealTimers: () => timers.useRealTimers(),
  advanceTimersByTime: (ms) => timers.advanceTimersByTime(ms),
  getTimerCount: () => timers.getTimerCount(),
  fn: (implementation) => mocks.fn(implementation),
  spyOn: (object, name) => mocks.spyOn(object, name),
  restoreAllMocks: () => mocks.restoreAllMocks(),
};
