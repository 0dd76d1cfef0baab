import { expect, it } from '@jest/globals';
import {
  EMPTY,
  NEVER,
  Subscription,
  catchError,
  concat,
  finalize,
  mergeMap,
  of,
  repeat,
  switchMap,
  take,
  tap,
} from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { createLocks, usingLock, withLock } from '../../src/index.js';
import type { HeldLock } from '../../src/index.js';
import { SLOW, TIMES, atFrame, codes, events, letters, seen, serverOf } from '../support/marbles.js';
import { onEachNetwork } from '../support/networks.js';

onEachNetwork('withLock', () => {
  it(
    'subscribes to the source once held, and completes after the release',
    marbles((m) => {
      // One frame each way: grant and claim take two frames each, and so does the release.
      const lock = serverOf(m, { latency: 1 }).client(SLOW).mutex('k');
      const source = m.cold('     a--b--|       ');
      const subs = '          ----^-----!       ';
      const result = '        ----a--b----|     ';
      m.expect(source.pipe(withLock(lock))).toBeObservable(result);
      m.expect(source).toHaveSubscriptions(subs);
    }),
  );

  it(
    'contends anew at each subscription',
    marbles((m) => {
      const lock = serverOf(m).client(TIMES).mutex('k');
      const source = m.cold('  a-|');
      const first = '          a-|';
      const second = '         --a-|'; // subscribed at 1, waits until 2
      const locked$ = source.pipe(withLock(lock));
      m.expect(locked$).toBeObservable(first);
      m.expect(locked$, '-^').toBeObservable(second);
      m.expect(source).toHaveSubscriptions(['^-!', '--^-!']);
    }),
  );

  it(
    'passes the error of the source on, after the release',
    marbles((m) => {
      const lock = serverOf(m, { latency: 1 }).client(SLOW).mutex('k');
      const source = m.cold('     a--#          ', undefined, 'broken');
      const subs = '          ----^--!          ';
      const result = '        ----a----#        ';
      m.expect(source.pipe(withLock(lock))).toBeObservable(result, undefined, 'broken');
      m.expect(source).toHaveSubscriptions(subs);
    }),
  );

  it(
    'completes with the source even when the release is not acknowledged: when the lease has run out',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 2, () => a.network.partition());
      const source = m.cold('  a--|       ');
      const result = '         a---------|'; // granted at 0: 0 + 12 - 2 = 10
      m.expect(source.pipe(withLock(a.mutex('k')))).toBeObservable(result);
    }),
  );

  it(
    'releases when unsubscribed while held, after the source has been left',
    marbles((m) => {
      const server = serverOf(m);
      const lock = server.client(TIMES).mutex('k');
      const source = m.cold('  a--b--c--');
      const hold = '           ^----!   ';
      const result = '         a--b--   ';
      m.expect(source.pipe(withLock(lock)), hold).toBeObservable(result);
      m.expect(source).toHaveSubscriptions(hold);
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), '-^-------!').toBeObservable('-h---f---');
    }),
  );

  for (const frame of [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
    it(
      `leaves nothing behind when unsubscribed at frame ${String(frame)} of granting, claiming and holding`,
      marbles((m) => {
        const server = serverOf(m, { latency: 1 });
        const source = m.cold('aaaaaaaaaaa');
        const run$ = source.pipe(withLock(server.client(SLOW).mutex('k')));
        const sub = run$.subscribe();
        atFrame(m, frame, () => sub.unsubscribe());
        // Two frames later nobody is in the queue: a try at it succeeds.
        const tried$ = letters(server.client(SLOW).mutex('k').lock$({ wait: 0 }));
        m.expect(tried$, '------------^--------!').toBeObservable('----------------h-----');
      }),
    );
  }

  it(
    'leaves nothing behind when unsubscribed while waiting',
    marbles((m) => {
      const server = serverOf(m);
      const source = m.cold('a');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '^----!').toBeObservable('h-----');
      m.expect(source.pipe(withLock(server.client(TIMES).mutex('k'))), '-^--!').toBeObservable('----');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '--^---!').toBeObservable('--w-wh-');
      m.expect(source).toHaveSubscriptions([]);
    }),
  );

  it(
    'never emits, never ends: holds on and renews',
    marbles((m) => {
      const server = serverOf(m);
      const hold = '           ^-----------------------------!';
      const ownership = '      -h----------------------------f-';
      m.expect(NEVER.pipe(withLock(server.client(TIMES).mutex('k'))), hold).toBeObservable('-');
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), '-^-----------------------------!').toBeObservable(
        ownership,
      );
    }),
  );

  it(
    'takes synchronous sources as they come',
    marbles((m) => {
      const lock = serverOf(m).client(TIMES).mutex('k');
      m.expect(EMPTY.pipe(withLock(lock))).toBeObservable('              |');
      m.expect(of('a', 'b').pipe(withLock(lock))).toBeObservable('       (ab|)');
      m.expect(NEVER.pipe(withLock(lock), take(1)), '^!').toBeObservable('--');
      m.expect(concat(of('a'), NEVER).pipe(withLock(lock), take(1)), '--^').toBeObservable('--(a|)');
      m.expect(m.cold('#').pipe(withLock(lock)), '---^').toBeObservable('---#', undefined, 'error');
    }),
  );

  it(
    'stops a synchronous source that nobody wants any more, before its claim leaves',
    marbles((m) => {
      const server = serverOf(m);
      const ran: number[] = [];
      const source$ = of(1, 2, 3).pipe(
        repeat(1000),
        tap((n) => ran.push(n)),
      );
      m.expect(source$.pipe(withLock(server.client(TIMES).mutex('k')), take(2))).toBeObservable('(ab|)', {
        a: 1,
        b: 2,
      });
      m.flush();
      expect(ran).toEqual([1, 2]);
    }),
  );

  it(
    'stops the source before the loss is told, and lets nothing through after the deadline',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      atFrame(m, 1, () => a.network.partition());
      const source = m.cold('  a--b--c--d--e');
      const subs = '           ^---------!  ';
      const result = '         a--b--c--d#  ';
      m.expect(source.pipe(withLock(a.mutex('k')), codes())).toBeObservable(result, undefined, 'LOCK_LOST expired');
      m.expect(source).toHaveSubscriptions(subs);
    }),
  );

  it(
    'fails a source that completes only after the deadline: its success is not ours to tell',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 1, () => a.network.partition());
      const source = m.cold('  a---------|');
      const result = '         a---------#';
      m.expect(source.pipe(withLock(a.mutex('k')), codes())).toBeObservable(result, undefined, 'LOCK_LOST expired');
    }),
  );

  it(
    'is left by switchMap like any stream: the old lock is released, the new one taken',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const keys = m.hot<string>('   k---l----|');
      const result$ = keys.pipe(switchMap((key) => NEVER.pipe(withLock(a.mutex(key)))));
      m.expect(result$, '    ^-------!').toBeObservable('---------');
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), '-^-------!').toBeObservable('-h--f');
      m.expect(seen(server.client(TIMES).mutex('l').ownership$()), '-^-------!').toBeObservable('-f--h---f');
    }),
  );

  it(
    'with mergeMap each key runs beside the others, and one key one after another',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      const keys = m.cold<string>('  (kkl|)');
      const task = m.cold('  x-----y----|');
      const result = '       (xx)--(yy)-x-----y----|'; // k and l at once; the second k when the first is done
      const run$ = keys.pipe(mergeMap((key) => task.pipe(withLock(a.mutex(key)))));
      m.expect(run$).toBeObservable(result);
    }),
  );

  it('refuses bad options at the call, before any subscription', () => {
    const lock = createLocks(memoryBackend()).mutex('k');
    expect(() => withLock(lock, { wait: -1 })(NEVER)).toThrow('wait is -1: give milliseconds');
  });
});

