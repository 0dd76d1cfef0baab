/**
 * A claim on its way in and out, where the server is silent or refuses; who keeps the process alive meanwhile.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, Subscription, defer, filter, map, switchMap, throwError } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { settled } from '../../src/backend/settled.js';
import { BackendError, createLocks } from '../../src/index.js';
import type { HeldLock, QueueBackend, LockEvent } from '../../src/index.js';
import { createContenders } from '../../src/engine/contenders.js';
import { SLOW, TIMES, atFrame, events, letters, openServer, serverOf } from '../support/marbles.js';
import { onePlace } from '../support/one-place.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const refused = new BackendError('refused', { retryable: false });
const full = new BackendError('full', { retryable: false, outcome: 'unknown' });
const silent = () => NEVER;

const clientOf = (m: Marbles, change: (memory: QueueBackend) => Partial<QueueBackend>, random = 0) => {
  const memory = memoryBackend({ scheduler: m.scheduler });
  const locks = createLocks(
    { ...memory, ...change(memory) },
    { ...TIMES, random: () => random, scheduler: m.scheduler },
  );
  const told: (LockEvent & { at: number })[] = [];
  locks.events$.subscribe((event) => told.push({ ...event, at: m.scheduler.now() }));
  return { locks, memory, of: (type: LockEvent['type']) => told.filter((event) => event.type === type) };
};

describe('a claim that leaves', () => {
  const left = (m: Marbles, leave: () => ReturnType<QueueBackend['dequeue']>, alive = true) => {
    let times = 0;
    const made = clientOf(m, () => ({
      dequeue: () => defer(() => ((times += 1), leave())),
      ...(!alive && { renew: silent }),
    }));
    m.expect(letters(made.locks.mutex('k').lock$()), '^--!').toBeObservable('h');
    m.flush();
    return { failed: made.of('release-failed'), times };
  };

  it(
    'asks until two ttl have gone and its lease has, too',
    marbles((m) => {
      // From 3 on, an attempt of 2 and a pause of 1 each; its session lingers until 15; two ttl end at 27.
      const { failed, times } = left(m, silent);
      expect(failed).toMatchObject([{ at: 29, cause: { code: 'BACKEND', retryable: true } }]);
      expect(times).toBe(9);
    }),
  );

  it(
    'asks on after that while others keep its lease alive: nothing else frees the key',
    marbles((m) => {
      const asked: number[] = [];
      const { locks, of } = clientOf(m, (memory) => ({
        dequeue: (claims, ...more) =>
          claims[0]?.key === 'k'
            ? defer(() => (asked.push(m.scheduler.now()), NEVER))
            : memory.dequeue(claims, ...more),
      }));
      m.expect(letters(locks.mutex('other').lock$()), '^ 39ms !').toBeObservable('h');
      m.expect(letters(locks.mutex('k').lock$()), '    ^--!').toBeObservable('h');
      m.flush();
      // Every 3 frames from 3 on. Two ttl end at 27; the session lingers until 51, and was renewed last at 48.
      expect(asked).toEqual([3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45, 48, 51, 54, 57]);
      expect(of('release-failed')).toMatchObject([{ at: 59, cause: { code: 'BACKEND' } }]);
    }),
  );

  it(
    'asks again though refused for good: it is there, and nothing else frees the key',
    marbles((m) => {
      const { failed, times } = left(m, () => throwError(() => refused));
      expect(failed).toMatchObject([{ at: 27, what: 'refused' }]);
      expect(times).toBe(25);
    }),
  );

  /** Nobody knows whether it was in: the first attempt was not answered, the second one refused. */
  const doubtful = (m: Marbles, leave: () => ReturnType<QueueBackend['dequeue']>) => {
    let entered = 0;
    let times = 0;
    const made = clientOf(m, () => ({
      enqueue: () => defer(() => ((entered += 1), entered === 1 ? NEVER : throwError(() => refused))),
      dequeue: () => defer(() => ((times += 1), leave())),
    }));
    m.expect(letters(made.locks.mutex('k').lock$())).toBeObservable('---#', undefined, 'BACKEND');
    m.flush();
    return { failed: made.of('release-failed'), times };
  };

  it(
    'and may never have been in asks on though refused, as long as its lease lives: others may wait behind it',
    marbles((m) => {
      const { failed, times } = doubtful(m, () => throwError(() => refused));
      expect(failed).toMatchObject([{ at: 27, what: 'refused' }]);
      expect(times).toBe(25);
    }),
  );

  it(
    'and may never have been in goes on asking a server that is silent',
    marbles((m) => {
      expect(doubtful(m, () => NEVER).times).toBe(9);
    }),
  );

  it(
    'and was refused for good has nothing to take out',
    marbles((m) => {
      let times = 0;
      const { locks, of } = clientOf(m, () => ({
        enqueue: () => throwError(() => refused),
        dequeue: () => defer(() => ((times += 1), NEVER)),
      }));
      m.expect(letters(locks.mutex('k').lock$())).toBeObservable('#', undefined, 'BACKEND');
      m.flush();
      expect(times).toBe(0);
      expect(of('release-failed')).toEqual([]);
    }),
  );

  it(
    'and may be in although asking again does not help tells its contender at once, and is taken out',
    marbles((m) => {
      const { locks, memory, of } = clientOf(m, ({ enqueue }) => ({
        enqueue: (...asked) => enqueue(...asked).pipe(switchMap(() => throwError(() => full))),
      }));
      const claims$ = memory.queue('k', TIMES.ttl).pipe(map((queue) => String(queue.claims.length)));
      m.expect(claims$, '^--!').toBeObservable('(010)');
      m.expect(letters(locks.mutex('k').lock$({ wait: 50 }))).toBeObservable('#', undefined, 'BACKEND');
      m.flush();
      expect(of('withdrawn')).toMatchObject([{ at: 0, cause: { message: 'full', retryable: false } }]);
      expect(of('release-failed')).toEqual([]);
    }),
  );

  it(
    'whose lease may be there although asking again does not help revokes it, until that is acknowledged',
    marbles((m) => {
      const revoked: number[] = [];
      const { locks } = clientOf(m, ({ grant, revoke }) => ({
        grant: (...asked) => grant(...asked).pipe(switchMap(() => throwError(() => full))),
        revoke: (...asked) =>
          defer(() => (revoked.push(m.scheduler.now()) < 3 ? throwError(() => full) : revoke(...asked))),
      }));
      m.expect(letters(locks.mutex('k').lock$({ wait: 50 }))).toBeObservable('#', undefined, 'BACKEND');
      m.flush();
      expect(revoked).toEqual([0, 1, 2]);
    }),
  );

  it(
    'on a lease of its own leaves even when that has ended',
    marbles((m) => {
      const leaves: number[] = [];
      const slots = onePlace(memoryBackend({ scheduler: m.scheduler }));
      const release: typeof slots.release = (...asked) =>
        defer(() => (leaves.push(m.scheduler.now()), slots.release(...asked)));
      const locks = createLocks(
        { ...slots, renew: silent, release },
        { ...TIMES, random: () => 0, scheduler: m.scheduler },
      );
      m.expect(letters(locks.mutex('k').lock$())).toBeObservable('h---------#', undefined, 'LOCK_LOST expired');
      m.flush();
      expect(leaves).toEqual([10]);
    }),
  );
});

