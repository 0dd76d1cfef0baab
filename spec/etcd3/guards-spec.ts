/**
 * Writes that etcd itself refuses once the lock is not held any more.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, Subject, of, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { ifAll } from '../../src/backends/etcd3/index.js';
import type { Guard } from '../../src/backends/etcd3/guards.js';
import { SERVER_CLAIMS } from '../../src/backend/prefixed.js';
import { settlesWith } from '../../src/backend/settled.js';
import type { HeldLock } from '../../src/index.js';
import { refusal } from './double/refusal.js';
import { WITHIN, answerOf, on, quiet, worldOf } from './world.js';

interface Hold {
  readonly remaining?: number;
  readonly renewals$?: Observable<never>;
  readonly keys?: readonly string[];
}

async function held({ remaining = 4000, renewals$ = NEVER, keys = ['a'] }: Hold = {}) {
  const world = worldOf();
  const lease = await world.granted();
  let token = 0n;
  for (const key of keys) ({ token } = await world.entered(on(lease, key, '1')));
  const state = { isHeld: true };
  const lock = {
    key: keys.join(', '),
    keys,
    fencingToken: token,
    signal: new AbortController().signal,
    isHeld: () => state.isHeld,
    remaining: () => remaining,
    renewals$,
  } as unknown as HeldLock;
  world.asked();
  return { ...world, lock, token, state };
}

const guardOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => error,
  );

describe('a guard', () => {
  it('is the comparison that our claim is the one there is, a child of the name itself', async () => {
    const { backend, lock, token, etcd, asked } = await held();
    // In the same transaction as ours, of a name that nests, and before it in order.
    etcd.store.put(Buffer.from('a/0/x'), Buffer.of(), '0', token);
    expect(await backend.guard(lock)).toEqual([Buffer.from('a/1a-1'), 'Create', '==', String(token)]);
    expect(asked()).toEqual([
      {
        method: 'range',
        request: {
          key: Buffer.from('a/'),
          range_end: Buffer.from('a0'),
          min_create_revision: String(token),
          max_create_revision: String(token),
          keys_only: true,
        },
      },
    ]);
  });

  it('is of our claim, not of another one that has its token, as after a restore', async () => {
    const { backend, lock, token, etcd, remove } = await held();
    etcd.store.put(Buffer.from('a/0b-1'), Buffer.of(), '0', token);
    const ours = Object.assign(lock, { [SERVER_CLAIMS]: [{ key: 'a', id: '1a-1' }] });
    expect(await backend.guard(ours)).toEqual([Buffer.from('a/1a-1'), 'Create', '==', String(token)]);
    remove('a/1a-1');
    expect(await guardOf(backend.guard(ours))).toMatchObject({ code: 'LOCK_NOT_OWNED', key: 'a' });
  });

  it('is not given once our claim is gone, or the lock is over by the time of the answer', async () => {
    const { backend, lock, remove, state, put } = await held();
    state.isHeld = false;
    expect(await guardOf(backend.guard(lock))).toMatchObject({ code: 'LOCK_NOT_OWNED', key: 'a' });
    state.isHeld = true;
    await expect(backend.guard(lock)).resolves.toHaveLength(4);
    remove('a/1a-1');
    put('a/1a-1');
    expect(await guardOf(backend.guard(lock))).toMatchObject({ code: 'LOCK_NOT_OWNED', key: 'a' });
  });

  it('waits until nothing of those who held before can arrive any more', async () => {
    const { backend, lock, asked } = await held();
    const before = new Subject<void>();
    settlesWith(lock, before);
    const guard = backend.guard(lock);
    await quiet();
    expect(asked()).toEqual([]);
    before.next();
    await quiet();
    expect(asked()).toEqual([]);
    before.complete();
    await expect(guard).resolves.toHaveLength(4);
  });

  it.each([
    ['is given back', of()],
    ['is lost', throwError(() => new Error('lost'))],
  ])('ends when the lock %s, answered or not', async (_, end$) => {
    const renewals$ = new Subject<never>();
    const { backend, lock, next } = await held({ renewals$ });
    next('range', 'lost');
    const guard = guardOf(backend.guard(lock));
    await quiet();
    end$.subscribe(renewals$);
    expect(await guard).toMatchObject({ code: 'LOCK_NOT_OWNED', key: 'a' });
  });

  it('of a server that does not answer is an error that says what for', async () => {
    const { backend, lock, next } = await held();
    next('range', refusal.down());
    expect(await guardOf(backend.guard(lock))).toMatchObject({
      code: 'BACKEND',
      message: expect.stringMatching(/^etcd could not guard "a": /),
    });
  });

  it('is one for each key of the lock of several, which have to be taken together', async () => {
    const world = await held();
    const lease = await world.granted({ id: '2a' });
    await world.backend.enqueue([on(lease, 'x', '1'), on(lease, 'y', '1')], 1000, 'plain').forEach(() => undefined);
    const token = world.etcd.store.revision;
    const lock = { ...world.lock, key: 'x, y', keys: ['x', 'y'], fencingToken: token } as HeldLock;
    expect(await world.backend.guards(lock)).toEqual([
      [Buffer.from('x/2a-1'), 'Create', '==', String(token)],
      [Buffer.from('y/2a-1'), 'Create', '==', String(token)],
    ]);
    expect(await guardOf(world.backend.guard(lock))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('it is the lock of several keys: use guards() and ifAll().'),
    });
    world.remove('y/2a-1');
    expect(await guardOf(world.backend.guards(lock))).toMatchObject({ code: 'LOCK_NOT_OWNED', key: 'x, y' });
  });

  it('goes with others into one transaction of npm etcd3', () => {
    const given: Guard[] = [];
    const builder = {
      and(...guard: Guard) {
        given.push(guard);
        return this;
      },
    };
    const client = {
      if(...guard: Guard) {
        given.push(guard);
        return builder;
      },
    };
    const guards = ['x', 'y', 'z'].map((key): Guard => [Buffer.from(key), 'Create', '==', '7']);
    expect(ifAll(client, guards)).toBe(builder);
    expect(given).toEqual(guards);
    expect(() => ifAll(client, [])).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('give what guards() resolved to.'),
      }),
    );
  });
});

describe('a guarded transaction', () => {
  it('puts, deletes and reads in one step while the lock is held', async () => {
    const { backend, lock, put, valueOf, keys } = await held();
    put('balance', '3');
    put('old', 'x');
    const { succeeded, values } = await backend.transaction(lock, {
      if: { balance: '3', none: null },
      put: { balance: '13', new: '' },
      delete: ['old'],
      get: ['balance', 'none', 'new'],
    });
    expect(succeeded).toBe(true);
    expect(values).toEqual({ balance: '3', none: null, new: null });
    expect(valueOf('balance')).toBe('13');
    expect(keys()).toEqual(['a/1a-1', 'balance', 'new']);
  });

  it.each([{ balance: '4' }, { balance: null }, { none: '' }, { balance: '3', none: '' }])(
    'writes nothing where it is not as %j says, which is no loss',
    async (compared) => {
      const { backend, lock, put, valueOf } = await held();
      put('balance', '3');
      expect(await backend.transaction(lock, { if: compared, put: { balance: '13' }, get: ['balance'] })).toEqual({
        succeeded: false,
        values: { balance: '3' },
      });
      expect(valueOf('balance')).toBe('3');
    },
  );

  it('is refused by the server once our claim is gone, or another one stands there', async () => {
    for (const isReplaced of [false, true]) {
      const { backend, lock, remove, put, valueOf, way } = await held();
      way.fate = ({ method }) => {
        if (method === 'txn') {
          remove('a/1a-1');
          if (isReplaced) put('a/1a-1');
        }
        return undefined;
      };
      expect(await guardOf(backend.transaction(lock, { put: { x: '1' }, get: ['x'] }))).toMatchObject({
        code: 'LOCK_NOT_OWNED',
        key: 'a',
      });
      expect(valueOf('x')).toBeUndefined();
    }
  });

  it.each([0, 1])('of several keys is refused once the claim of one is gone (%d)', async (gone) => {
    const { backend, lock, granted, etcd, remove, valueOf, way } = await held();
    const lease = await granted({ id: '2a' });
    await answerOf(backend.enqueue([on(lease, 'x', '1'), on(lease, 'y', '1')], WITHIN, 'plain'));
    const both = { ...lock, key: 'x, y', keys: ['x', 'y'], fencingToken: etcd.store.revision } as HeldLock;
    const given = { put: { v: '1' }, get: ['v', 'w', 'z'] };
    expect(await backend.transaction(both, { ...given, if: { u: '' } })).toMatchObject({ succeeded: false });
    way.fate = ({ method }) => {
      if (method === 'txn') remove(`${both.keys[gone] ?? ''}/2a-1`);
      return undefined;
    };
    expect(await guardOf(backend.transaction(both, given))).toMatchObject({ code: 'LOCK_NOT_OWNED', key: 'x, y' });
    expect(valueOf('v')).toBeUndefined();
  });

  it('without an answer says so', async () => {
    const { backend, lock, next } = await held();
    next('txn', refusal.down());
    expect(await guardOf(backend.transaction(lock, { put: { x: '1' } }))).toMatchObject({
      code: 'BACKEND',
      message: expect.stringMatching(/^etcd could not carry out a transaction: /),
    });
  });

  const SHAPE = 'give { if, put, delete, get }: texts by key, or lists of keys.';
  const TEXT = 'keys and values are text: encode what is not.';
  const many = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `k${String(from + i)}`);
  const puts = (from: number, to: number) => Object.fromEntries(many(from, to).map((key) => [key, '']));
  it.each([
    ['nothing', undefined, SHAPE],
    ['a text', 'put', SHAPE],
    ['what it does not know', { set: {} }, SHAPE],
    ['a list of puts', { put: 'x' }, SHAPE],
    ['comparisons that are none', { if: 'x' }, SHAPE],
    ['one key to delete', { delete: 'x' }, SHAPE],
    ['one key to get', { get: 'x' }, SHAPE],
    ['a number as a value', { put: { a: 1 } }, TEXT],
    ['a number to compare with', { if: { a: 1 } }, TEXT],
    ['a number as a key', { delete: [1] }, TEXT],
    ['a number to get', { get: [1] }, TEXT],
    ['nothing to put', { put: { a: null } }, TEXT],
    ['an empty key to put', { put: { '': 'x' } }, 'the key is empty.'],
    ['an empty key to compare', { if: { '': 'x' } }, 'the key is empty.'],
    ['an empty key to delete', { delete: [''] }, 'the key is empty.'],
    ['an empty key to get', { get: [''] }, 'the key is empty.'],
    [
      'a key put and deleted',
      { put: { a: '' }, delete: ['b', 'a'] },
      'this key is to be put and deleted, and etcd takes a key once.',
    ],
    [
      'too many keys',
      { if: puts(0, 16), put: puts(16, 32), delete: many(32, 48), get: many(48, 65) },
      'at most 64 keys fit into one transaction.',
    ],
  ])('of %s is refused at the call', async (_, given, advice) => {
    const { backend, lock, asked } = await held();
    expect(await guardOf(backend.transaction(lock, given as never))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(advice),
    });
    expect(asked()).toEqual([]);
  });

  it('takes as many keys as it says, empty values, and nothing at all', async () => {
    const { backend, lock } = await held();
    const most = { if: {}, put: puts(0, 32), delete: many(32, 48), get: many(48, 64) };
    expect(await backend.transaction(lock, most)).toMatchObject({ succeeded: true });
    expect(await backend.transaction(lock, { if: { k0: '' } })).toEqual({ succeeded: true, values: {} });
    expect(await backend.transaction(lock, {})).toEqual({ succeeded: true, values: {} });
  });
});
