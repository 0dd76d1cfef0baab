/**
 * What is given at the edge is checked, what comes out of it can be logged, passed on and called by itself.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { NEVER, Subject, firstValueFrom, isObservable, lastValueFrom, of, tap } from 'rxjs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { memoryBackend } from '../../src/backends/memory/index.js';
import {
  AlreadyLockedError,
  BackendError,
  InvalidOptionError,
  LockError,
  LockLostError,
  LockTimeoutError,
  LocksClosedError,
  createLocks,
  usingLock,
  whileLeader,
  withLock,
} from '../../src/index.js';
import type { Lock, Locks } from '../../src/index.js';
import { failureOf } from '../support/waiting.js';

const open: Locks[] = [];
const lockOf = (): Lock => {
  const locks = createLocks(memoryBackend());
  open.push(locks);
  return locks.mutex('k');
};
// What is held keeps the process.
afterEach(() => Promise.all(open.splice(0).map((locks) => locks.close())));
const untyped = (value: unknown): never => value as never;

describe('options of contending', () => {
  it.each<[string, unknown, string]>([
    ['another name', { timeout: 5 }, 'timeout is no option when contending. Did you mean wait?'],
    ['a slip', { wiat: 5 }, 'wiat is no option when contending. Did you mean wait?'],
    ['an option of createLocks', { ttl: 5 }, 'ttl is no option when contending: give ttl to createLocks().'],
    ['a number', 5000, 'options is 5000: give an object, such as { wait: … }.'],
    ['null', null, 'options is null: give an object'],
    ['a controller', { signal: new AbortController() }, 'this is an AbortController, give its `signal`.'],
    ['no signal', { waitSignal: 'now' }, 'waitSignal is "now": give an AbortSignal.'],
    ['no such answer', { onBusy: 'drop' }, "onBusy is \"drop\": give 'error' or 'skip'."],
  ])('are refused: %s', async (_, options, sentence) => {
    const lock = lockOf();
    expect(() => lock.lock$(untyped(options))).toThrow(sentence);
    expect(() => withLock(lock, untyped(options))).toThrow(sentence);
    expect(() => usingLock(lock, () => NEVER, untyped(options))).toThrow(sentence);
    for (const form of [lock.acquire(untyped(options)), lock.use(() => 1, untyped(options))]) {
      const error = await failureOf(form);
      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error).toMatchObject({ message: expect.stringContaining(sentence) });
    }
  });

  it('may be undefined, each of them', async () => {
    const all = { wait: undefined, signal: undefined, waitSignal: undefined, onBusy: undefined, meta: undefined };
    await expect(lockOf().use(() => 'done', all)).resolves.toBe('done');
  });

  it('are refused by whileLeader, revoke and release, too', async () => {
    const lock = lockOf();
    expect(() => whileLeader(lock, () => NEVER, untyped({ shceduler: 1 }))).toThrow('Did you mean scheduler?');
    expect(await failureOf(lock.revoke(untyped({ reasn: 'x' })))).toMatchObject({
      message: 'reasn is no option of revoke(). Did you mean reason?',
    });
    const held = await lock.acquire();
    expect(await failureOf(held.release(untyped({ handoff: true })))).toMatchObject({ code: 'INVALID_OPTION' });
    await held.release();
  });
});

describe('what is no lock or no function', () => {
  it.each<[unknown, string]>([
    ['a', 'lock is "a": give a lock, such as locks.mutex(key).'],
    [undefined, 'lock is undefined: give a lock'],
    [createLocks(memoryBackend()), 'these are all locks. Give one of them'],
    [createLocks(memoryBackend()).election('e'), 'Give election.candidate(value).'],
  ])('is refused at the call', (lock, sentence) => {
    expect(() => withLock(untyped(lock))).toThrow(sentence);
    expect(() => usingLock(untyped(lock), () => NEVER)).toThrow(sentence);
    expect(() => whileLeader(untyped(lock), () => NEVER)).toThrow(sentence);
  });

  it('rejects, before anything is locked', async () => {
    const lock = lockOf();
    expect(await failureOf(lock.use(untyped(5)))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(() => usingLock(lock, untyped(of(1)))).toThrow('project is an object: give a function');
    await expect(firstValueFrom(lock.ownership$())).resolves.toMatchObject({ status: 'free' });
  });

  it.each<[string, () => unknown]>([
    ['an Observable', () => of(1)],
    ['a promise of one', async () => Promise.resolve(of(1))],
    [
      'a generator',
      function* () {
        yield 1;
      },
    ],
  ])('is refused as the result of use(): %s', async (_, body) => {
    const lock = lockOf();
    expect(await failureOf(lock.use(body))).toMatchObject({ message: expect.stringContaining('Use usingLock') });
    await lock.use(() => 1, { wait: 0 });
  });
});

describe('onBusy: skip', () => {
  it('completes without a value where others hold', async () => {
    const lock = lockOf();
    await lock.acquire();
    const seen = await lastValueFrom(of(1).pipe(withLock(lock, { wait: 0, onBusy: 'skip' })), { defaultValue: 'none' });
    expect(seen).toBe('none');
    await expect(lock.acquire({ wait: 0, onBusy: 'skip' })).resolves.toBeUndefined();
    await expect(lock.use(() => 1, { wait: 200, onBusy: 'skip' })).resolves.toBeUndefined();
    expect(await failureOf(lock.use(() => 1, { wait: 0 }))).toBeInstanceOf(AlreadyLockedError);
  });
});

describe('an abort', () => {
  const unconvertible = Object.create(null) as object;
  it.each<[string, unknown]>([
    ['an object', { status: 499 }],
    ['null', null],
    ['what cannot be converted', unconvertible],
    ['the loss of another lock', new LockLostError({ key: 'other', reason: 'expired', fencingToken: 1n })],
  ])('arrives as it was given: %s', async (_, reason) => {
    const lock = lockOf();
    const controller = new AbortController();
    const { signal } = controller;
    const held = await lock.acquire({ signal });
    const waiting = failureOf(lock.acquire({ signal }));
    const leading = failureOf(lastValueFrom(whileLeader(lock, () => NEVER, { signal })));
    const ended = failureOf(lastValueFrom(held.ended$));
    controller.abort(reason);
    expect(await waiting).toBe(reason);
    expect(await leading).toBe(reason);
    expect(await ended).toBe(reason);
    expect(held.signal.reason).toBe(reason);
    await lock.use(() => 'free again', { wait: 1000 });
  });

  it('of waitSignal ends the wait only', async () => {
    const lock = lockOf();
    const controller = new AbortController();
    const held = await lock.acquire({ waitSignal: controller.signal });
    const waiting = failureOf(lock.acquire({ waitSignal: controller.signal }));
    controller.abort('enough');
    expect(await waiting).toBe('enough');
    expect(held.isHeld()).toBe(true);
  });

  it('of a polyfill without reasons has that of the platform', async () => {
    const signal = Object.assign(new EventTarget(), { aborted: true });
    expect(await failureOf(lockOf().acquire({ signal: untyped(signal) }))).toMatchObject({ name: 'AbortError' });
  });

  it('is heard by one listener, however many contend', async () => {
    const lock = lockOf();
    const controller = new AbortController();
    let listeners = 0;
    const add = controller.signal.addEventListener.bind(controller.signal);
    controller.signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    const all = Array.from({ length: 20 }, () => failureOf(lock.acquire({ signal: controller.signal })));
    expect(listeners).toBe(1);
    controller.abort('all');
    await all[0];
    expect(new Set((await Promise.all(all)).slice(1))).toEqual(new Set(['all']));
  }, 2000);
});

describe('a held lock', () => {
  it('has methods that work by themselves, and behind a Proxy', async () => {
    const lock = lockOf();
    const held = await lock.acquire();
    const { isHeld, remaining } = held;
    expect(isHeld()).toBe(true);
    expect(remaining()).toBeGreaterThan(0);
    await Promise.resolve('result').finally(held.release);
    expect(isHeld()).toBe(false);
    const proxy = new Proxy(await lock.acquire({ wait: 5000 }), {});
    expect([proxy.isHeld(), proxy.keys, proxy.signal.aborted]).toEqual([true, ['k'], false]);
    await Promise.resolve({ not: 'an option' }).then(() => proxy.release());
    await Promise.reject(new Error('work')).catch((await lock.acquire()).release);
    await lock.use(() => 1, { wait: 0 });
  });

  it('completes ended$ at the release', async () => {
    const held = await lockOf().acquire();
    const ended = lastValueFrom(held.ended$, { defaultValue: 'released' });
    await held.release();
    await expect(ended).resolves.toBe('released');
  });

  it('tells ended$ of a loss before any other stream, and those before the signal', async () => {
    const locks = createLocks(memoryBackend());
    const held = await locks.mutex('k').acquire();
    const order: string[] = [];
    held.signal.addEventListener('abort', () => order.push('signal'));
    held.renewals$.subscribe({ error: () => order.push('renewals') });
    held.ended$.subscribe({ error: () => order.push('ended') });
    await locks.mutex('k').revoke({ reason: 'drain', within: 0 });
    expect(order).toEqual(['ended', 'renewals', 'signal']);
    expect(held.signal.reason).toBeInstanceOf(LockLostError);
  });

  it('aborts its signal at close() with the reason of that', async () => {
    const locks = createLocks(memoryBackend());
    const { signal } = await locks.mutex('k').acquire();
    await locks.close();
    expect(signal.reason).toBeInstanceOf(LocksClosedError);
  });

  it('can be logged', async () => {
    const held = await lockOf().acquire();
    expect(JSON.parse(JSON.stringify(held))).toMatchObject({
      key: 'k',
      fencingToken: String(held.fencingToken),
      isHeld: true,
    });
    await held.release();
  });
});

describe('an error', () => {
  it('can be logged, with message, code and cause', () => {
    const loop = new Error('socket');
    loop.cause = loop;
    const error = new LockLostError({ key: 'k', reason: 'expired', fencingToken: 7n, cause: loop });
    expect(JSON.parse(JSON.stringify({ error }))).toMatchObject({
      error: {
        name: 'LockLostError',
        code: 'LOCK_LOST',
        fencingToken: '7',
        cause: { name: 'Error', message: 'socket' },
      },
    });
    expect(
      JSON.stringify(
        new BackendError('no', {
          retryable: true,
          cause: {
            big: 1n,
            get bad() {
              throw new Error('no');
            },
          },
        }),
      ),
    ).toContain('[unreadable]');
  });

  it('is an instance of a subclass only if it was made by that', () => {
    class QuotaError extends LockTimeoutError {}
    const given = { key: 'k', wait: 1, holders: [] };
    expect(new LockTimeoutError(given) instanceof QuotaError).toBe(false);
    expect(new QuotaError(given) instanceof QuotaError).toBe(true);
    expect(new QuotaError(given) instanceof LockTimeoutError).toBe(true);
    expect(new QuotaError(given) instanceof LockError).toBe(true);
  });

  it('shows texts of others on one line, escaped and cut', () => {
    const owner = `a\n\u001b[31m\u009b${'x'.repeat(500_000)}`;
    const { message } = new AlreadyLockedError({
      key: 'k',
      holders: [{ owner, kind: 'mutex', fencingToken: 1n, toJSON: () => null }],
    });
    expect(message).toContain('held by a\\n\\u001b[31m\\u009bxxx');
    expect(message.length).toBeLessThan(400);
  });
});

describe('the async context', () => {
  const request = new AsyncLocalStorage<string>();

  it('is that of the subscriber, in every form', async () => {
    const locks = createLocks(memoryBackend());
    const lock = locks.mutex('k');
    const seen: string[] = [];
    const note = (form: string) => (): void => void seen.push(`${form} ${request.getStore() ?? 'none'}`);
    const forms: Record<string, () => Promise<unknown>> = {
      withLock: () => lastValueFrom(of(0).pipe(tap(note('withLock')), withLock(lock))),
      usingLock: () => lastValueFrom(usingLock(lock, () => of(0).pipe(tap(note('usingLock'))))),
      whileLeader: () => lastValueFrom(whileLeader(lock, () => of(0).pipe(tap(note('whileLeader'))))),
      use: () => lock.use(note('use')),
      acquire: () => lock.acquire().then((held) => (note('acquire')(), held.release())),
    };
    const blocking = await lock.acquire();
    const all = Object.entries(forms).map(([form, begin]) => request.run(form, begin));
    await request.run('somebody else', () => blocking.release());
    await Promise.all(all);
    expect(seen.sort()).toEqual(
      Object.keys(forms)
        .sort()
        .map((form) => `${form} ${form}`),
    );
    await locks.close();
  });

  it('of an observer is its own, whoever changes what it observes', async () => {
    const lock = lockOf();
    const seen = new Set<string | undefined>();
    const done = new Subject<void>();
    request.run('observer', () =>
      lock.ownership$().subscribe(({ status }) => {
        seen.add(request.getStore());
        if (status === 'held') done.next();
      }),
    );
    expect(isObservable(done)).toBe(true);
    const told = firstValueFrom(done);
    const held = await request.run('holder', () => lock.acquire());
    await told;
    await held.release();
    expect([...seen]).toEqual(['observer']);
  });
});