onEachNetwork('usingLock', () => {
  it(
    'gives the HeldLock to the inner stream',
    marbles((m) => {
      const a = serverOf(m).client({ ...TIMES, owner: 'me' });
      const result$ = usingLock(a.mutex('k'), (held) => of(`${held.key} ${held.owner} ${String(held.validUntil)}`));
      m.expect(result$).toBeObservable('(a|)', { a: 'k me 10' });
    }),
  );

  it(
    'takes a project that throws for an error of the inner stream: released, then that error',
    marbles((m) => {
      const server = serverOf(m);
      const failing$ = usingLock(server.client(TIMES).mutex('k'), () => {
        throw new Error('in project');
      });
      m.expect(failing$).toBeObservable('#', undefined, new Error('in project'));
      m.expect(letters(server.client(TIMES).mutex('k').lock$({ wait: 0 })), '-^--!').toBeObservable('-h---');
    }),
  );

  it(
    'tells the loss in order: the inner stream is stopped, the signal aborts, the error follows',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      const order: string[] = [];
      atFrame(m, 1, () => a.network.partition());
      usingLock(a.mutex('k'), (held) => {
        held.signal.addEventListener('abort', () => order.push(`signal ${String(held.isHeld())}`));
        return NEVER.pipe(tap({ unsubscribe: () => order.push(`stopped ${String(held.isHeld())}`) }));
      }).subscribe({ error: () => order.push('error') });
      m.flush();
      expect(order).toEqual(['stopped false', 'signal false', 'error']);
    }),
  );

  it(
    'completes when the inner stream itself asks for the release, and lets nothing through after that',
    marbles((m) => {
      const server = serverOf(m, { latency: 1 });
      const source = m.cold('       a-b-c-d');
      const subs = '            ----^---!   ';
      const result = '          ----a-b---| '; // c falls on the release: it is not told
      let held: HeldLock | undefined;
      atFrame(m, 8, () => void held?.release());
      const result$ = usingLock(server.client(SLOW).mutex('k'), (taken) => {
        held = taken;
        return source;
      });
      m.expect(result$).toBeObservable(result);
      m.expect(source).toHaveSubscriptions(subs);
    }),
  );

  it(
    'does not subscribe to what project returns when project has given the lock back',
    marbles((m) => {
      const inner = m.cold('a|');
      const result$ = usingLock(serverOf(m).client(TIMES).mutex('k'), (held) => {
        void held.release();
        return inner;
      });
      m.expect(result$).toBeObservable('|');
      m.expect(inner).toHaveSubscriptions([]);
    }),
  );

  it(
    'tells the error of a source that fails after the deadline, and counts the lock as lost all the same',
    marbles((m) => {
      const source = m.cold('--#');
      // The process stands still from 1 to 20: its clock runs on, its timers do not.
      const stalled = createLocks(memoryBackend({ scheduler: m.scheduler }), {
        ...TIMES,
        scheduler: m.scheduler,
        clock: { now: () => m.scheduler.now() + (m.scheduler.now() > 1 ? 19 : 0) },
      });
      m.expect(source.pipe(withLock(stalled.mutex('k')))).toBeObservable('--#');
      m.expect(events(stalled.events$, { lost: 'L', released: 'x' }), '^---!').toBeObservable('--L');
    }),
  );

  it(
    'and has it tidied up before that is told',
    marbles((m) => {
      const clock = { now: () => m.scheduler.now() + (m.scheduler.now() > 1 ? 19 : 0) };
      const backend = memoryBackend({ scheduler: m.scheduler });
      const stalled = createLocks(backend, { ...TIMES, scheduler: m.scheduler, clock });
      const order: string[] = [];
      const told$ = m.cold('--#').pipe(
        finalize(() => order.push('tidied up')),
        withLock(stalled.mutex('k')),
        catchError(() => {
          order.push('told');
          return [order.join(', then ')];
        }),
      );
      m.expect(told$).toBeObservable('--(a|)', { a: 'tidied up, then told' });
    }),
  );

  it(
    'counts renewals from the acquisition on',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      const counts$ = usingLock(a.mutex('k'), (held) => held.renewals$);
      const early = '  ^------------!';
      const late = '   -----^-------!';
      m.expect(counts$, early).toBeObservable('----a---b---c', {
        a: { count: 1, validUntil: 14 },
        b: { count: 2, validUntil: 18 },
        c: { count: 3, validUntil: 22 },
      });
      const other$ = usingLock(a.mutex('l'), (held) => held.renewals$);
      m.expect(other$, late).toBeObservable('--------a---b', {
        a: { count: 1, validUntil: 18 },
        b: { count: 2, validUntil: 22 },
      });
    }),
  );

  it(
    'may be unsubscribed from within next, and subscribed to again from there',
    marbles((m) => {
      const lock = serverOf(m).client(TIMES).mutex('k');
      const running = new Subscription();
      const got: string[] = [];
      const again = (): Subscription =>
        of('again')
          .pipe(withLock(lock))
          .subscribe((value) => got.push(value));
      running.add(
        concat(of('first'), NEVER)
          .pipe(withLock(lock))
          .subscribe((value) => {
            got.push(value);
            atFrame(m, 0, () => {
              running.unsubscribe();
              again();
            });
          }),
      );
      m.flush();
      expect(got).toEqual(['first', 'again']);
    }),
  );
});
