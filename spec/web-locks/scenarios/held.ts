import assert from 'node:assert/strict';
import { deferred, isPromise, rejects, scenariosOf } from './scenario.js';
import type { Scenario } from './scenario.js';

/** The next request is granted after the promise of the one that holds has settled, not before. */
const holdsUntil =
  (settled: 'resolves' | 'rejects'): Scenario['run'] =>
  async ({ here, there, name }) => {
    const res = name();
    const granted = deferred();
    const { promise, resolve, reject } = deferred();
    const order: string[] = [];
    const first = here.request(res, () => {
      granted.resolve();
      return promise;
    });
    const firstEnd = settled === 'resolves' ? first : rejects(first, 'Error');
    await granted.promise;
    const next = there.request(res, () => {
      order.push('next');
    });
    // By then it is known to wait.
    const { pending } = await there.query();
    assert.equal(pending.filter((info) => info.name === res).length, 1);
    order.push('settled');
    if (settled === 'resolves') resolve();
    else reject(new Error('the work failed'));
    await Promise.all([next, firstEnd]);
    assert.deepEqual(order, ['settled', 'next']);
  };

export const held = scenariosOf('held', {
  'makes a promise of what the callback returns': async ({ here, name }) => {
    const promise = here.request(name(), () => 123);
    isPromise(promise);
    assert.equal(await promise, 123);
  },
  'holds until the promise of the callback resolves': holdsUntil('resolves'),
  'holds until the promise of the callback rejects': holdsUntil('rejects'),
  'keeps out the client that holds it as well': async ({ here, name }) => {
    const res = name();
    const seen: unknown[] = [];
    await here.request(res, () => here.request(res, { ifAvailable: true }, (lock: unknown) => seen.push(lock)));
    assert.deepEqual(seen, [null]);
  },
});
