/**
 * What a spec imports of '@jest/globals', as far as the specs that stay loaded use it: they are collected here, and run
 * by the runner beside this file.
 */
import { ModernFakeTimers } from '@jest/fake-timers';

export { expect } from 'expect';

/** All tests, in the order of their being told. */
export const collected = [];
let titles = [];
let hooks = { before: [], after: [] };

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
  collected.push({ name: [...titles, title].join(' '), run, timeout, ...hooks });
};
it.each = each(it);

export const describe = (title, body) => {
  const outer = { titles, hooks };
  titles = [...titles, title];
  hooks = { before: [...hooks.before], after: [...hooks.after] };
  body();
  ({ titles, hooks } = outer);
};
describe.each = each(describe);

export const beforeEach = (work) => hooks.before.push(work);
export const afterEach = (work) => hooks.after.unshift(work);

const timers = new ModernFakeTimers({ config: { fakeTimers: {} }, global: globalThis });
export const jest = timers;
