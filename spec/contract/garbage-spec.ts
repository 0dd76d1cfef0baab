/**
 * Whoever has unsubscribed is forgotten, while the stream that was shared with others, the connection and the timers go
 * on: neither its callbacks nor what its request has in the async context is kept.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { NEVER, ReplaySubject, concat, filter, firstValueFrom, map, of, share } from 'rxjs';
import type { MonoTypeOperatorFunction, Observable, Subscription } from 'rxjs';
import { createLocks, shareAcross, withLock } from '../../src/index.js';
import type { Locks } from '../../src/index.js';
import { CONTENDERS } from './backends.js';
import type { Server } from './backends.js';

jest.setTimeout(30_000);

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** What is still kept of them, when what was under way has been answered. */
async function keptOf(all: readonly WeakRef<{ readonly what: string }>[]): Promise<readonly string[]> {
  const kept = (): readonly string[] => all.flatMap((one) => one.deref()?.what ?? []);
  for (let turn = 0; turn < 40 && kept().length > 0; turn += 1) {
    await setTimeout(5);
    gc();
  }
  return kept();
}

const replayed = <T>(): MonoTypeOperatorFunction<T> => share({ connector: () => new ReplaySubject(1) });

/** Each stream that several may subscribe to. The same one each time, told something at once. */
const SHARED: readonly (readonly [what: string, queues: boolean, of: (locks: Locks) => Observable<unknown>])[] = [
  ['ownership$()', false, (locks) => locks.mutex('observed').ownership$()],
  ['events$', false, (locks) => concat(of('begun'), locks.events$)],
  ['leader$ of an election', true, (locks) => locks.election('led').leader$],
  ['watchAll$()', true, (locks) => locks.watchAll$('obs')],
  ['withLock, shared', false, (locks) => concat(of('begun'), NEVER).pipe(withLock(locks.mutex('shared')), replayed())],
  [
    'shareAcross, shared',
    true,
    (locks) => concat(of('begun'), NEVER).pipe(shareAcross(locks.election('across')), replayed()),
  ],
  ['a lock that is waited for', false, (locks) => locks.mutex('held').lock$()],
];

const DIRECT = CONTENDERS.filter(({ name }) => !name.includes('proxy') && !name.includes('3.4'));

describe.each(DIRECT)('who has unsubscribed, on $name', ({ start, fifo }) => {
  const request = new AsyncLocalStorage<object>();
  let server: Server;
  let locks: Locks;
  let blocking: Subscription;

  beforeAll(async () => {
    server = await start();
    locks = createLocks(server.backend(), { ttl: 20_000 });
    // So that the session and a queue are there, and stay.
    const held$ = locks.mutex('held').lock$();
    await new Promise<void>((resolve) => {
      blocking = held$.subscribe(() => resolve());
    });
  });
  afterAll(async () => {
    blocking.unsubscribe();
    await locks.close();
    await server.stop();
  });

  /** Subscribes within a request, is told something, and unsubscribes. In a scope of its own, so that nothing is left on the stack. */
  const comesAndGoes = async (stream$: Observable<unknown>): Promise<readonly WeakRef<{ readonly what: string }>[]> => {
    const mine = { what: 'a body' };
    const store = { what: 'a request' };
    const told = new Promise<void>((resolve, reject) => {
      request.run(store, () => {
        const subscription = stream$.subscribe({
          next: () => {
            if (request.getStore() !== store) reject(new Error('told in the context of somebody else'));
            resolve();
            expect(mine.what).toBe('a body');
            queueMicrotask(() => subscription.unsubscribe());
          },
          error: reject,
        });
      });
    });
    await told;
    await Promise.resolve();
    return [new WeakRef(mine), new WeakRef(store)];
  };

  it.each(SHARED.filter(([, queues]) => fifo || !queues))(
    'of %s, while another one goes on',
    async (_, _queues, make) => {
      const stream$ = make(locks);
      const first = await comesAndGoes(stream$);
      const { stays } = await new Promise<{ stays: Subscription }>((resolve, reject) => {
        const stays = stream$.subscribe({ next: () => queueMicrotask(() => resolve({ stays })), error: reject });
      });
      const second = await comesAndGoes(stream$.pipe(map((value) => value)));
      expect(await keptOf([...first, ...second])).toEqual([]);
      stays.unsubscribe();
    },
  );

  it('the first of all: what it has opened for the others does not remember it', async () => {
    const own = createLocks(server.backend(), { ttl: 20_000 });
    const forgotten = await comesAndGoes(
      own
        .mutex('own')
        .lock$()
        .pipe(filter(({ status }) => status === 'held')),
    );
    // The session lingers, and the connection is there.
    expect(await keptOf(forgotten)).toEqual([]);
    await own.mutex('own').use(() => 'goes on');
    await own.close();
  });

  it('its lock was given back: neither the hold nor its body is kept, nor by a signal that lives on', async () => {
    const { signal } = new AbortController();
    const useIt = async (): Promise<readonly WeakRef<{ readonly what: string }>[]> => {
      const body = { what: 'a body' };
      const held = await locks.mutex('used').acquire({ signal });
      expect(body.what).toBe('a body');
      held.ended$.subscribe({ complete: () => body.what });
      held.signal.addEventListener('abort', () => body.what);
      await held.release();
      return [new WeakRef(Object.assign(held, { what: 'the hold' })), new WeakRef(body)];
    };
    expect(await keptOf(await useIt())).toEqual([]);
    expect(signal.aborted).toBe(false);
    await firstValueFrom(locks.mutex('used').ownership$());
  });
});
