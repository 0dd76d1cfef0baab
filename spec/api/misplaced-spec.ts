/**
 * Arguments of the wrong kind: refused at the call by name, never ignored and never a TypeError from inside.
 */
import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lastValueFrom, of, throwError } from 'rxjs';
import { decorate } from '../../src/backend/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { InvalidOptionError, createLocks, runOnce, shareAcross, whileLeader, withLock } from '../../src/index.js';
import type { Lock, Locks } from '../../src/index.js';
import Microlock, { InvalidTtlError } from '../../src/microlock/index.js';
import { RunOnce, WhileLeader, WithLock } from '../../src/nestjs/index.js';
import { runCoordinator } from '../../src/node-cron/index.js';
import { instrumentLocks } from '../../src/opentelemetry/index.js';
import { behindNetwork, lockServer } from '../../src/testing/index.js';
import { createLockManager } from '../../src/web-locks/index.js';

const untyped = (value: unknown): never => value as never;
let locks: Locks;
let lock: Lock;
beforeEach(() => {
  locks = createLocks(memoryBackend());
  lock = locks.mutex('k');
});
afterEach(() => locks.close());

const BUILT_IN: readonly (readonly [string, unknown, string])[] = [
  ['a signal', new AbortController().signal, 'options is of the class AbortSignal: give { signal }.'],
  ['a controller', new AbortController(), 'give { signal: controller.signal }.'],
  ['a promise', Promise.resolve({ wait: 0 }), 'options is of the class Promise: await it.'],
  ['a map', new Map([['wait', 0]]), 'options is of the class Map: give an object, such as { wait: … }.'],
  ['a date', new Date(), 'options is of the class Date'],
  ['an error', new Error('no'), 'options is of the class Error'],
];

describe('instead of options', () => {
  it.each(BUILT_IN)('%s is refused by what contends', async (_, given, sentence) => {
    const options = untyped(given);
    await expect(lock.acquire(options)).rejects.toThrow(sentence);
    await expect(lock.use(() => 'ran', options)).rejects.toThrow(sentence);
    expect(() => lock.lock$(options)).toThrow(sentence);
    expect(() => withLock(lock, options)).toThrow(sentence);
    expect(() => whileLeader(lock, () => of(1), options)).toThrow(sentence);
    expect(() => runOnce(locks.once('k', { keep: 1000 }), () => of(1), options)).toThrow(sentence);
    expect(() => locks.election('e').campaign$('a', options)).toThrow(sentence);
  });

  it.each(BUILT_IN)('%s is refused by createLocks, ping and shareAcross', async (_, given) => {
    const options = untyped(given);
    expect(() => createLocks(memoryBackend(), options)).toThrow(InvalidOptionError);
    expect(() => shareAcross(locks.election('e'), options)).toThrow(InvalidOptionError);
    await expect(locks.ping(options)).rejects.toThrow(InvalidOptionError);
  });

  it("options of a class of the user's are taken", async () => {
    class Options {
      readonly wait = 0;
    }
    const { use } = { use: (options: Options) => lock.use(() => 'ran', options) };
    expect(await use(new Options())).toBe('ran');
  });
});

describe('close() as a callback', () => {
  it.each([
    ['of a process signal', 'SIGTERM'],
    ['of a rejection', new Error('no')],
    ['of an event', new Event('close')],
  ])('%s ends the locks', async (_, argument) => {
    const mine = createLocks(memoryBackend());
    const { close }: { close: (argument: never) => Promise<void> } = mine;
    await close(untyped(argument));
    await expect(mine.mutex('k').acquire()).rejects.toMatchObject({ code: 'LOCKS_CLOSED' });
  });

  it('with a time is refused, with the name of the option', async () => {
    await expect(locks.close(untyped(5000))).rejects.toThrow('options is 5000: give an object, such as { drain: … }.');
  });
});

