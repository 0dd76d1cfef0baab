/**
 * Many in one `Locks` who want the turn of one key: one of them contends, the others wait beside it.
 */
import { describe, expect, it } from '@jest/globals';
import type { Observable } from 'rxjs';
import { EMPTY, Subscription, catchError, ignoreElements, map, merge, mergeMap, take, throwError, timer } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { marbles } from 'rxjs-marbles/jest';
import { runOnce } from '../../../src/index.js';
import type { Locks, Once, OnceState, RunOptions } from '../../../src/index.js';
import { TIMES, atFrame, codes, openServer } from '../../support/marbles.js';

const onceOf = (locks: Locks): Once<string> => locks.once<string>('k', { keep: 100 });

/** How many are ahead, `h` for our turn, `d` for done. */
const told = (state: OnceState<string>): string =>
  state.status === 'waiting' ? String(state.ahead) : state.status === 'held' ? 'h' : 'd';

const turn$ = (locks: Locks, options?: RunOptions): Observable<string> =>
  onceOf(locks).turn$(options).pipe(map(told), codes());

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
});
