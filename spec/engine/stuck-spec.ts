/**
 * Nothing stays stuck: after a throw, a stack that is full, an outage at the wrong moment, a backend shared with others.
 */
import { describe, expect, it } from '@jest/globals';
import { Observable, Subscription, catchError, defer, lastValueFrom, of, retry, throwError } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { createLocks, usingLock, withLock } from '../../src/index.js';
import type { Locks } from '../../src/index.js';
import { createLimiter } from '../../src/engine/io/limiter.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { TIMES, letters, serverOf } from '../support/marbles.js';
import { failureOf } from '../support/waiting.js';

describe('a limiter', () => {
  it('lets others in after one of them threw', () => {
    const limiter = createLimiter(2);
    const inside: string[] = [];
    const job = (name: string) => ({ admitted: () => void inside.push(name) });
    const thrower = {
      admitted: () => {
        throw new RangeError('the stack is full');
      },
    };
    expect(() => limiter.enter(thrower)).toThrow(RangeError);
    limiter.enter(job('a'));
    limiter.enter(job('b'));
    expect(inside).toEqual(['a']);
    limiter.leave(thrower);
    expect(inside).toEqual(['a', 'b']);
  });
});

/** So many locks, one inside of the other. */
const nested = (locks: Locks, depth: number, innermost$: Observable<unknown>): Observable<unknown> =>
  depth === 0 ? innermost$ : usingLock(locks.mutex(`n${String(depth)}`), () => nested(locks, depth - 1, innermost$));

/** So long that no lock is lost here, however slow the machine: a loss would tear down all the levels at once. */
const DAY = 86_400_000;

const expectAllFree = async (locks: Locks, depth: number): Promise<void> => {
  for (const key of ['n1', `n${String(depth)}`, 'another'])
    await (await locks.mutex(key).acquire({ wait: 5000 })).release();
  await locks.close();
};

describe('a stack that is full', () => {
  it.each([190, 1500])(
    'of %d nested locks: it completes, or the error arrives; then all are free',
    async (depth) => {
      const locks = createLocks(memoryBackend(), { ttl: DAY });
      const told = await lastValueFrom(
        nested(locks, depth, of('done')).pipe(catchError((error: unknown) => of(error))),
      );
      if (told !== 'done') expect(told).toBeInstanceOf(Error);
      await expectAllFree(locks, depth);
    },
    // For a machine that does much else.
    60_000,
  );

  it('of 600 nested locks that are unsubscribed at once, each inside the one around it: all are free', async () => {
    const locks = createLocks(memoryBackend(), { ttl: DAY });
    const subscription = new Subscription();
    await new Promise<void>((reached) => {
      const innermost$ = new Observable(() => reached());
      subscription.add(nested(locks, 600, innermost$).subscribe());
    });
    subscription.unsubscribe();
    await expectAllFree(locks, 600);
  });

  it('of a synchronous failure that is repeated: the failure arrives, and the lock is free', async () => {
    const locks = createLocks(memoryBackend(), { ttl: 1000 });
    let tries = 0;
    const failing$ = defer(() => {
      tries += 1;
      return throwError(() => new Error('again'));
    });
    const failure = await failureOf(lastValueFrom(failing$.pipe(withLock(locks.mutex('k')), retry(200))));
    expect(String(failure)).toContain('again');
    expect(tries).toBe(201);
    await (await locks.mutex('k').acquire({ wait: 5000 })).release();
    await locks.close();
  });

  it('of a backend that throws where it should answer: a failed attempt, then the next one', async () => {
    const memory = memoryBackend();
    let throws = 2;
    const locks = createLocks({
      ...memory,
      enqueue(...args) {
        throws -= 1;
        if (throws >= 0) throw new RangeError('the stack is full');
        return memory.enqueue(...args);
      },
    });
    await (await locks.mutex('k').acquire()).release();
    await locks.close();
  });
});

describe('a wait without an end', () => {
  it(
    'is told of a server that has never answered, since a wrong address must not look like a long queue',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      a.network.partition();
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('14ms #', undefined, 'BACKEND');
    }),
  );
});

describe('a backend that two Locks use', () => {
  it('is closed with the last of them, and by nobody twice', async () => {
    const backend = memoryBackend();
    let closed = 0;
    const shared = { ...backend, close: () => (closed += 1) };
    const [a, b] = [createLocks(shared), createLocks(shared)];
    await a.close();
    await a.close();
    expect(closed).toBe(0);
    await b.close();
    expect(closed).toBe(1);
  });
});