describe('a scheduler or a clock that is none', () => {
  it.each([[null], [0], [NaN], [''], ['async'], [5n], [{}], [() => 0], [new Date()], [Object.create(null) as unknown]])(
    'is refused: %#',
    (scheduler) => {
      const options = untyped({ scheduler });
      const sentence = 'give a scheduler of RxJS.';
      expect(() => createLocks(memoryBackend(), options)).toThrow(sentence);
      expect(() => whileLeader(lock, () => of(1), options)).toThrow(sentence);
      expect(() => shareAcross(locks.election('e'), options)).toThrow(sentence);
      expect(() => memoryBackend(options)).toThrow(sentence);
      expect(() => behindNetwork(memoryBackend(), options)).toThrow(sentence);
      expect(() => lockServer(untyped(scheduler))).toThrow(sentence);
    },
  );

  it.each([[null], [5], [{}], [{ now: 5 }], [{ now: () => NaN }], [{ now: () => '5' }], [{ now: () => new Date() }]])(
    'a clock is refused: %j',
    (clock) => {
      expect(() => createLocks(memoryBackend(), untyped({ clock }))).toThrow(
        'give an object with now(), which returns',
      );
    },
  );
});

describe('a duration that is no number', () => {
  it.each([['5'], [''], [[5]], [true], [Symbol('x')], [5n], [Object.create(null) as unknown], [null]])(
    'is refused as a safety margin: %#',
    (safetyMargin) => {
      expect(() => createLocks(memoryBackend(), untyped({ safetyMargin }))).toThrow(
        'give milliseconds, from 0 to less',
      );
    },
  );

  it('is refused, null too', () => {
    expect(() => createLocks(memoryBackend(), untyped({ ttl: null }))).toThrow('ttl is null');
    expect(() => createLocks(memoryBackend(), untyped({ owner: null }))).toThrow('owner is null');
  });
});

describe('other entries', () => {
  const NO_LOCKS: readonly unknown[] = [undefined, null, {}, memoryBackend(), lock, 'http://a:1'];

  it.each(NO_LOCKS.map((given) => [given]))('refuse what are no locks: %#', (given) => {
    expect(() => createLockManager(untyped(given))).toThrow('give what createLocks() returns.');
    expect(() => runCoordinator(untyped(given))).toThrow('give what createLocks() returns.');
  });

  it.each([[null], [{ perfix: 'a/' }], [5], ['a/']])('refuse options that they do not know: %j', (given) => {
    const options = untyped(given);
    expect(() => createLockManager(locks, options)).toThrow(InvalidOptionError);
    expect(() => runCoordinator(locks, options)).toThrow(InvalidOptionError);
    expect(() => instrumentLocks(options)).toThrow(InvalidOptionError);
    expect(() => memoryBackend(options)).toThrow(InvalidOptionError);
    expect(() => behindNetwork(memoryBackend(), options)).toThrow(InvalidOptionError);
  });

  it.each([[Symbol('x')], [Object.create(null) as unknown], [NaN]])(
    'Microlock refuses a ttl that is none: %#',
    (ttl) => {
      const client = untyped({ get: () => 0, set: () => 0, compareAndDelete: () => 0 });
      expect(() => new Microlock(client, 'k', 'n', untyped(ttl))).toThrow(InvalidTtlError);
    },
  );

  it('runCoordinator refuses a bad keep at the call, not at the first tick', () => {
    expect(() => runCoordinator(locks, untyped({ keep: '1d' }))).toThrow('keep is "1d"');
    expect(() => runCoordinator(locks, { keep: 5 })).toThrow('keep is 5');
  });

  it.each([[undefined], [null], [{}], ['a']])('behindNetwork and decorate refuse what is no backend: %j', (backend) => {
    expect(() => behindNetwork(untyped(backend))).toThrow(InvalidOptionError);
    expect(() => decorate(untyped(backend), (answer$) => answer$)).toThrow(InvalidOptionError);
    expect(() => decorate(memoryBackend(), untyped(backend))).toThrow('wrap is');
  });

  it.each([[-1], [NaN], [Infinity], ['5'], [null]])('behindNetwork refuses a latency of %p', (ms) => {
    expect(() => behindNetwork(memoryBackend(), untyped({ latency: ms }))).toThrow('latency is');
    expect(() => behindNetwork(memoryBackend(), untyped({ jitter: ms }))).toThrow('jitter is');
  });

  it.each([[null], [undefined], ['k'], [{ wait: 0 }], [[lock]]])('all() refuses what is no lock: %j', (member) => {
    expect(() => locks.all(untyped(member))).toThrow('give locks made by these same Locks.');
  });

  it.each([[null], [undefined], [{}], ['k'], [lock]])('mark$ refuses what is not held: %#', (held) => {
    const once = locks.once('k', { keep: 1000 });
    expect(() => once.mark$(untyped(held))).toThrow('give the HeldLock under which the work was done.');
    expect(() => once.markFailed$(untyped(held), new Error('no'))).toThrow(InvalidOptionError);
  });
});

