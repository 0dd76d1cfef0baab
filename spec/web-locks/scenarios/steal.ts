import assert from 'node:assert/strict';
import { rejects, scenariosOf } from './scenario.js';
import type { GrantedLock } from './scenario.js';

const steal = { steal: true };

export const stealing = scenariosOf('steal', {
  'is granted what is free': async ({ here, name }) => {
    const res = name();
    assert.equal(await here.request(res, steal, (lock: GrantedLock) => lock.name), res);
  },

  'is granted what is held': async ({ here, there, name, hold, inOrder }) => {
    const res = name();
    await inOrder([there], (manager) => hold(manager, res).done);
    assert.equal(await here.request(res, steal, (lock: GrantedLock) => lock.name), res);
  },

  'rejects the request of who held it': async ({ here, there, name, hold, inOrder }) => {
    const res = name();
    const { requests } = await inOrder([there], (manager) => hold(manager, res).done);
    const [robbed] = requests;
    assert.ok(robbed);
    const rejected = rejects(robbed, 'AbortError');
    await here.request(res, steal, () => undefined);
    await rejected;
  },

  'is granted before who waits, who is served in the end': async ({ here, there, name, hold, inOrder }) => {
    const res = name();
    await inOrder([there], (manager) => hold(manager, res).done);
    const order: string[] = [];
    const waiting = here.request(res, () => order.push('waiting'));
    await here.request(res, steal, () => order.push('steal'));
    await waiting;
    assert.deepEqual(order, ['steal', 'waiting']);
  },

  'can be stolen from by the next one': async ({ here, there, name, hold, inOrder }) => {
    const res = name();
    await inOrder([there], (manager) => hold(manager, res).done);
    const first = rejects(hold(here, res, steal).done, 'AbortError');
    await here.request(res, steal, () => undefined);
    await first;
  },
});