describe('a contender', () => {
  it(
    'that has waited queues again when its new lease cannot be had: it was asked for in vain five times',
    marbles((m) => {
      const server = serverOf(m);
      const b = server.client(TIMES);
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '^ 49ms !').toBeObservable('h');
      atFrame(m, 3, () => b.network.partition());
      atFrame(m, 30, () => b.network.heal());
      m.expect(letters(b.mutex('k').lock$()), '-^ 52ms !').toBeObservable('-w 28ms w 19ms h');
      m.expect(events(b.events$, { requeued: 'R' }), '^ 52ms !').toBeObservable('11ms R 14ms R');
    }),
  );

  it(
    'whose signal was aborted before asks for nothing',
    marbles((m) => {
      const server = openServer(m);
      const stop = new AbortController();
      stop.abort('stop');
      m.expect(server.requests$, '^-----!').toBeObservable('-');
      m.expect(letters(server.client(TIMES).mutex('k').lock$({ signal: stop.signal }))).toBeObservable(
        '#',
        undefined,
        'stop',
      );
    }),
  );

  it(
    'tries once with a signal, too, and waits for ever with one',
    marbles((m) => {
      const server = serverOf(m);
      const { signal } = new AbortController();
      m.expect(letters(server.client(TIMES).mutex('k').lock$({ wait: 0, signal })), '^----!').toBeObservable('h');
      m.expect(letters(server.client(TIMES).mutex('k').lock$({ wait: 0, signal })), '-^').toBeObservable(
        '-#',
        undefined,
        'ALREADY_LOCKED',
      );
      m.expect(letters(server.client(TIMES).mutex('k').lock$({ signal })), '--^-----!').toBeObservable('--w--h');
    }),
  );

  it(
    'is told which key it was that the close ended, and which it cannot have any more',
    marbles((m) => {
      const { locks } = clientOf(m, () => ({}));
      const told: unknown[] = [];
      locks
        .mutex('before')
        .lock$()
        .subscribe({ error: (error: unknown) => told.push(error) });
      void locks.close();
      locks
        .mutex('after')
        .lock$()
        .subscribe({ error: (error: unknown) => told.push(error) });
      expect(told).toMatchObject([{ key: 'before' }, { key: 'after' }]);
    }),
  );

  it(
    'that was handed off to has something to settle until the release before it is acknowledged',
    marbles((m) => {
      const lock = serverOf(m, { latency: 1 }).client(SLOW).mutex('k');
      const helds: HeldLock[] = [];
      const listen = () =>
        lock.lock$().subscribe((state) => {
          if (state.status === 'held') helds.push(state.held);
        });
      const [first, second] = [listen(), listen()];
      const done: number[] = [];
      atFrame(m, 10, () => {
        void helds[0]?.release();
        for (const held of helds) settled(held).subscribe({ complete: () => done.push(m.scheduler.now()) });
      });
      atFrame(m, 20, () => [first, second].forEach((one) => one.unsubscribe()));
      m.flush();
      expect(helds).toHaveLength(2);
      expect(done).toEqual([10, 12]);
    }),
  );
});

