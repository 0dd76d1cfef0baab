/**
 * `close({ drain })`: who holds may finish, nobody new contends.
 */
import { describe, expect, it } from '@jest/globals';
import { filter, mergeMap, timer } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { InvalidOptionError, LocksClosedError, whileLeader, withLock } from '../../src/index.js';
import { SLOW, TIMES, atFrame, codes, letters, openServer, seen, serverOf } from '../support/marbles.js';
import { fateOf, passing } from '../support/passing.js';

describe('close({ drain })', () => {
  it(
    'lets who holds finish, and withdraws who waits at once',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      const source = m.cold('---a----|');
      atFrame(m, 2, () => void a.close({ drain: 20 }));
      m.expect(source.pipe(withLock(a.mutex('k')), codes())).toBeObservable('---a----|');
      m.expect(letters(a.mutex('k').lock$()), '-^').toBeObservable('-w#', undefined, 'LOCKS_CLOSED');
      m.expect(letters(a.mutex('free').lock$()), '---^').toBeObservable('---#', undefined, 'LOCKS_CLOSED');
    }),
  );

  it(
    'ends who has not finished by then',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      const source = m.cold('---a------------b');
      atFrame(m, 2, () => void a.close({ drain: 9 }));
      m.expect(source.pipe(withLock(a.mutex('k')), codes())).toBeObservable('---a-------#', undefined, 'LOCKS_CLOSED');
      m.expect(source).toHaveSubscriptions('^----------!');
    }),
  );

  it(
    'goes on renewing meanwhile, and leaves nothing',
    marbles((m) => {
      const open = openServer(m);
      const a = open.client(TIMES);
      atFrame(m, 2, () => void a.close({ drain: 100 }));
      m.expect(m.cold('30ms |').pipe(withLock(a.mutex('k')), codes())).toBeObservable('30ms |');
      // Renewed every 4; at the end the claim, and the lease at once.
      const requests$ = open.requests$.pipe(filter((letter) => 'rlx'.includes(letter)));
      m.expect(requests$).toBeObservable('----r---r---r---r---r---r---r-(lx)');
      m.expect(timer(40, m.scheduler).pipe(mergeMap(() => open.leases$))).toBeObservable('40ms (n|)', { n: 0 });
    }),
  );

  it(
    'withdraws a claim that is on its way, so that it never holds',
    marbles((m) => {
      const open = openServer(m, 1);
      const a = open.client(SLOW);
      const b = open.client(SLOW);
      // Granted at 2, the claim is in at 3 and told at 4.
      atFrame(m, 3, () => void a.close({ drain: 20 }));
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('---#', undefined, 'LOCKS_CLOSED');
      m.expect(letters(b.mutex('k').lock$()), '10ms ^---------!').toBeObservable('14ms h');
    }),
  );

  it(
    'is over at once where nobody holds; observers are told the end then',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 4, () => void a.close({ drain: 50 }));
      m.expect(seen(a.mutex('k').ownership$())).toBeObservable('f---|');
    }),
  );

  it(
    'does not contend again for who lost its lock meanwhile',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      atFrame(m, 2, () => void a.close({ drain: 100 }));
      atFrame(m, 5, () => server.expire('k'));
      const leading$ = whileLeader(a.mutex('k'), () => m.cold('a'), { scheduler: m.scheduler }).pipe(codes());
      m.expect(leading$).toBeObservable('a 54ms #', undefined, 'LOCKS_CLOSED');
    }),
  );

  it('resolves once the last one is done, twice with the same promise', async () => {
    const { client, pass } = passing();
    const locks = client();
    let done: () => void = () => undefined;
    const using = locks.mutex('k').use(() => new Promise<void>((resolve) => (done = resolve)));
    await pass(1);
    const closing = locks.close({ drain: 1000 });
    const fate = fateOf(closing);
    expect(locks.close({ drain: 1000 })).toBe(closing);
    await pass(100);
    expect(fate.is).toBe('pending');
    done();
    await pass(0);
    await using;
    expect(fate.is).toBe('resolved');
  });

  it('is cut short by a close() without it', async () => {
    const { client, pass } = passing();
    const locks = client();
    const using = fateOf(locks.mutex('k').use(() => new Promise(() => undefined)));
    await pass(1);
    const closing = fateOf(locks.close({ drain: 1000 }));
    await pass(1);
    void locks.close();
    await pass(0);
    expect(using).toMatchObject({ is: 'rejected', of: { code: LocksClosedError.code } });
    expect(closing.is).toBe('resolved');
  });

  it('is refused for what cannot be meant, as a rejection, and closes nothing', async () => {
    const { client, pass } = passing();
    const locks = client();
    for (const drain of [-1, NaN, Infinity, '5']) {
      await expect(Reflect.apply(locks.close, locks, [{ drain }])).rejects.toThrow(InvalidOptionError);
    }
    await expect(Reflect.apply(locks.close, locks, [{ timeout: 5 }])).rejects.toThrow(/timeout is no option of close/);
    const acquiring = locks.mutex('k').acquire();
    await pass(0);
    expect((await acquiring).isHeld()).toBe(true);
  });
});
