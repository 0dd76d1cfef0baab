/**
 * What a call of `Locks` refuses, and what it advises instead.
 */
import { describe, expect, it } from '@jest/globals';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { InvalidOptionError, createLocks } from '../../src/index.js';
import type { LockBackend, Locks, SlotBackend } from '../../src/index.js';
import { SERVER_CLAIMS } from '../../src/backend/prefixed.js';
import { onePlace } from '../support/one-place.js';
import { fateOf, passing } from '../support/passing.js';

/** The error that a call throws. */
const thrownBy = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
};

/** A server with one slot for each key, whose objections are the default ones. */
const slots = (): SlotBackend => {
  const { objection, ...rest } = onePlace(memoryBackend());
  expect(objection).toBeDefined();
  return rest;
};

const ELSEWHERE = 'options go to createLocks() or to the call that contends.';

describe('an argument that a call does not take is refused, with where it goes:', () => {
  const locks = createLocks(memoryBackend());
  const called = (name: keyof Locks, ...args: unknown[]): unknown =>
    Reflect.apply(Object(Reflect.get(locks, name)) as () => unknown, locks, [...args, { wait: 0 }]);

  it.each<[keyof Locks, unknown[], string]>([
    ['mutex', ['k'], ELSEWHERE],
    ['semaphore', ['k', 2], ELSEWHERE],
    ['readLock', ['k'], ELSEWHERE],
    ['writeLock', ['k'], ELSEWHERE],
    ['election', ['k'], ELSEWHERE],
    ['watchAll$', ['k'], ELSEWHERE],
    ['once', ['k', { keep: 10_000 }], 'what runs goes to runOnce() or run().'],
  ])('%s()', (name, args, advice) => {
    expect(thrownBy(() => called(name, ...args))).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'argument',
      message: `${String(name)}() takes no options: ${advice}`,
    });
  });

  it('none of a body that is no function', async () => {
    const use: unknown = Reflect.apply(locks.mutex('k').use, locks.mutex('k'), [{ wait: 0 }]);
    await expect(use).rejects.toMatchObject({
      option: 'body',
      message: expect.stringMatching(/: give a function that does the work, and the options after it\.$/),
    });
  });
});

describe('what a server cannot do is refused, with what to use instead:', () => {
  const { queues, markers, ...bare } = memoryBackend();
  const picky: LockBackend = { ...memoryBackend(), objection: () => 'it is bad.' };
  const { proclaim, ...mute } = memoryBackend();
  it('of which the memory can do all', () => {
    expect([queues, markers, proclaim]).not.toContain(undefined);
  });

  it.each<[string, () => unknown, object]>([
    [
      'to list its locks',
      () => createLocks(bare).watchAll$('a/'),
      {
        option: 'prefix',
        value: 'a/',
        message: 'prefix is "a/": memory cannot list its locks. Use ownership$() of each, or etcd v3.',
      },
    ],
    [
      'to store that work is done',
      () => createLocks(bare).once('k', { keep: 10_000 }),
      {
        option: 'key',
        value: 'k',
        message:
          'key is "k": memory cannot store that work is done. Use a mutex, and record elsewhere what was done under it.',
      },
    ],
    [
      'to store it in a slot',
      () => createLocks(slots()).once('k', { keep: 10_000 }),
      { option: 'key', message: expect.stringContaining('memory cannot store that work is done. Use a mutex') },
    ],
    [
      'a key that it objects to, for work that is done once',
      () => createLocks(picky).once('k', { keep: 10_000 }),
      { option: 'key', value: 'k', message: 'key is "k": it is bad.' },
    ],
    [
      'a key that it objects to, for a lock',
      () => createLocks(picky).mutex('k'),
      { option: 'key', value: 'k', message: 'key is "k": it is bad.' },
    ],
    [
      'a name that it objects to, for an election',
      () => createLocks(picky).election('e'),
      { option: 'name', value: 'e', message: 'name is "e": it is bad.' },
    ],
    [
      'values of candidates',
      () => createLocks(mute).election('e'),
      { option: 'name', value: 'e', message: 'name is "e": memory keeps no values. Use whileLeader().' },
    ],
    [
      'a thread that renews',
      () => createLocks(memoryBackend(), { renewIn: 'worker' }),
      { option: 'renewIn', value: 'worker', message: expect.stringContaining('give createLocks() an etcd3Backend') },
    ],
    [
      'a semaphore in a slot',
      () => createLocks(slots()).semaphore('k', 2),
      { option: 'key', message: expect.stringContaining('this server has one slot for each key: use mutex().') },
    ],
  ])('%s', (_, call, expected) => {
    const error = thrownBy(call);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject(expected);
  });

  it('but not what it can do: a slot that has room for markers stores that work is done', () => {
    const roomy: SlotBackend = { ...slots(), ...(markers && { markers }) };
    expect(createLocks(roomy).once('k', { keep: 10_000 }).key).toBe('k');
  });

  it('nor a lock that need not be kept after its release, where none can be kept', async () => {
    const { keep, ...forgetful } = memoryBackend();
    expect(keep).toBeDefined();
    const locks = createLocks(forgetful);
    expect(await locks.mutex('k').use(() => 'done')).toBe('done');
    await locks.close();
  });

  it('nor a ping of a key of a slot', async () => {
    const locks = createLocks(slots());
    await expect(locks.ping({ key: 'k' })).resolves.toBeUndefined();
    await locks.close();
  });
});

describe('after its close, a `Locks`', () => {
  const closed = async (): Promise<Locks> => {
    const locks = createLocks(memoryBackend());
    await locks[Symbol.asyncDispose]();
    return locks;
  };

  it('pings nobody, and names the key', async () => {
    const locks = await closed();
    await expect(locks.ping({ key: 'k' })).rejects.toMatchObject({ code: 'LOCKS_CLOSED', key: 'k' });
  });

  it('rejects also a contender that skips what is busy: a close is no other holder', async () => {
    const lock = (await closed()).mutex('k');
    await expect(lock.acquire({ onBusy: 'skip', wait: 0 })).rejects.toMatchObject({ code: 'LOCKS_CLOSED' });
  });
});

describe('a body that returns a stream or a generator is refused, with the way out:', () => {
  it.each<[string, () => unknown]>([
    ['a generator', function* () {}],
    ['a generator that awaits', async function* () {}],
  ])('%s', async (_, body) => {
    const { client, pass } = passing();
    const fate = fateOf(client().mutex('k').use(body));
    await pass(5);
    expect(fate.is).toBe('rejected');
    expect(fate.of).toMatchObject({
      option: 'body',
      message:
        'The body of use() returned a stream: the stream was not subscribed to, and the lock is released. ' +
        'Use usingLock(lock, body), or await the stream in the body.',
    });
  });
});

describe('the claims of a held lock on the server', () => {
  it.each(['queue', 'slot'])('are named while it is held, and not after: in a %s', async (as) => {
    const locks = createLocks(as === 'slot' ? slots() : memoryBackend(), { prefix: 'a/' });
    const held = await locks.mutex('k').acquire();
    expect(Reflect.get(held, SERVER_CLAIMS)).toEqual([{ key: 'a/k', id: expect.stringMatching(/^\w+-\w+$/) }]);
    await held.release();
    expect(Reflect.get(held, SERVER_CLAIMS)).toEqual([{ key: 'a/k', id: undefined }]);
    await locks.close();
  });
});
