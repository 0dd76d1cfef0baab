import assert from 'node:assert/strict';
import { deferred, isPromise, never, rejected, rejects, rejectsWith, scenariosOf } from './scenario.js';

const thrown = { name: 'what was thrown' };

export const acquire = scenariosOf('acquire', {
  'needs a name and a callback': async ({ here, name }) => {
    await rejects(here.request(), 'TypeError');
    await rejects(here.request(name()), 'TypeError');
  },

  'knows the modes "exclusive" and "shared" only': async ({ here, name }) => {
    for (const mode of ['foo', null]) await rejects(here.request(name(), { mode }, never), 'TypeError');
    for (const mode of ['exclusive', 'shared']) {
      assert.equal(await here.request(name(), { mode }, (lock: { mode: string }) => lock.mode), mode);
    }
  },

  'refuses `steal` with `ifAvailable`': async ({ here, name }) => {
    await rejects(here.request(name(), { steal: true, ifAvailable: true }, never), 'NotSupportedError');
  },

  'refuses `steal` of a shared lock': async ({ here, name }) => {
    await rejects(here.request(name(), { mode: 'shared', steal: true }, never), 'NotSupportedError');
  },

  'refuses `steal` with `signal`': async ({ here, name }) => {
    const { signal } = new AbortController();
    await rejects(here.request(name(), { signal, steal: true }, never), 'NotSupportedError');
  },

  'refuses `ifAvailable` with `signal`': async ({ here, name }) => {
    const { signal } = new AbortController();
    await rejects(here.request(name(), { signal, ifAvailable: true }, never), 'NotSupportedError');
  },

  'takes nothing but a function as callback': async ({ here, name }) => {
    for (const callback of [undefined, null, 123, 'abc', [], {}, Promise.resolve()]) {
      await rejects(here.request(name(), callback), 'TypeError');
    }
  },

  'settles after the release': async ({ here, name }) => {
    const { promise, resolve } = deferred();
    const order: string[] = [];
    const returned = here.request(name(), () => promise).then(() => order.push('returned'));
    const held = promise.then(() => order.push('held'));
    resolve();
    await Promise.all([returned, held]);
    assert.deepEqual(order, ['held', 'returned']);
  },

  'rejects with what the callback throws': async ({ here, name }) => {
    const promise = here.request(name(), () => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- what is thrown has to come through as it is
      throw thrown;
    });
    isPromise(promise);
    await rejectsWith(promise, thrown);
  },

  'rejects with what the promise of the callback rejects with': async ({ here, name }) => {
    await rejectsWith(
      here.request(name(), () => rejected(thrown)),
      thrown,
    );
  },

  'rejects with a thenable as it is': async ({ here, name }) => {
    let isCalled = false;
    const thenable = {
      then: () => {
        isCalled = true;
      },
    };
    await rejectsWith(
      here.request(name(), () => rejected(thenable)),
      thenable,
    );
    assert.equal(isCalled, false);
  },
});
