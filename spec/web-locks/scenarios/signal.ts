import assert from 'node:assert/strict';
import { deferred, never, of, rejects, rejectsWith, scenariosOf } from './scenario.js';
import type { Hold, Test } from './scenario.js';

/** A request that waits behind a lock of somebody else. */
async function waiting({ here, there, name, hold }: Test): Promise<{ controller: AbortController; request: Hold }> {
  const res = name();
  await hold(there, res).granted;
  const controller = new AbortController();
  const request = hold(here, res, { signal: controller.signal });
  const { held, pending } = await here.query();
  assert.equal(of(res)(held).length, 1);
  assert.equal(of(res)(pending).length, 1);
  return { controller, request };
}

/** A request whose lock is held, and what ends that. */
async function granted({ here, name }: Test) {
  const controller = new AbortController();
  const isGranted = deferred();
  const { promise, resolve } = deferred();
  const done = here.request(name(), { signal: controller.signal }, () => {
    isGranted.resolve();
    return promise;
  });
  await isGranted.promise;
  return { controller, release: resolve, done };
}

export const signal = scenariosOf('signal', {
  'takes nothing but an AbortSignal': async ({ here, name }) => {
    const controller = new AbortController();
    for (const given of ['string', 12.34, false, null, {}, Symbol('signal'), () => undefined, controller, globalThis]) {
      await rejects(here.request(name(), { signal: given }, never), 'TypeError');
    }
  },

  'rejects where it was aborted before': async ({ here, name }) => {
    await rejects(here.request(name(), { signal: AbortSignal.abort() }, never), 'AbortError');
  },

  'rejects with the reason for which it was aborted before': async ({ here, name }) => {
    const reason = 'My dog ate it.';
    await rejectsWith(here.request(name(), { signal: AbortSignal.abort(reason) }, never), reason);
  },

  'rejects with the very reason made for it before': async ({ here, name }) => {
    const aborted = AbortSignal.abort();
    await rejectsWith(here.request(name(), { signal: aborted }, never), aborted.reason);
  },

  'ends a request that waits': async (test) => {
    const { controller, request } = await waiting(test);
    controller.abort();
    await rejects(request.done, 'AbortError');
  },

  'ends a request that waits, from a timer': async (test) => {
    const { controller, request } = await waiting(test);
    let isAborted = false;
    setTimeout(() => {
      isAborted = true;
      controller.abort();
    }, 10);
    await rejects(request.done, 'AbortError');
    assert.equal(isAborted, true);
  },

  'does nothing while it is not aborted': async ({ here, name }) => {
    const controller = new AbortController();
    assert.equal(await here.request(name(), { signal: controller.signal }, () => 'held'), 'held');
  },

  'ends a request in the turn in which it was made': async ({ here, there, name }) => {
    const res = name();
    const controller = new AbortController();
    const request = here.request(res, { signal: controller.signal }, never);
    controller.abort();
    await rejects(request, 'AbortError');
    assert.equal(await there.request(res, () => 'held'), 'held');
  },

  'does nothing to a lock that is held': async (test) => {
    const { controller, release, done } = await granted(test);
    controller.abort();
    release('done');
    assert.equal(await done, 'done');
  },

  'does nothing to a lock that is being released': async (test) => {
    const { controller, release, done } = await granted(test);
    release('done');
    controller.abort();
    assert.equal(await done, 'done');
  },

  'lets the next request in': async ({ here, name, hold }) => {
    const res = name();
    const controller = new AbortController();
    const first = hold(here, res, { signal: controller.signal });
    const next = here.request(res, () => 'held');
    controller.abort();
    await rejects(first.done, 'AbortError');
    assert.equal(await next, 'held');
  },

  'rejects with the reason given': async ({ here, name, hold }) => {
    const controller = new AbortController();
    const request = hold(here, name(), { signal: controller.signal });
    const reason = 'My cat handled it';
    controller.abort(reason);
    await rejectsWith(request.done, reason);
  },

  'rejects with the very reason made for it': async ({ here, name, hold }) => {
    const controller = new AbortController();
    const request = hold(here, name(), { signal: controller.signal });
    controller.abort();
    await rejectsWith(request.done, controller.signal.reason);
  },
});
