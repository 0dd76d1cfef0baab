import { describe, expect, it } from '@jest/globals';
import { catchError, filter, ignoreElements } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { AlreadyLockedError, InvalidOptionError, createLocks } from '../../../src/index.js';
import type { Lock } from '../../../src/index.js';
import { SLOW, TIMES, atFrame, letters, openServer, seen, serverOf } from '../../support/marbles.js';

describe('a semaphore', () => {
  it(
    'is held by so many at a time, in the order of their coming',
    marbles((m) => {
      const server = serverOf(m);
      const contend = () => letters(server.client(TIMES).semaphore('k', 2).lock$());
      m.expect(contend(), '^----!       ').toBeObservable('h-----       ');
      m.expect(contend(), '-^---------! ').toBeObservable('-h---------- ');
      m.expect(contend(), '--^-----!    ').toBeObservable('--w--h---    ');
      m.expect(contend(), '---^--------!').toBeObservable('---w-w--h----');
    }),
  );

  it(
    'whose permits are not agreed on is held to the least of those in front, and of its own',
    marbles((m) => {
      const server = serverOf(m);
      const contend = (permits: number) => letters(server.client(TIMES).semaphore('k', permits).lock$());
      m.expect(contend(3), '^---------!').toBeObservable('h----------');
      m.expect(contend(1), '-^------!  ').toBeObservable('-w--------  ');
      m.expect(contend(3), '--^-------!').toBeObservable('--w-----h---');
    }),
  );

  it(
    'waits for the acknowledgement of who was unsubscribed, as any lock',
    marbles((m) => {
      const lock = serverOf(m, { latency: 1 }).client(SLOW).semaphore('k', 1);
      const first = lock.lock$();
      m.expect(letters(first), '  ^---------!').toBeObservable('  ----h------');
      m.expect(letters(lock.lock$()), '-----^---------!').toBeObservable('-------w----h---');
    }),
  );

  it.each([0, -1, 1.5, NaN, Infinity, '2'])('of %p permits is refused at the call', (permits) => {
    const locks = createLocks(memoryBackend());
    expect(() => Reflect.apply(locks.semaphore, locks, ['k', permits]) as Lock).toThrow(InvalidOptionError);
    expect(() => Reflect.apply(locks.semaphore, locks, ['k', permits]) as Lock).toThrow(
      /^permits is .*how many may hold at a time/,
    );
  });
});

describe('read and write locks', () => {
  it(
    'readers hold together; a writer that waits stops later readers',
    marbles((m) => {
      const server = serverOf(m);
      const read = () => letters(server.client(TIMES).readLock('k').lock$());
      const write = () => letters(server.client(TIMES).writeLock('k').lock$());
      m.expect(read(), ' ^------!       ').toBeObservable('h--------       ');
      m.expect(read(), ' -^---!         ').toBeObservable('-h------        ');
      m.expect(write(), '--^--------!    ').toBeObservable('--w--w-h---     ');
      // Told again when who is in the way has changed.
      m.expect(read(), ' ---^----------!').toBeObservable('---w-w-w---h----');
      m.expect(read(), ' ----^---------!').toBeObservable('----ww-w---h----');
    }),
  );

  it(
    'and a mutex of the same key is as a writer, a semaphore as one of another kind',
    marbles((m) => {
      const server = serverOf(m);
      const locks = () => server.client(TIMES);
      m.expect(letters(locks().readLock('k').lock$()), '    ^---!      ').toBeObservable('h-----');
      m.expect(letters(locks().mutex('k').lock$()), '       -^-----!   ').toBeObservable('-w--h----');
      m.expect(letters(locks().semaphore('k', 5).lock$()), '--^-----!  ').toBeObservable('--w-w--h---');
      m.expect(letters(locks().readLock('k').lock$()), '    ---^------!').toBeObservable('---ww--wh---');
    }),
  );
});

