/**
 * `atMost`: a lock that is held for too long is lost, like any other.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, concat, map } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { InvalidOptionError, createLocks, usingLock, whileLeader, withLock } from '../../src/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { TIMES, atFrame, codes, letters, machineOf, serverOf } from '../support/marbles.js';
import { fateOf, passing, reportsOf } from '../support/passing.js';

const AT_MOST = { atMost: 30 } as const;

describe('a lock with atMost', () => {
  it(
    'is lost then, though it was renewed; what runs under it is stopped first, and the next one holds',
    marbles((m) => {
      const server = serverOf(m);
      const source = m.cold('a----b');
      const work$ = source.pipe(withLock(server.client(TIMES).mutex('k'), { atMost: 8 }), codes());
      m.expect(work$).toBeObservable('a----b--#', undefined, 'LOCK_LOST overdue');
      m.expect(source).toHaveSubscriptions('^-------!');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^-----------!').toBeObservable('-w------h');
    }),
  );

  it(
    'outlives many renewals',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      m.expect(letters(a.mutex('k').lock$(AT_MOST))).toBeObservable('h 29ms #', undefined, 'LOCK_LOST overdue');
    }),
  );

  it(
    'given back in time is not lost later',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      const source = m.cold('--a|');
      m.expect(concat(source.pipe(withLock(a.mutex('k'), AT_MOST)), NEVER), '^ 60ms !').toBeObservable('--a');
    }),
  );

  it(
    'does not count the time that it was waited for',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '^-------!').toBeObservable('h');
      m.expect(letters(server.client(TIMES).mutex('k').lock$({ atMost: 5 })), '-^').toBeObservable(
        '-w------h----#',
        undefined,
        'LOCK_LOST overdue',
      );
    }),
  );

  it(
    'is contended for again under whileLeader',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      const leading$ = whileLeader(a.mutex('k'), () => m.cold('a--b--c--d'), { atMost: 5, scheduler: m.scheduler });
      m.expect(leading$, '^ 60ms !').toBeObservable('a--b 51ms a--b');
    }),
  );

  it(
    'lets nothing through after a stall that went past it, before any timer has run',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client({ ...TIMES, ttl: 1000, renewEvery: 300 });
      const source = m.hot('-a--b----c');
      const work$ = usingLock(a.mutex('k'), () => source, { atMost: 6 }).pipe(codes());
      atFrame(m, 5, () => a.pauseClient(10));
      m.expect(work$).toBeObservable('-a--b----------#', undefined, 'LOCK_LOST overdue');
    }),
  );

  it(
    'is noticed within a second after the clock went past it, as it does when the machine slept',
    marbles((m) => {
      const machine = machineOf(m);
      const a = serverOf(m).client({ ttl: 60_000, clock: machine.clock });
      const states$ = a
        .mutex('k')
        .lock$({ atMost: 20_000 })
        .pipe(
          codes(),
          map(({ status }) => status.charAt(0)),
        );
      atFrame(m, 100, () => machine.setWall(20_000));
      m.expect(states$).toBeObservable('h 999ms #', undefined, 'LOCK_LOST overdue');
    }),
  );

  it('says until when it is held, and how it ended', async () => {
    const { client, pass } = passing();
    const locks = client();
    const reports = reportsOf(locks);
    const acquiring = locks.mutex('k').acquire({ atMost: 5 });
    await pass(0);
    const held = await acquiring;
    expect(held.remaining()).toBe(5);
    const ended = fateOf(new Promise((_, reject) => held.ended$.subscribe({ error: reject })));
    await pass(5);
    expect(held.isHeld()).toBe(false);
    expect(held.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'overdue' });
    expect(ended).toMatchObject({ is: 'rejected', of: { reason: 'overdue' } });
    await expect(held.release()).rejects.toMatchObject({ code: 'LOCK_NOT_OWNED' });
    expect(reports.filter(({ type }) => type === 'lost')).toMatchObject([{ reason: 'overdue', heldFor: 5, key: 'k' }]);
    await pass(0);
    expect(await locks.mutex('k').acquire({ wait: 0 })).toMatchObject({ key: 'k' });
  });

  it('is not what cannot be meant', async () => {
    const locks = createLocks(memoryBackend());
    for (const atMost of [0, -1, NaN]) {
      expect(() => locks.mutex('k').lock$({ atMost })).toThrow(InvalidOptionError);
    }
    expect(() => locks.mutex('k').lock$({ atMost: Infinity })).not.toThrow();
    await locks.close();
  });
});
