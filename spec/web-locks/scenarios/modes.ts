import assert from 'node:assert/strict';
import { deferred, of, scenariosOf } from './scenario.js';
import type { GrantedLock, Info } from './scenario.js';

const areShared = (infos: readonly Info[]): boolean => infos.every(({ mode }) => mode === 'shared');

export const modeExclusive = scenariosOf('mode-exclusive', {
  'grants requests in the order in which they were made': async ({ here, there, name, inOrder }) => {
    const a = name('a');
    const granted: number[] = [];
    const { requests } = await inOrder([here, there, here], (manager, i) => manager.request(a, () => granted.push(i)));
    await Promise.all(requests);
    assert.deepEqual(granted, [0, 1, 2]);
  },

  'grants another name while one has to wait': async ({ here, name, grantedInOrder }) => {
    const [a, b] = [name('a'), name('b')];
    const granted: string[] = [];
    const inner: Promise<unknown>[] = [];
    await here.request(a, () => {
      inner.push(here.request(a, () => granted.push('a 1')));
      inner.push(here.request(b, () => granted.push('b 2')));
    });
    await Promise.all(inner);
    grantedInOrder(granted, ['b 2', 'a 1']);
  },
});

export const modeShared = scenariosOf('mode-shared', {
  'grants requests in the order in which they were made': async ({ here, name, grantedInOrder }) => {
    const names = ['a', 'b', 'c', 'a', 'b', 'c'];
    const ids = new Map(['a', 'b', 'c'].map((label) => [label, name(label)]));
    const granted: string[] = [];
    await Promise.all(
      names.map((label, i) =>
        here.request(ids.get(label), { mode: 'shared' }, () => granted.push(`${label} ${String(i)}`)),
      ),
    );
    grantedInOrder(granted, ['a 0', 'b 1', 'c 2', 'a 3', 'b 4', 'c 5']);
  },

  'is not exclusive': async ({ here, there, name }) => {
    const res = name();
    const granted: string[] = [];
    await here.request(res, { mode: 'shared' }, async () => {
      granted.push('first');
      await there.request(res, { mode: 'shared' }, () => granted.push('second'));
    });
    assert.deepEqual(granted, ['first', 'second']);
  },
});

export const modeMixed = scenariosOf('mode-mixed', {
  'grants requests in the order in which they were made': async ({ here, name, grantedInOrder }) => {
    const [a, b] = [name('a'), name('b')];
    const granted: string[] = [];
    const { promise, resolve } = deferred();
    const readers = [1, 2, 3].map((i) =>
      here.request(a, { mode: 'shared' }, () => {
        granted.push(`a shared ${String(i)}`);
        return promise;
      }),
    );
    const exclusive = here.request(a, (lock: GrantedLock) => {
      granted.push('a exclusive');
      return lock.mode;
    });
    await here.request(b, { mode: 'exclusive' }, () => granted.push('b exclusive'));
    // On a server the answers for one name say nothing about those for another.
    await here.query();
    grantedInOrder(granted, ['a shared 1', 'a shared 2', 'a shared 3', 'b exclusive']);
    resolve();
    await Promise.all(readers);
    assert.equal(await exclusive, 'exclusive');
    assert.equal(granted.at(-1), 'a exclusive');
    assert.equal(granted.length, 5);
  },

  'grants all shared requests when the exclusive lock before them is released': async (test) => {
    const { here, there, name, hold, inOrder } = test;
    const res = name();
    const exclusive = hold(here, res);
    await exclusive.granted;
    await inOrder([there, here, there, here, there], (manager) => hold(manager, res, { mode: 'shared' }).granted);
    const before = await here.query();
    assert.equal(of(res)(before.held).length, 1);
    assert.equal(of(res)(before.pending).length, 5);
    exclusive.release();
    await exclusive.done;
    const after = await here.query();
    assert.equal(of(res)(after.held).length, 5);
    assert.ok(areShared(of(res)(after.held)));
  },

  'holds exclusive locks between shared ones': async ({ here, there, name, hold, inOrder }) => {
    const res = name();
    const mode = 'shared';
    const readers = [here, here, here, here, here].map((manager) => hold(manager, res, { mode }));
    const exclusive = hold(here, res);
    await here.query();
    await inOrder([there, here, there, here, there], (manager) => hold(manager, res, { mode }).granted);

    const first = await here.query();
    assert.equal(of(res)(first.held).length, 5);
    assert.ok(areShared(of(res)(first.held)));

    for (const reader of readers) reader.release();
    await Promise.all(readers.map((reader) => reader.done));
    const second = await here.query();
    assert.deepEqual(
      of(res)(second.held).map((info) => info.mode),
      ['exclusive'],
    );

    exclusive.release();
    await exclusive.done;
    const third = await here.query();
    assert.equal(of(res)(third.held).length, 5);
    assert.ok(areShared(of(res)(third.held)));
  },
});
