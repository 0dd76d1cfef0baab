/**
 * Many in one `Locks` who want the turn of one key: one of them contends, the others wait beside it.
 */
import { describe, expect, it } from '@jest/globals';
import type { Observable } from 'rxjs';
import {
  EMPTY,
  NEVER,
  Subscription,
  catchError,
  defer,
  ignoreElements,
  map,
  merge,
  mergeMap,
  take,
  throwError,
  timer,
} from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { marbles } from 'rxjs-marbles/jest';
import { serverClaimsOf } from '../../../src/backend/prefixed.js';
import { BackendError, LockLostError, runOnce } from '../../../src/index.js';
import type { Locks, QueueBackend, RunOptions } from '../../../src/index.js';
import { SLOW, TIMES, atFrame, openServer, seen } from '../../support/marbles.js';
import { asked$, onceOf, turn$ } from '../../support/turns.js';

/** A server that answers each read of a marker with one of these, and as it is where that is undefined. */
const reading = (memory: QueueBackend, answers: readonly (BackendError | 'silence' | undefined)[]): QueueBackend => {
  const { markers } = memory;
  if (!markers) return memory;
  let reads = 0;
  const read: typeof markers.read = (...args) =>
    defer(() => {
      const answer = answers[reads];
      reads += 1;
      if (answer === 'silence') return NEVER;
      return answer ? throwError(() => answer) : markers.read(...args);
    });
  return { ...memory, markers: { ...markers, read } };
};

const FAILED = new Error('no disk');

interface Marbles {
  readonly scheduler: TestScheduler;
}

/** Runs that last three frames and fail, each told as its name when it begins. */
const failing =
  ({ scheduler }: Marbles) =>
  (locks: Locks, name: string, options?: RunOptions): Observable<string> =>
    runOnce(
      onceOf(locks),
      () => merge([name], timer(3, scheduler).pipe(mergeMap(() => throwError(() => FAILED)))),
      options,
    ).pipe(catchError((error: unknown) => (error === FAILED ? EMPTY : throwError(() => error))));

