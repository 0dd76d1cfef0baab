import assert from 'node:assert/strict';
import { never, rejects, scenariosOf } from './scenario.js';
import type { GrantedLock, Scenario } from './scenario.js';

const NAMES: Readonly<Record<string, string>> = {
  'the empty name': '',
  'a NUL in a name': 'abc\0def',
  'the first half of a surrogate pair': '\uD800',
  'the second half of a surrogate pair': '\uDC00',
  'the halves of a surrogate pair the wrong way round': '\uDC00\uD800',
  'what is no character': '\uFFFF',
};

const carries =
  (res: string): Scenario['run'] =>
  async ({ here, there }) => {
    await here.request(res, async (lock: GrantedLock) => {
      assert.equal(lock.name, res);
      await there.request(res, { ifAvailable: true }, (other: unknown) => assert.equal(other, null));
    });
  };

export const resourceNames = scenariosOf('resource-names', {
  ...Object.fromEntries(Object.entries(NAMES).map(([what, res]) => [`carries ${what}`, carries(res)])),

  'tells half a surrogate pair from the character that stands for it elsewhere': async ({ here, there }) => {
    await here.request('\uD800', async () => {
      await there.request('\uFFFD', (lock: GrantedLock) => assert.equal(lock.name, '\uFFFD'));
    });
  },

  'refuses names that begin with a dash': async ({ here }) => {
    for (const res of ['-', '-foo']) await rejects(here.request(res, never), 'NotSupportedError');
    assert.equal(await here.request('x-anything', (lock: GrantedLock) => lock.name), 'x-anything');
  },
});