describe('all of several locks', () => {
  it(
    'are held together, once each is free, and nobody overtakes meanwhile',
    marbles((m) => {
      const server = serverOf(m);
      const locks = () => server.client(TIMES);
      const both = locks();
      const all = both.all(both.mutex('a'), both.mutex('b'));
      m.expect(letters(locks().mutex('a').lock$()), '^----!        ').toBeObservable('h------');
      m.expect(letters(locks().mutex('b').lock$()), '-^------!     ').toBeObservable('-h------');
      m.expect(letters(all.lock$()), '               --^--------!  ').toBeObservable('--w--w--h--');
      m.expect(letters(locks().mutex('a').lock$()), '---^--------! ').toBeObservable('---w-w-----h--');
      m.expect(letters(locks().mutex('b').lock$()), '----^-------! ').toBeObservable('----w---w--h--');
    }),
  );

  it(
    'in whatever order they are named, two never wait for each other',
    marbles((m) => {
      const server = serverOf(m, { latency: 1 });
      const contend = (...keys: string[]) => {
        const locks = server.client(SLOW);
        return letters(locks.all(...keys.map((key) => locks.mutex(key))).lock$());
      };
      m.expect(contend('a', 'b'), '^------!       ').toBeObservable('----h----');
      m.expect(contend('b', 'a'), '^----------!   ').toBeObservable('----w----(wh)--');
      m.expect(contend('b', 'c', 'a'), '^---------------!').toBeObservable('----w----(ww)(wh)');
    }),
  );

  it(
    'queue with one request, and leave with one',
    marbles((m) => {
      const server = openServer(m);
      const locks = server.client(TIMES);
      const all = locks.all(locks.mutex('a'), locks.readLock('b'), locks.semaphore('c', 2));
      m.expect(letters(all.lock$()), '-^-!').toBeObservable('-h--');
      m.expect(server.requests$.pipe(filter((request) => 'elEL'.includes(request)))).toBeObservable('-E-L');
    }),
  );

  it(
    'are lost together, and the others are given back at once',
    marbles((m) => {
      const server = openServer(m);
      const locks = server.client(TIMES);
      const all = locks.all(locks.mutex('a'), locks.mutex('b'));
      const other = server.client(TIMES);
      atFrame(m, 6, () => server.deleteFirst('a'));
      m.expect(letters(all.lock$())).toBeObservable('h-----#', undefined, 'LOCK_LOST deleted');
      m.expect(letters(other.mutex('b').lock$()), '-^-------!').toBeObservable('-w----h---');
    }),
  );

  it(
    'are withdrawn together by whoever gives up',
    marbles((m) => {
      const server = openServer(m);
      const locks = () => server.client(TIMES);
      const both = locks();
      const all = both.all(both.mutex('a'), both.mutex('b'));
      m.expect(letters(locks().mutex('a').lock$()), '^--------!').toBeObservable('h---------');
      m.expect(letters(all.lock$({ wait: 3 }))).toBeObservable('w--#', undefined, 'LOCK_TIMEOUT');
      m.expect(letters(locks().mutex('b').lock$()), '-^-------!').toBeObservable('-w-h-----');
    }),
  );

  it(
    'tried once, say who is in the way of any',
    marbles((m) => {
      const server = serverOf(m);
      const locks = server.client(TIMES);
      const all = locks.all(locks.mutex('a'), locks.mutex('b'));
      m.expect(
        letters(
          server
            .client({ ...TIMES, owner: 'other' })
            .mutex('b')
            .lock$(),
        ),
        '^---!',
      ).toBeObservable('h---');
      const inTheWay$ = all.lock$({ wait: 0 }).pipe(
        ignoreElements(),
        catchError((error: unknown) => [error instanceof AlreadyLockedError ? error.message : error]),
      );
      const a = '"a + b" is held by other. Give a longer `wait` to queue for it.';
      m.expect(inTheWay$, '-^').toBeObservable('-(a|)', { a });
      m.expect(seen(all.ownership$()), '-^-----!').toBeObservable('-h--f---');
    }),
  );

  const of = () => createLocks(memoryBackend());
  const locks = of();
  it.each([
    ['none', [], 'members is "[]": give the locks that are to be held together.'],
    [
      'a key twice',
      [locks.mutex('a'), locks.mutex('b'), locks.readLock('a')],
      'members is "a": this key is given twice',
    ],
    ['locks of others', [locks.mutex('a'), of().mutex('b')], 'members is "b": give locks made by these same Locks.'],
    ['what is no lock', [{ key: 'a' }], 'give locks made by these same Locks.'],
    [
      'a key twice, through another',
      [locks.mutex('a'), locks.all(locks.mutex('a'), locks.mutex('b'))],
      'the lock would wait for itself. Give each key once.',
    ],
  ])('%s is refused at the call', (_, members, advice) => {
    const all = () => Reflect.apply(locks.all, locks, members) as Lock;
    expect(all).toThrow(InvalidOptionError);
    expect(all).toThrow(advice);
  });

  it('more than the server takes at once is refused at the call, or any where it takes but one', () => {
    const memory = memoryBackend();
    const none = createLocks({ ...memory, maxClaims: 1 });
    const advice = 'members is "…": memory cannot lock several keys at once. Use etcd v3, or one key for all';
    expect(() => none.all(none.mutex('a'), none.mutex('b'))).toThrow(advice);
    const two = createLocks({ ...memory, maxClaims: 2 });
    expect(two.all(two.mutex('a'), two.mutex('b')).key).toBe('a + b');
    const three = () => two.all(two.mutex('a'), two.mutex('b'), two.mutex('c'));
    expect(three).toThrow('members is "3 locks": memory takes 2 at once. Use one key for all of them.');
  });

  it('may be put together of others that were', () => {
    const all = locks.all(locks.all(locks.mutex('a'), locks.mutex('b')), locks.readLock('c'));
    expect(all).toMatchObject({ key: 'a + b + c' });
    expect(all.members.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
  });
});