describe('turns of one key in one Locks', () => {
  it(
    'one of them asks and has no claim while another process runs it; all are told how many are ahead',
    marbles((m) => {
      const server = openServer(m);
      const [a, b] = [server.client(TIMES), server.client(TIMES)];
      const requests: string[] = [];
      server.requests$.subscribe((letter) => requests.push(letter));
      m.expect(turn$(a), '^-------!').toBeObservable('h');
      m.expect(turn$(b), '-^---------!').toBeObservable('-1------h');
      m.expect(turn$(b), '--^--------!').toBeObservable('--2-----1');
      m.expect(turn$(b), '---^-------!').toBeObservable('---3----2');
      m.expect(timer(5, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable('-----(1|)', { 1: 1 });
      atFrame(m, 6, () => expect(requests.filter((letter) => letter === 'e')).toHaveLength(2));
    }),
  );

  it(
    'they run in the order of their subscription, one after another',
    marbles((m) => {
      const run$ = failing(m);
      const locks = openServer(m).client(TIMES);
      m.expect(merge(...['a', 'b', 'c', 'd'].map((name) => run$(locks, name)))).toBeObservable('a--b--c--d--|');
    }),
  );

  it(
    'a process whose runs fail queues at the tail: others get their turn in between',
    marbles((m) => {
      const run$ = failing(m);
      const server = openServer(m);
      const [a, b, c] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      const fleet$ = merge(...['a', 'A', '0', '1'].map((name) => run$(a, name)), run$(b, 'b'), run$(c, 'c'));
      m.expect(fleet$).toBeObservable('a--b--c--A--0--1--|');
    }),
  );

  it(
    'one whose wait is over leaves alone, and its claim to the next with its place in the queue',
    marbles((m) => {
      const server = openServer(m);
      const [x, y, a] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      const requests: string[] = [];
      server.requests$.subscribe((letter) => requests.push(letter));
      m.expect(onceOf(x).lock.lock$().pipe(ignoreElements()), '^--!').toBeObservable('-');
      m.expect(onceOf(y).lock.lock$().pipe(ignoreElements()), '-^-------!').toBeObservable('-');
      // From 3 on, when the first holder is gone, it is in the queue.
      m.expect(turn$(a, { wait: 4 }), '-^').toBeObservable('-2-1-#', undefined, 'LOCK_TIMEOUT');
      m.expect(turn$(a), '--^---------!').toBeObservable('  --32-1---h');
      m.expect(turn$(a), '--^---------!').toBeObservable('  --43-2---1');
      atFrame(m, 8, () => expect(requests.join('')).toMatch(/^[^e]*e[^e]*e[^e]*e[^e]*e[^e]*$/));
    }),
  );

  it(
    'one of another meta has a claim of its own',
    marbles((m) => {
      const server = openServer(m);
      const [x, y, a] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      m.expect(onceOf(x).lock.lock$().pipe(ignoreElements()), '^-!').toBeObservable('-');
      m.expect(onceOf(y).lock.lock$().pipe(ignoreElements()), '-^-----!').toBeObservable('-');
      m.expect(turn$(a, { meta: 'first', wait: 3 }), '-^').toBeObservable('-21-#', undefined, 'LOCK_TIMEOUT');
      m.expect(turn$(a, { meta: 'second' }), '-^--------!').toBeObservable('-32-1--h');
      const meta$ = onceOf(x)
        .lock.ownership$()
        .pipe(map((state) => state.status === 'held' && state.holders[0]?.meta));
      m.expect(timer(8, m.scheduler).pipe(mergeMap(() => meta$.pipe(take(1))))).toBeObservable('--------(m|)', {
        m: 'second',
      });
    }),
  );

  it(
    'a signal ends the wait of who gave it, and of nobody else',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      const [stop, stopWaiting] = [new AbortController(), new AbortController()];
      m.expect(runOnce(onceOf(x), () => m.cold('-----A|'))).toBeObservable('-----A|');
      m.expect(turn$(a, { signal: stop.signal }), '-^').toBeObservable('-1-#', undefined, 'no');
      m.expect(turn$(a, { waitSignal: stopWaiting.signal }), '-^').toBeObservable('-2-1#', undefined, 'no');
      m.expect(turn$(a), '-^').toBeObservable('-3-21-(d|)');
      atFrame(m, 3, () => stop.abort('no'));
      atFrame(m, 4, () => stopWaiting.abort('no'));
    }),
  );

  it(
    'a try finds what its own process runs busy, without asking the server',
    marbles((m) => {
      const server = openServer(m);
      const a = server.client(TIMES);
      const requests: string[] = [];
      m.expect(turn$(a), '^----!').toBeObservable('h');
      m.expect(turn$(a, { wait: 0 }), '--^').toBeObservable('--#', undefined, 'ALREADY_LOCKED');
      m.expect(turn$(a, { onBusy: 'skip' }), '--^').toBeObservable('--|');
      atFrame(m, 1, () => server.requests$.subscribe((letter) => requests.push(letter)));
      atFrame(m, 3, () => expect(requests).not.toContain('e'));
    }),
  );

  it(
    'a try that holds is waited for, and then the next one runs it',
    marbles((m) => {
      const a = openServer(m).client(TIMES);
      m.expect(turn$(a, { wait: 0 }), '^----!').toBeObservable('h');
      m.expect(turn$(a), '-^------!').toBeObservable('-1---h');
    }),
  );

  it(
    'who unsubscribes as it is told is gone, and the others go on',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      m.expect(turn$(x), '^--!').toBeObservable('h');
      m.expect(turn$(a).pipe(take(1)), '-^').toBeObservable('-(1|)');
      m.expect(turn$(a), '-^----!').toBeObservable('-1-h');
    }),
  );

  it(
    'all who unsubscribe at once send nothing on their way',
    marbles((m) => {
      const server = openServer(m);
      const a = server.client(TIMES);
      const requests: string[] = [];
      const crowd = new Subscription();
      for (let i = 0; i < 100; i += 1) crowd.add(turn$(a, { meta: i % 2 }).subscribe());
      server.requests$.subscribe((letter) => requests.push(letter));
      atFrame(m, 2, () => crowd.unsubscribe());
      atFrame(m, 5, () => expect(requests.filter((letter) => 'el'.includes(letter))).toEqual(['l']));
    }),
  );

  it(
    'closed: all who wait are told, and none of them sends anything',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      const requests: string[] = [];
      m.expect(turn$(x), '^-----!').toBeObservable('h');
      const crowd$ = merge(...Array.from({ length: 100 }, () => turn$(a).pipe(catchError(() => EMPTY))));
      m.expect(crowd$.pipe(ignoreElements()), '-^').toBeObservable('---|');
      atFrame(m, 2, () => server.requests$.subscribe((letter) => requests.push(letter)));
      atFrame(m, 3, () => void a.close());
      atFrame(m, 5, () => expect(requests).not.toContain('e'));
    }),
  );

  it(
    'drained: who holds finishes, who waits is told at once',
    marbles((m) => {
      const a = openServer(m).client(TIMES);
      m.expect(runOnce(onceOf(a), () => m.cold('----A|'))).toBeObservable('----A|');
      m.expect(turn$(a), '-^').toBeObservable('-1-#', undefined, 'LOCKS_CLOSED');
      m.expect(turn$(a), '-^').toBeObservable('-2-#', undefined, 'LOCKS_CLOSED');
      atFrame(m, 3, () => void a.close({ drain: 20 }));
    }),
  );

  it(
    'the lease is lost: who holds is told so, and the next one runs it with a new one',
    marbles((m) => {
      const a = openServer(m).client(TIMES);
      m.expect(turn$(a)).toBeObservable('h---------#', undefined, 'LOCK_LOST expired');
      m.expect(turn$(a), '-^-------------------!').toBeObservable('-1------------h');
      atFrame(m, 1, () => a.network.partition());
      atFrame(m, 14, () => a.network.heal());
    }),
  );

  it(
    'a claim that is lost in the queue: its turn keeps its place before the younger ones',
    marbles((m) => {
      const run$ = failing(m);
      const server = openServer(m);
      const [x, y, a] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      m.expect(onceOf(x).lock.lock$().pipe(ignoreElements()), '^--!').toBeObservable('-');
      m.expect(onceOf(y).lock.lock$().pipe(ignoreElements()), '-^-----------------------------!').toBeObservable('-');
      m.expect(merge(run$(a, 'a'), run$(a, 'b')), '-^').toBeObservable('-------------------------------a--b--|');
      atFrame(m, 5, () => a.network.partition());
      atFrame(m, 20, () => a.network.heal());
    }),
  );

  it(
    'the oldest runs first, also where a younger one contended while the oldest paused',
    marbles((m) => {
      const run$ = failing(m);
      const server = openServer(m);
      const [x, y, a] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      m.expect(onceOf(x).lock.lock$().pipe(ignoreElements()), '^--!').toBeObservable('-');
      m.expect(onceOf(y).lock.lock$().pipe(ignoreElements()), '-^-------------!').toBeObservable('-');
      // The claim of both is lost at 14, with its lease; the oldest pauses then.
      m.expect(merge(run$(a, 'a'), run$(a, 'b')), '-^').toBeObservable('---------------------a--b--|');
      atFrame(m, 5, () => a.network.partition());
      atFrame(m, 20, () => a.network.heal());
    }),
  );

  it(
    'a server that never answers is told to all who have heard nothing, not to one after another',
    marbles((m) => {
      const a = openServer(m).client(TIMES);
      a.network.partition();
      const crowd = Array.from({ length: 20 }, () => turn$(a));
      const ends$ = merge(...crowd.map((one$) => one$.pipe(catchError(() => ['x']))));
      let ended = 0;
      ends$.subscribe(() => (ended += 1));
      atFrame(m, 60, () => expect(ended).toBe(20));
    }),
  );

  it(
    'one that waits and goes leaves the one that runs alone, and the others get on',
    marbles((m) => {
      const server = openServer(m);
      const a = server.client(TIMES);
      m.expect(turn$(a), '^-------!').toBeObservable('h');
      m.expect(turn$(a), '-^-!').toBeObservable('     -1');
      m.expect(turn$(a), '-^-------!').toBeObservable('-2-1----h');
      m.expect(seen(onceOf(server.client(TIMES)).lock.ownership$()), '--^--!').toBeObservable('--h');
    }),
  );

  it(
    'a result that is there is told without a claim',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      const requests: string[] = [];
      m.expect(runOnce(onceOf(x), () => ['A'])).toBeObservable('(A|)');
      atFrame(m, 3, () => server.requests$.subscribe((letter) => requests.push(letter)));
      m.expect(turn$(a), '-----^').toBeObservable('-----(d|)');
      atFrame(m, 7, () => expect(requests).not.toContain('e'));
    }),
  );

  it(
    'a result that could not be asked for at first is told once it holds, and nothing is run',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      m.expect(runOnce(onceOf(x), () => ['A'])).toBeObservable('(A|)');
      atFrame(m, 4, () => a.network.refuseNext());
      m.expect(turn$(a), '-----^').toBeObservable('-----(d|)');
      m.expect(timer(8, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable('--------(0|)', {
        0: 0,
      });
    }),
  );

  it(
    'a process that gives it back queues at the tail at once, behind those of other processes',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      m.expect(turn$(a), '^---!').toBeObservable('h');
      m.expect(onceOf(x).lock.lock$().pipe(ignoreElements()), '-^-------!').toBeObservable('-');
      m.expect(turn$(a), '--^--------!').toBeObservable('--2-1----h');
      m.expect(timer(6, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable('------(2|)', { 2: 2 });
    }),
  );

  it(
    'who gave up in the queue leaves its place, and one of another meta only tries: it has no claim',
    marbles((m) => {
      const server = openServer(m);
      const [x, y, a] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      m.expect(onceOf(x).lock.lock$().pipe(ignoreElements()), '^-!').toBeObservable('-');
      m.expect(onceOf(y).lock.lock$().pipe(ignoreElements()), '-^-----!').toBeObservable('-');
      m.expect(turn$(a, { meta: 'first', wait: 3 }), '-^').toBeObservable('-21-#', undefined, 'LOCK_TIMEOUT');
      m.expect(turn$(a, { meta: 'second' }), '-^--------!').toBeObservable('-32-1--h');
      m.expect(timer(3, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable('---(2|)', { 2: 2 });
      m.expect(timer(6, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable('------(1|)', { 1: 1 });
    }),
  );

  it(
    'once all have gone, who comes then asks as the first one did',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      const requests: string[] = [];
      const asked: string[] = [];
      m.expect(onceOf(x).lock.lock$().pipe(ignoreElements()), '^-----------!').toBeObservable('-');
      atFrame(m, 1, () => server.requests$.subscribe((letter) => requests.push(letter)));
      m.expect(turn$(a), '--^-!').toBeObservable('--1');
      m.expect(turn$(a), '-------^------!').toBeObservable('-------1----h');
      for (const frame of [3, 6, 8]) atFrame(m, frame, () => asked.push(requests.splice(0).join('')));
      atFrame(m, 9, () => expect(asked.map((sent) => sent.includes('e'))).toEqual([true, false, true]));
    }),
  );

  it(
    'who comes while it is given back asks once that has left',
    marbles((m) => {
      const server = openServer(m, 1);
      const a = server.client(SLOW);
      const requests: string[] = [];
      server.requests$.subscribe((letter) => requests.push(letter));
      m.expect(turn$(a), '^----------!').toBeObservable('--------h');
      m.expect(turn$(a), '---------^-------------------!').toBeObservable('-----------------h');
      atFrame(m, 40, () => expect(requests.filter((letter) => 'el'.includes(letter)).join('')).toBe('elel'));
    }),
  );

  it(
    'a refusal for good is told to all who have heard nothing, at once and asked once',
    marbles((m) => {
      const refused = new BackendError('out of space', { retryable: false });
      let asked = 0;
      const server = openServer(m, 1, (memory) => ({
        ...memory,
        enqueue: () => defer(() => throwError(() => ((asked += 1), refused))),
      }));
      const a = server.client(SLOW);
      const told$ = (): Observable<unknown> =>
        onceOf(a)
          .turn$()
          .pipe(catchError((error: unknown) => [error]));
      m.expect(merge(told$(), told$(), told$())).toBeObservable('-----(eee|)', { e: refused });
      atFrame(m, 20, () => expect(asked).toBe(1));
    }),
  );

  it(
    'who was told how many are ahead goes on where the one before it is refused',
    marbles((m) => {
      const refused = new BackendError('out of space', { retryable: false });
      let asked = 0;
      const server = openServer(m, 0, (memory) => ({
        ...memory,
        enqueue: (...claims) =>
          defer(() => ((asked += 1) === 3 ? throwError(() => refused) : memory.enqueue(...claims))),
      }));
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      m.expect(onceOf(x).lock.lock$().pipe(ignoreElements()), '^---!').toBeObservable('-');
      m.expect(turn$(a), '-^').toBeObservable('-1--#', undefined, 'BACKEND');
      m.expect(turn$(a), '-^----!').toBeObservable('-2--h');
    }),
  );

  it(
    'who holds before it may be asked what was done: a refusal for good ends it, and the lock is given back',
    marbles((m) => {
      const refused = new BackendError('no right to read', { retryable: false });
      const server = openServer(m, 0, (memory) => reading(memory, [undefined, refused]));
      const a = server.client(TIMES);
      m.expect(onceOf(a).turn$()).toBeObservable('#', undefined, refused);
      m.expect(timer(2, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable('--(0|)', { 0: 0 });
    }),
  );

  it(
    'no answer to whether it is done: asked again as long as it holds',
    marbles((m) => {
      const silent = new BackendError('no answer', { retryable: true });
      let isSilent = true;
      let reads = 0;
      const server = openServer(m, 0, (memory) => {
        const { markers } = memory;
        if (!markers) return memory;
        const read: typeof markers.read = (...args) =>
          defer(() => ((reads += 1) > 1 && isSilent ? throwError(() => silent) : markers.read(...args)));
        return { ...memory, markers: { ...markers, read } };
      });
      const a = server.client(TIMES);
      atFrame(m, 5, () => (isSilent = false));
      m.expect(turn$(a), '^----------!').toBeObservable('-----h');
    }),
  );

  it(
    'its signal ends it before it is known whether it is done, also where the reason is the loss of a lock',
    marbles((m) => {
      const lost = new LockLostError({ key: 'other', reason: 'expired', fencingToken: 7n });
      const server = openServer(m, 0, (memory) => reading(memory, [undefined, 'silence']));
      const a = server.client(TIMES);
      const stop = new AbortController();
      m.expect(onceOf(a).turn$({ signal: stop.signal }), '^ 30ms !').toBeObservable('---#', undefined, lost);
      atFrame(m, 3, () => stop.abort(lost));
    }),
  );

  it(
    'lost before it is known whether it is done: it waits again',
    marbles((m) => {
      const server = openServer(m, 0, (memory) => reading(memory, [undefined, 'silence', 'silence']));
      m.expect(turn$(server.client(TIMES)), '^ 30ms !').toBeObservable('-----h');
      atFrame(m, 1, () => server.deleteFirst('k'));
    }),
  );

  it(
    'the signal of its wait ends it before it is known whether it is done, and the lock is given back',
    marbles((m) => {
      const server = openServer(m, 0, (memory) => reading(memory, [undefined, 'silence', 'silence']));
      const [a, b] = [server.client(TIMES), server.client({ ...TIMES, owner: 'b' })];
      const stop = new AbortController();
      m.expect(turn$(a, { waitSignal: stop.signal }), '^ 30ms !').toBeObservable('-#', undefined, 'no');
      const held$ = b
        .mutex('k')
        .lock$()
        .pipe(map(({ status }) => status));
      m.expect(held$, '--^ 5ms !').toBeObservable('--h', { h: 'held' });
      atFrame(m, 1, () => stop.abort('no'));
    }),
  );

  it(
    'the signal of its wait does nothing once its user knows that it is held',
    marbles((m) => {
      const stop = new AbortController();
      const a = openServer(m).client(TIMES);
      m.expect(turn$(a, { waitSignal: stop.signal }), '^ 30ms !').toBeObservable('h');
      atFrame(m, 1, () => stop.abort('no'));
    }),
  );

  it.each([
    [4, 'waits on', '-'],
    [5, 'is told so', '----#'],
  ])('who could not be told who holds, %d times in a row, %s', (times, _, marble) => {
    marbles((m) => {
      const broken = new BackendError('no answer', { retryable: true });
      let left = times;
      const server = openServer(m, 0, (memory) => ({
        ...memory,
        enqueue: () => NEVER,
        queue: (...args) => defer(() => ((left -= 1) >= 0 ? throwError(() => broken) : memory.queue(...args))),
      }));
      const a = server.client(TIMES);
      m.expect(turn$(a), '^--------!').toBeObservable(marble, undefined, 'BACKEND');
      m.expect(turn$(a), '^--------!').toBeObservable(marble, undefined, 'BACKEND');
    })();
  });

  it(
    'where the marker cannot be followed, it waits, and asks once it holds',
    marbles((m) => {
      const refused = new BackendError('no right to watch', { retryable: false });
      const server = openServer(m, 0, (memory) => {
        const { markers } = memory;
        return markers ? { ...memory, markers: { ...markers, follow: () => throwError(() => refused) } } : memory;
      });
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      m.expect(runOnce(onceOf(x), () => m.cold('---A|'))).toBeObservable('---A|');
      m.expect(turn$(a), '-^').toBeObservable('-1--(d|)');
    }),
  );

  it(
    'who holds is asked to give it back',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      m.expect(asked$(a), '^------!').toBeObservable('----r', { r: 'update' });
      atFrame(m, 3, () => void onceOf(x).lock.revoke({ reason: 'update' }));
    }),
  );

  it(
    'who holds is told at once what it was asked before its user could hear',
    marbles((m) => {
      const server = openServer(m, 0, (memory) => reading(memory, [undefined, 'silence', 'silence']));
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      m.expect(asked$(a), '^------!').toBeObservable('------r', { r: 'update' });
      atFrame(m, 1, () => void onceOf(x).lock.revoke({ reason: 'update' }));
    }),
  );

  it(
    'its held lock stands for the claim on the server',
    marbles((m) => {
      const a = openServer(m).client(TIMES);
      const claims$ = onceOf(a)
        .turn$()
        .pipe(
          map((state) =>
            state.status === 'held' ? serverClaimsOf(state.held).map(({ key, id }) => [key, typeof id]) : [],
          ),
        );
      m.expect(claims$, '^-!').toBeObservable('c', { c: [['k', 'string']] });
    }),
  );
});