describe('who looks', () => {
  it(
    'is told why nothing is known',
    marbles((m) => {
      const { locks } = clientOf(m, () => ({ queue: silent }));
      const causes$ = locks
        .mutex('k')
        .ownership$()
        .pipe(
          filter((state) => state.status === 'unknown'),
          map(({ cause }) => cause),
        );
      const causes: unknown[] = [];
      const looking = causes$.subscribe((cause) => causes.push(cause));
      atFrame(m, 3, () => looking.unsubscribe());
      atFrame(m, 3, () => void locks.close());
      m.flush();
      expect(causes).toMatchObject([
        { code: 'BACKEND', message: 'memory did not say within 2 ms who holds "k".', retryable: true },
      ]);
    }),
  );

  it(
    'reads again at a random time between one ttl and two, so that not all read at once',
    marbles((m) => {
      const reads: number[] = [];
      const { locks } = clientOf(
        m,
        (memory) => ({
          queue: (...asked) => defer(() => (reads.push(m.scheduler.now()), memory.queue(...asked))),
        }),
        0.5,
      );
      m.expect(
        locks
          .mutex('k')
          .ownership$()
          .pipe(map(() => 'f')),
        '^ 40ms !',
      ).toBeObservable('f');
      m.flush();
      // 12 × 1.5 = 18, at the next round of 4.
      expect(reads).toEqual([0, 20, 40]);
    }),
  );
});

describe('the process', () => {
  it('is kept alive while anybody contends or holds', () => {
    let awake = 0;
    const contenders = createContenders({
      now: () => 0,
      date: () => new Date(0),
      after: () => NEVER,
      awake: () => {
        awake += 1;
        return new Subscription(() => (awake -= 1));
      },
    });
    const closed: string[] = [];
    const contender = (name: string) => ({ close: () => void closed.push(name) });
    const [a, b] = [contender('a'), contender('b')];
    contenders.delete(a);
    contenders.add(a);
    contenders.add(b);
    expect(awake).toBe(1);
    contenders.delete(a);
    expect(awake).toBe(1);
    contenders.delete(b);
    contenders.delete(b);
    expect(awake).toBe(0);
    contenders.add(b);
    expect(awake).toBe(1);
    contenders.close();
    expect(closed).toEqual(['b']);
  });
});
