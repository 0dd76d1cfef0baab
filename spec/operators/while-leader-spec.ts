import { expect, it } from '@jest/globals';
import { EMPTY, defer, throwError } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { BackendError, LockLostError, createLocks, whileLeader } from '../../src/index.js';
import type { Lock } from '../../src/index.js';
import { TIMES, atFrame, codes, letters, serverOf } from '../support/marbles.js';
import { onEachNetwork } from '../support/networks.js';

onEachNetwork('whileLeader', () => {
  it(
    'runs while it holds; after a loss it contends again, and runs anew',
    marbles((m) => {
      const server = serverOf(m);
      const inner = m.cold('                                      --a-----b---');
      atFrame(m, 5, () => server.expire('k'));
      const { scheduler } = m;
      const result$ = whileLeader(server.client(TIMES).mutex('k'), () => inner, { scheduler });
      m.expect(result$, '    ^ 69ms !').toBeObservable('          --a-- 50ms --a-----b---');
      m.expect(inner).toHaveSubscriptions(['^----!', '55ms ^ 14ms !']);
    }),
  );

  it(
    'another one runs meanwhile, and who lost is next',
    marbles((m) => {
      const server = serverOf(m);
      const { scheduler } = m;
      const inner = (letter: string) => () => m.cold('     -x', { x: letter });
      atFrame(m, 5, () => server.expire('k'));
      const first$ = whileLeader(server.client(TIMES).mutex('k'), inner('a'), { scheduler });
      const second$ = whileLeader(server.client(TIMES).mutex('k'), inner('b'), { scheduler });
      m.expect(first$, '     ^ 79ms !').toBeObservable('           -a 58ms -a');
      m.expect(second$, '    --^ 57ms !').toBeObservable('         ------b');
    }),
  );

  it(
    'goes on trying where nobody answers',
    marbles((m) => {
      const server = serverOf(m);
      const client = server.client(TIMES);
      const { scheduler } = m;
      client.network.refuseNext(5);
      // Five attempts with a back-off of 1 each, then the pause.
      const result$ = whileLeader(client.mutex('k'), () => m.cold('a'), { scheduler });
      m.expect(result$, '     ^ 99ms !').toBeObservable('          ---- 50ms a');
    }),
  );

  it(
    'pauses longer each time it fails, and as at first again once it has led',
    marbles((m) => {
      const server = serverOf(m);
      const client = server.client(TIMES);
      const { scheduler } = m;
      client.network.refuseNext(5);
      atFrame(m, 53, () => client.network.refuseNext(5));
      atFrame(m, 160, () => server.expire('k'));
      // Tried once. Twice five attempts with a back-off of 1 each, and the pause after each.
      const result$ = whileLeader(client.mutex('k'), () => m.cold('a'), { wait: 0, scheduler });
      m.expect(result$, '     ^ 219ms !').toBeObservable('          ---- 50ms ---- 100ms a--- 50ms a');
    }),
  );

  it(
    'ends where the server refuses for good: another attempt would not help',
    marbles((m) => {
      const refused = new BackendError('refused', { retryable: false });
      const { scheduler } = m;
      const enter = () => throwError(() => refused);
      const locks = createLocks({ ...memoryBackend({ scheduler }), enqueue: enter }, { ...TIMES, scheduler });
      const result$ = whileLeader(locks.mutex('k'), () => m.cold('a'), { scheduler });
      m.expect(result$, '^ 200ms !').toBeObservable('#', undefined, refused);
    }),
  );

  it(
    'contends again where the server is full: that passes, once somebody has made room',
    marbles((m) => {
      const full = new BackendError('full', { retryable: false, outcome: 'unknown' });
      const { scheduler } = m;
      const memory = memoryBackend({ scheduler });
      let times = 0;
      const enqueue: typeof memory.enqueue = (...asked) =>
        defer(() => ((times += 1) < 3 ? throwError(() => full) : memory.enqueue(...asked)));
      const locks = createLocks({ ...memory, enqueue }, { ...TIMES, scheduler });
      const result$ = whileLeader(locks.mutex('k'), () => m.cold('a'), { scheduler });
      m.expect(result$, '^ 200ms !').toBeObservable('50ms 100ms a');
    }),
  );

  it('keeps the process alive in its pauses', () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const lost = new LockLostError({ key: 'k', reason: 'expired', fencingToken: 7n });
    const lock: Lock = { ...createLocks(memoryBackend()).mutex('k'), lock$: () => throwError(() => lost) };
    const leading = whileLeader(lock, () => EMPTY).subscribe();
    expect(timers()).toBe(before + 1);
    leading.unsubscribe();
    expect(timers()).toBe(before);
  });

  it(
    'completes with the inner stream, after the release',
    marbles((m) => {
      const server = serverOf(m);
      const { scheduler } = m;
      const result$ = whileLeader(server.client(TIMES).mutex('k'), () => m.cold('--a-|'), { scheduler });
      m.expect(result$).toBeObservable('                                         --a-|');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^-----!').toBeObservable('-w--h---');
    }),
  );

  it.each([
    ['an error of its own', new Error('mine')],
    ['the loss of another lock', new LockLostError({ key: 'other', reason: 'expired', fencingToken: 7n })],
    ['a server that another one needs', new BackendError('elsewhere', { retryable: true })],
  ])('errors with the inner stream, be it %s', (_, error) => {
    marbles((m) => {
      const { scheduler } = m;
      const lock = serverOf(m).client(TIMES).mutex('k');
      const failing$ = whileLeader(lock, () => throwError(() => error), { scheduler });
      m.expect(failing$).toBeObservable('#', undefined, error);
      const throwing$ = whileLeader(
        lock,
        () => {
          throw error;
        },
        { scheduler },
      );
      m.expect(throwing$).toBeObservable('#', undefined, error);
    })();
  });

  it(
    'ends with what cannot pass: a wait that ran out, a close',
    marbles((m) => {
      const server = serverOf(m);
      const client = server.client(TIMES);
      const { scheduler } = m;
      const contend = (wait: number) =>
        whileLeader(client.mutex('k'), () => m.cold('-x'), { scheduler, wait }).pipe(codes());
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '^------!').toBeObservable('h------');
      m.expect(contend(3), '-^').toBeObservable('----#', undefined, 'LOCK_TIMEOUT');
      m.expect(contend(0), '-^').toBeObservable('-#', undefined, 'ALREADY_LOCKED');
      m.expect(contend(Infinity), '-^').toBeObservable('-----#', undefined, 'LOCKS_CLOSED');
      atFrame(m, 5, () => void client.close());
    }),
  );

  it.each(['signal', 'waitSignal'] as const)(
    'ends with its %s, also where the reason is the loss of a lock',
    (option) => {
      marbles((m) => {
        const server = serverOf(m);
        const { scheduler } = m;
        const stop = new AbortController();
        const lost = new LockLostError({ key: 'other', reason: 'expired', fencingToken: 7n });
        m.expect(letters(server.client(TIMES).mutex('k').lock$()), '^------!').toBeObservable('h------');
        const waiting$ = whileLeader(server.client(TIMES).mutex('k'), () => m.cold('a'), {
          scheduler,
          [option]: stop.signal,
        });
        m.expect(waiting$, '-^ 200ms !').toBeObservable('---#', undefined, lost);
        atFrame(m, 3, () => stop.abort(lost));
      })();
    },
  );

  it('refuses at the call what is no function, and says what to give', () => {
    const lock = createLocks(memoryBackend()).mutex('k');
    expect(() => whileLeader(lock, EMPTY as never)).toThrow(
      /project.*give a function that makes the inner stream, and the options after it\.$/,
    );
  });
});
