import assert from 'node:assert/strict';
import { scenariosOf } from './scenario.js';
import type { GrantedLock, Scenario } from './scenario.js';

const says =
  (mode: string, options?: object): Scenario['run'] =>
  async ({ here, name }) => {
    const res = name();
    const granted: string[][] = [];
    const callback = (lock: GrantedLock): void => {
      granted.push([lock.name, lock.mode]);
    };
    await (options ? here.request(res, options, callback) : here.request(res, callback));
    assert.deepEqual(granted, [[res, mode]]);
  };

export const lockAttributes = scenariosOf('lock-attributes', {
  'say what was requested, exclusive': says('exclusive'),
  'say what was requested, shared': says('shared', { mode: 'shared' }),
});