describe('a decorator of rxlock/nestjs', () => {
  const decorators: readonly (readonly [string, (options: never) => unknown])[] = [
    ['@WithLock', (options) => WithLock('k', options)],
    ['@WhileLeader', (options) => WhileLeader('k', options)],
    ['@RunOnce', (options) => RunOnce('k', options)],
  ];

  it.each(decorators)('%s refuses what are no options', (_, decorate) => {
    expect(() => decorate(untyped(null))).toThrow('options is null: give an object');
    expect(() => decorate(untyped(5))).toThrow('options is 5: give an object');
    expect(() => decorate(untyped(new AbortController().signal))).toThrow('AbortSignal: give { signal }.');
  });

  it('@RunOnce refuses none', () => {
    expect(() => RunOnce('k', untyped(undefined))).toThrow(
      'options is undefined: give an object, such as { keep: … }.',
    );
  });
});

describe('after close()', () => {
  it('a result that is watched completes, and so does one that is asked for then', async () => {
    const mine = createLocks(memoryBackend());
    const once = mine.once('k', { keep: 1000 });
    const seen = lastValueFrom(once.result$, { defaultValue: 'nothing' });
    await mine.close();
    expect(await seen).toBeUndefined();
    expect(await lastValueFrom(once.result$, { defaultValue: 'nothing' })).toBe('nothing');
  });

  it('a query of a lock manager rejects with its reason', async () => {
    const mine = createLocks(memoryBackend());
    const manager = createLockManager(mine);
    await mine.close();
    await expect(manager.query()).rejects.toMatchObject({ code: 'LOCKS_CLOSED' });
  });
});

describe('what a body threw may be unreadable', () => {
  const trap = (): never => {
    throw new Error('a trap');
  };
  const UNREADABLE: readonly (readonly [string, unknown])[] = [
    ['without a prototype', Object.create(null)],
    ['a proxy whose traps throw', new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap })],
    ['an error whose message is a symbol', Object.assign(new Error('x'), { message: Symbol('m') })],
    ['an error whose message throws', Object.defineProperty(new Error('x'), 'message', { get: trap })],
  ];

  it.each(UNREADABLE)('%s: shareAcross ends with it, and so does the lead', async (_, thrown) => {
    const election = locks.election('unreadable');
    const seen = await new Promise((resolve) => {
      throwError(() => thrown)
        .pipe(shareAcross(election))
        .subscribe({
          error: (error: unknown) => resolve(Object.is(error, thrown)),
          complete: () => resolve('completed'),
        });
    });
    expect(seen).toBe(true);
  });

  it.each(UNREADABLE)('%s: events can be written as JSON, and the lock is free', async (_, reason) => {
    const written: string[] = [];
    const events = locks.events$.subscribe((event) => written.push(JSON.stringify(event)));
    const aborter = new AbortController();
    const held = await lock.acquire();
    const waiting = lock.acquire({ signal: aborter.signal }).catch((error: unknown) => Object.is(error, reason));
    aborter.abort(reason);
    expect(await waiting).toBe(true);
    await held.release();
    events.unsubscribe();
    expect(written.some((event) => event.includes('"aborted"'))).toBe(true);
    expect(await lock.use(() => 'free', { wait: 0 })).toBe('free');
  });

  it.each(UNREADABLE)('%s: a failed run counts, and others are told', async (_, thrown) => {
    const once = locks.once(`unreadable/${UNREADABLE.findIndex((row) => row[1] === thrown)}`, { keep: 1000 });
    const fail = (): never => {
      throw thrown;
    };
    const seen = await once.run(fail, { failures: 'count' }).catch((error: unknown) => Object.is(error, thrown));
    expect(seen).toBe(true);
    await expect(once.run(() => 1)).rejects.toMatchObject({ code: 'RUN_FAILED' });
  });
});
