/**
 * `atLeast`: a lock stays taken for a while, whatever becomes of its holder.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, defer, filter, map } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { InvalidOptionError, createLocks, usingLock, withLock } from '../../src/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { decorate } from '../../src/backend/decorate.js';
import { SLOW, TIMES, atFrame, codes, letters, openServer, seen, serverOf } from '../support/marbles.js';
import { fateOf, passing, reportsOf } from '../support/passing.js';
import { onePlace } from '../support/one-place.js';

const AT_LEAST = { atLeast: 20 } as const;

describe('a lock with atLeast', () => {
  it(
    'stays taken, though its work was done sooner; the result completes when that is written',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const b = server.client(TIMES);
      const source = m.cold('                                          a--|');
      m.expect(source.pipe(withLock(a.mutex('k'), AT_LEAST))).toBeObservable('a--|');
      m.expect(letters(b.mutex('k').lock$()), '-^-----------------------!').toBeObservable('-w------------------h');
    }),
  );

  it(
    'is free at once where it was held for longer',
    marbles((m) => {
      const server = serverOf(m);
      const hold = '     ^-------------------------!';
      const wait = '     -^---------------------------!';
      const result = '   -w------------------------h';
      m.expect(letters(server.client(TIMES).mutex('k').lock$(AT_LEAST)), hold).toBeObservable('h');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), wait).toBeObservable(result);
    }),
  );

  it(
    'stays taken for longer than the lease of its session lasts, and after the session was revoked',
    marbles((m) => {
      const open = openServer(m);
      const a = open.client(TIMES);
      const held = a.mutex('k').lock$({ atLeast: 60 }).subscribe();
      atFrame(m, 2, () => held.unsubscribe());
      // Its session lingers for one ttl, then ends; nothing is renewed from then on.
      const requests$ = open.requests$.pipe(filter((letter) => letter === 'x'));
      m.expect(requests$, '^------------------------!').toBeObservable('--------------x');
      m.expect(letters(open.client(TIMES).mutex('k').lock$()), '---^ 60ms !').toBeObservable('---w 56ms h');
    }),
  );

  it(
    'stays taken after close(), which waits until that is written before it ends the session',
    marbles((m) => {
      const open = openServer(m, 1);
      const a = open.client(SLOW);
      const b = open.client(SLOW);
      const held = a.mutex('k').lock$({ atLeast: 60 });
      // Held at 4; the claim moves at 11, its lease ends at 11 + 54.
      m.expect(letters(held)).toBeObservable('----h-----#', undefined, 'LOCKS_CLOSED');
      atFrame(m, 10, () => void a.close());
      m.expect(letters(b.mutex('k').lock$()), '20ms ^ 60ms !').toBeObservable('24ms w 41ms h');
    }),
  );

  it(
    'is not handed off within the process before',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      const source = m.cold('                                      a--|');
      m.expect(source.pipe(withLock(a.mutex('k'), AT_LEAST))).toBeObservable('a--|');
      m.expect(letters(a.mutex('k').lock$()), ' -^------------------------!').toBeObservable('-w------------------h');
    }),
  );

  it(
    'of several keys stays taken at all of them',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const both = a.all(a.mutex('x'), a.mutex('y'));
      m.expect(m.cold('|').pipe(withLock(both, AT_LEAST))).toBeObservable('|');
      const b = server.client(TIMES);
      m.expect(letters(b.mutex('x').lock$()), '-^-----------------------!').toBeObservable('-w------------------h');
      m.expect(letters(b.mutex('y').lock$()), '-^-----------------------!').toBeObservable('-w------------------h');
    }),
  );

  it(
    'is seen as held meanwhile, with the token that it had',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(m.cold('--|').pipe(withLock(server.client(TIMES).mutex('k'), AT_LEAST))).toBeObservable('--|');
      const tokens$ = server
        .client(TIMES)
        .mutex('k')
        .ownership$()
        .pipe(map((state) => (state.status === 'held' ? String(state.holders[0]?.fencingToken) : 'free')));
      m.expect(tokens$, '-^-----------------------!').toBeObservable('-a------------------f', { a: '2', f: 'free' });
    }),
  );

  it(
    'can be taken from it, as from any holder',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(m.cold('|').pipe(withLock(server.client(TIMES).mutex('k'), AT_LEAST))).toBeObservable('|');
      // It is taken a tenth of a ttl after it was asked for.
      const b = server.client({ ...TIMES, ttl: 20 });
      atFrame(m, 3, () => void b.mutex('k').revoke({ reason: 'now', within: 0 }));
      m.expect(seen(b.mutex('k').ownership$()), '-^----------!').toBeObservable('-h-h-f');
    }),
  );

  it(
    'that is lost is lost: nothing of it stays for longer',
    marbles((m) => {
      const open = openServer(m);
      const a = open.client(TIMES);
      atFrame(m, 4, () => open.deleteFirst('k'));
      m.expect(
        codes()(
          a
            .mutex('k')
            .lock$(AT_LEAST)
            .pipe(filter(() => false)),
        ),
      ).toBeObservable('----#', undefined, 'LOCK_LOST deleted');
      m.expect(letters(open.client(TIMES).mutex('k').lock$()), '-----^--!').toBeObservable('-----h');
    }),
  );

  it(
    'is kept by its session while the server does not answer, and asked for again',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const held = a.mutex('k').lock$({ atLeast: 30 }).subscribe();
      atFrame(m, 3, () => a.network.refuseNext(3));
      atFrame(m, 3, () => held.unsubscribe());
      m.expect(
        letters(server.client(TIMES).mutex('k').lock$()),
        '-^--------------------------------------!',
      ).toBeObservable('-w 28ms h');
    }),
  );

  it(
    'is kept on though its contender is unsubscribed while that is asked for, and asked for again',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const holding = a
        .mutex('k')
        .lock$({ atLeast: 30 })
        .subscribe((state) => {
          if (state.status === 'held') atFrame(m, 3, () => void state.held.release());
        });
      atFrame(m, 3, () => a.network.refuseNext(2));
      atFrame(m, 3, () => holding.unsubscribe());
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^ 39ms !').toBeObservable('-w 28ms h');
    }),
  );

  it(
    'is kept though the close that ended it could not have that written at once: its session goes last',
    marbles((m) => {
      const open = openServer(m);
      const a = open.client(TIMES);
      m.expect(letters(a.mutex('k').lock$({ atLeast: 30 }))).toBeObservable('h--#', undefined, 'LOCKS_CLOSED');
      atFrame(m, 3, () => {
        a.network.refuseNext();
        void a.close();
      });
      m.expect(open.requests$.pipe(filter((letter) => 'xl'.includes(letter))), '^ 39ms !').toBeObservable('----x');
      m.expect(letters(open.client(TIMES).mutex('k').lock$()), '-^ 39ms !').toBeObservable('-w 28ms h');
    }),
  );

  it(
    'for which the server has no answer until it is over is released then, and what was asked is said by name',
    marbles((m) => {
      const memory = memoryBackend({ scheduler: m.scheduler });
      const asked: string[] = [];
      const note = (what: string): void => void asked.push(`${String(m.scheduler.now())} ${what}`);
      const locks = createLocks(
        {
          ...memory,
          keep: () => defer(() => (note('keep'), NEVER)),
          renew: () => NEVER,
          dequeue: (...args) => defer(() => (note('release'), memory.dequeue(...args))),
        },
        { ...TIMES, random: () => 0, scheduler: m.scheduler },
      );
      const causes: string[] = [];
      locks.events$.subscribe((event) => {
        if (event.type === 'disconnected') causes.push(event.cause.message);
      });
      const held = locks.all(locks.mutex('k'), locks.mutex('l')).lock$({ atLeast: 8 }).subscribe();
      atFrame(m, 3, () => held.unsubscribe());
      m.flush();
      // An attempt may take 2; the pause after it is 1. At 8 it has no answer, and the time is over.
      expect(asked).toEqual(['3 keep', '6 keep', '8 release']);
      expect(causes[0]).toBe(
        'memory did not answer "keep k + l" within 2 ms. Is the server up, and are hosts and firewall right?',
      );
    }),
  );

  it('gives back with a promise when it is written, not before and not later', async () => {
    const { client, pass } = passing({ latency: 1 });
    const locks = client();
    const acquiring = locks.mutex('k').acquire({ atLeast: 100 });
    await pass(4);
    const held = await acquiring;
    const released = fateOf(held.release());
    await pass(1);
    expect(released.is).toBe('pending');
    await pass(1);
    expect(released.is).toBe('resolved');
    expect(held.isHeld()).toBe(false);
    const tried = fateOf(locks.mutex('k').acquire({ wait: 0, onBusy: 'skip' }));
    await pass(10);
    expect(tried).toEqual({ is: 'resolved', of: undefined });
  });

  it('is released once, by its event', async () => {
    const { client, pass } = passing();
    const locks = client();
    const reports = reportsOf(locks);
    await locks.mutex('k').use(() => undefined, { atLeast: 50 });
    await pass(60);
    expect(reports.map(({ type }) => type).filter((type) => ['acquired', 'released', 'lost'].includes(type))).toEqual([
      'acquired',
      'released',
    ]);
  });

  it(
    'on a server with slots stays in its slot',
    marbles((m) => {
      const open = openServer(m, 0, onePlace);
      const a = open.client(TIMES);
      m.expect(usingLock(a.mutex('k'), () => m.cold('--|'), AT_LEAST)).toBeObservable('--|');
      m.expect(seen(open.client(TIMES).mutex('k').ownership$()), '-^----------------------!').toBeObservable(
        '-h------------------f',
      );
    }),
  );

  it('is refused where the server cannot keep it, and where it cannot be meant', async () => {
    const { keep, ...bare } = memoryBackend();
    expect(keep).toBeDefined();
    const locks = createLocks(bare);
    expect(() => locks.mutex('k').lock$({ atLeast: 1 })).toThrow(/atLeast is 1: memory cannot keep a lock/);
    await expect(locks.mutex('k').acquire({ atLeast: 1 })).rejects.toThrow(InvalidOptionError);
    const whole = createLocks(memoryBackend());
    for (const atLeast of [-1, NaN, Infinity, 367 * 86_400_000]) {
      expect(() => whole.mutex('k').lock$({ atLeast })).toThrow(InvalidOptionError);
    }
    expect(() => whole.mutex('k').lock$({ atLeast: 2, atMost: 1 })).toThrow('atLeast is 2: more than atMost (1)');
    await whole.close();
  });

  it('goes through whatever is put around the backend', async () => {
    const verbs: string[] = [];
    const backend = decorate(memoryBackend(), (source$, { verb }) => {
      verbs.push(verb);
      return source$;
    });
    const locks = createLocks(backend);
    await locks.mutex('k').use(() => undefined, { atLeast: 1000 });
    await locks.close();
    expect(verbs).toContain('keep');
    expect(verbs).not.toContain('dequeue');
  });
});
