import { describe, expect, it } from '@jest/globals';
import type { Observable } from 'rxjs';
import {
  NEVER,
  defer,
  delayWhen,
  finalize,
  ignoreElements,
  lastValueFrom,
  map,
  materialize,
  merge,
  mergeMap,
  of,
  take,
  throwError,
  timer,
} from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { marbles } from 'rxjs-marbles/jest';
import {
  InvalidOptionError,
  LockNotOwnedError,
  RunFailedError,
  RunResultError,
  createLocks,
  runOnce,
} from '../../src/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import type { Locks, MarkResult, Once } from '../../src/index.js';
import { SLOW, TIMES, atFrame, codes, openServer, serverOf } from '../support/marbles.js';
import { onEachNetwork } from '../support/networks.js';

const KEEP = 30;

const onceOf = (locks: Locks, keep = KEEP): Once<string> => locks.once<string>('k', { keep });

/** Bodies that count how often they were begun and how often they came to their end. */
function counted(scheduler: TestScheduler) {
  const runs = { begun: 0, ended: 0 };
  const body = (value: string, ms: number): Observable<string> =>
    defer(() => {
      runs.begun += 1;
      return timer(ms, scheduler).pipe(
        map(() => value),
        finalize(() => undefined),
      );
    });
  return { runs, body };
}

onEachNetwork('runOnce', () => {
  it(
    'one runs, the other gets its last value without running; a late one gets it at once',
    marbles((m) => {
      const server = serverOf(m);
      const run = m.cold('                        r--A|');
      const never = m.cold('                      -');
      const a$ = runOnce(onceOf(server.client(TIMES)), () => run);
      const b$ = runOnce(onceOf(server.client(TIMES)), () => never);
      const c$ = runOnce(onceOf(server.client(TIMES)), () => never);
      m.expect(a$, '---^').toBeObservable('       ---r--A|');
      m.expect(b$, '----^').toBeObservable('      -------(A|)');
      m.expect(c$, '-----------^').toBeObservable('-----------(A|)');
      m.expect(run).toHaveSubscriptions('         ---^---!');
      m.expect(never).toHaveSubscriptions([]);
    }),
  );

  it(
    'the marker is kept no more: it is run again',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(runOnce(onceOf(server.client(TIMES)), () => m.cold('A|'))).toBeObservable('A|');
      const again$ = (ms: number) =>
        timer(ms, m.scheduler).pipe(mergeMap(() => runOnce(onceOf(server.client(TIMES)), () => m.cold('B|'))));
      m.expect(again$(30)).toBeObservable('30ms (A|)');
      m.expect(again$(32)).toBeObservable('32ms B|');
    }),
  );

  it(
    'it emits nothing: the others complete without a value; several: they get the last',
    marbles((m) => {
      const server = serverOf(m);
      const run = (key: string, locks: Locks, body$: Observable<string>) =>
        runOnce(locks.once<string>(key, { keep: KEEP }), () => body$);
      m.expect(run('none', server.client(TIMES), m.cold('  ---|'))).toBeObservable('---|');
      m.expect(run('none', server.client(TIMES), m.cold('  A|')), '-^').toBeObservable('---|');
      m.expect(run('many', server.client(TIMES), m.cold('  a-b|'))).toBeObservable('a-b|');
      m.expect(run('many', server.client(TIMES), m.cold('  A|')), '-^').toBeObservable('---(b|)');
    }),
  );

  it(
    'it fails: the runner gets the error, the next one runs it',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(runOnce(onceOf(server.client(TIMES)), () => m.cold('r-#'))).toBeObservable('r-#');
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => m.cold('--B|')),
        '-^',
      ).toBeObservable('----B|');
      const late$ = runOnce(onceOf(server.client(TIMES)), () => {
        throw new Error('not reached');
      });
      m.expect(late$, '---^').toBeObservable('-----(B|)');
    }),
  );

  it(
    "failures: 'count': a failure is done, the others get a RunFailedError that says why",
    marbles((m) => {
      const server = serverOf(m);
      const options = { failures: 'count' } as const;
      const [a, b] = [server.client({ ...TIMES, owner: 'a' }), server.client(TIMES)];
      const failing$ = timer(2, m.scheduler).pipe(mergeMap(() => throwError(() => new Error('no disk'))));
      const run$ = runOnce(onceOf(a), () => failing$, options);
      m.expect(run$).toBeObservable('--#', undefined, new Error('no disk'));
      const failures$ = runOnce(onceOf(b), () => of('x')).pipe(
        materialize(),
        map((end) => {
          expect(end.kind === 'E' && end.error).toBeInstanceOf(RunFailedError);
          expect(end.kind === 'E' && end.error).toMatchObject({ by: 'a', reason: 'no disk', key: 'k' });
          return 'f';
        }),
      );
      m.expect(failures$, '-^').toBeObservable('--(f|)');
    }),
  );

  it(
    "onBusy: 'skip': completes without a value while another one runs it, and has the value once it is done",
    marbles((m) => {
      const server = serverOf(m);
      const skip = { onBusy: 'skip' } as const;
      m.expect(runOnce(onceOf(server.client(TIMES)), () => m.cold('---A|'))).toBeObservable('---A|');
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => NEVER, skip),
        '-^',
      ).toBeObservable('-|');
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => NEVER, skip),
        '-----^',
      ).toBeObservable('-----(A|)');
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => NEVER, { ...skip, wait: 2 }),
        '-^',
      ).toBeObservable('---|');
    }),
  );

  it(
    'wait: the time to wait for a result, then a LockTimeoutError',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => NEVER),
        '^----------!',
      ).toBeObservable('-');
      const late$ = runOnce(onceOf(server.client(TIMES)), () => NEVER, { wait: 4 }).pipe(codes());
      m.expect(late$, '-^').toBeObservable('-----#', undefined, 'LOCK_TIMEOUT');
      const busy$ = runOnce(onceOf(server.client(TIMES)), () => NEVER, { wait: 0 }).pipe(codes());
      m.expect(busy$, '-^').toBeObservable('-#', undefined, 'ALREADY_LOCKED');
    }),
  );

  it(
    'unsubscribed: the run is stopped, it is not done, the next one runs it',
    marbles((m) => {
      const server = serverOf(m);
      const run = m.cold('                     r-----A|');
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => run),
        '^--!',
      ).toBeObservable('r---');
      m.expect(run).toHaveSubscriptions('      ^--!');
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => m.cold('--B|')),
        '-^',
      ).toBeObservable('-----B|');
    }),
  );

  it(
    'never: it holds on, and ends with its signal',
    marbles((m) => {
      const server = serverOf(m);
      const stop = new AbortController();
      const never$ = runOnce(onceOf(server.client(TIMES)), () => NEVER, { signal: stop.signal });
      m.expect(never$).toBeObservable('---#', undefined, 'too long');
      atFrame(m, 3, () => stop.abort('too long'));
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => m.cold('B|')),
        '-^',
      ).toBeObservable('---B|');
    }),
  );

  it(
    'never, with atMost: it is lost after that, though it counts failures, and the next one runs it',
    marbles((m) => {
      const server = serverOf(m);
      const never$ = runOnce(onceOf(server.client(TIMES)), () => m.cold('r-'), { atMost: 5, failures: 'count' });
      m.expect(never$.pipe(codes())).toBeObservable('r----#', undefined, 'LOCK_LOST overdue');
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => m.cold('--B|'), { atMost: 5 }),
        '-^',
      ).toBeObservable('-------B|');
    }),
  );

  it(
    'unsubscribed while its marker is on the way: what comes in is done, and nothing is left in the queue',
    marbles((m) => {
      const server = openServer(m, 1);
      // To read, to grant, to queue and to read again take 2 frames each: the marker is sent at 8, and there at 9.
      m.expect(
        runOnce(onceOf(server.client(SLOW)), () => of('A')),
        '^--------!',
      ).toBeObservable('--------A');
      m.expect(
        runOnce(onceOf(server.client(SLOW)), () => of('B')),
        '---^',
      ).toBeObservable('-----------(A|)');
      m.expect(timer(30, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable('30ms (n|)', { n: 0 });
    }),
  );

  it(
    'clocks late and early by half a period: each tick is run once, by whoever comes first',
    marbles((m) => {
      const server = serverOf(m);
      const PERIOD = 20;
      const { runs, body } = counted(m.scheduler);
      const instance = (offset: number): Observable<string> => {
        const locks = server.client(TIMES);
        // By its own clock it is the instant of a tick; by that of all others, half a period away.
        return timer(PERIOD + offset, PERIOD, m.scheduler).pipe(
          take(3),
          mergeMap((tick) =>
            runOnce(locks.once<string>(`t${String(tick)}`, { keep: KEEP }), () => body(String(tick), 1)),
          ),
        );
      };
      const [early, right, late] = [instance(-PERIOD / 2), instance(0), instance(PERIOD / 2)];
      m.expect(early).toBeObservable('11ms 0 19ms 1 19ms (2|)');
      m.expect(right).toBeObservable('20ms 0 19ms 1 19ms (2|)');
      m.expect(late).toBeObservable(' 30ms 0 19ms 1 19ms (2|)');
      m.scheduler.schedule(() => expect(runs.begun).toBe(3), 100);
    }),
  );

  it(
    'kept no more before who waits could hear of it: that one runs it, and does not wait for ever',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const b = server.client(TIMES);
      m.expect(runOnce(onceOf(a, 10), () => m.cold('---A|'))).toBeObservable('---A|');
      const b$ = runOnce(onceOf(b, 10), () => m.cold('B|')).pipe(delayWhen(() => timer(new Date(40), m.scheduler)));
      m.expect(b$, '-^').toBeObservable('40ms (B|)');
      atFrame(m, 2, () => b.network.partition());
      atFrame(m, 30, () => b.network.heal());
    }),
  );

  it(
    'a signal ends it also before the server has said whether it is done',
    marbles((m) => {
      const server = serverOf(m, { latency: 3 });
      const stop = new AbortController();
      m.expect(runOnce(onceOf(server.client(SLOW)), () => NEVER, { signal: stop.signal })).toBeObservable(
        '--#',
        undefined,
        'no',
      );
      m.expect(runOnce(onceOf(server.client(SLOW)), () => NEVER, { waitSignal: stop.signal })).toBeObservable(
        '--#',
        undefined,
        'no',
      );
      atFrame(m, 2, () => stop.abort('no'));
    }),
  );

  it(
    'the runner loses its lock: LockLostError after what was mirrored, and the next one runs it',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      m.expect(runOnce(onceOf(a), () => m.cold('r-------------A|')).pipe(codes())).toBeObservable(
        'r---------#',
        undefined,
        'LOCK_LOST expired',
      );
      atFrame(m, 1, () => a.network.partition());
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => m.cold('B|')),
        '-^',
      ).toBeObservable('------------B|');
    }),
  );

  it(
    'a runner whose claim was deleted a moment before writes no marker',
    marbles((m) => {
      const server = openServer(m, 1);
      const a = server.client({ ...SLOW, renewEvery: 20 });
      // To read, to grant, to queue and to read again take 2 frames each. The marker is sent at 10, and there at 11.
      const lost$ = runOnce(onceOf(a), () => m.cold('-A|')).pipe(codes());
      m.expect(lost$).toBeObservable('---------A--#', undefined, 'LOCK_LOST deleted');
      atFrame(m, 10, () => server.deleteFirst('k'));
      const b$ = runOnce(onceOf(server.client(SLOW)), () => m.cold('B|'));
      m.expect(timer(20, m.scheduler).pipe(mergeMap(() => b$))).toBeObservable('28ms B----|');
    }),
  );

  it(
    'the answer to the marker is lost: asked again, it counts as ours',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      m.expect(runOnce(onceOf(a), () => m.cold('--A|'))).toBeObservable('--A---|');
      atFrame(m, 2, () => a.network.dropNextReply());
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => NEVER),
        '-^',
      ).toBeObservable('---(A|)');
    }),
  );

  it(
    'cut off before the marker, the runner loses the lock and has done nothing that lasts',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const [first, second] = [m.cold('   -----A|'), m.cold('B|')];
      m.expect(runOnce(onceOf(a), () => first).pipe(codes())).toBeObservable(
        '-----A--------#',
        undefined,
        'LOCK_LOST expired',
      );
      atFrame(m, 5, () => a.network.partition());
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => second),
        '-^',
      ).toBeObservable('----------------B|');
    }),
  );

  it(
    'while the server cannot be asked, a wait is waited',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      a.network.refuseNext(3);
      m.expect(runOnce(onceOf(a), () => m.cold('A|'), { wait: 50 })).toBeObservable('--A|');
    }),
  );

  it(
    'held.release() ends the run: it is not done',
    marbles((m) => {
      const server = serverOf(m);
      const run$ = runOnce(onceOf(server.client(TIMES)), (held) =>
        merge(
          m.cold('a-b-c'),
          timer(3, m.scheduler).pipe(
            mergeMap(() => held.release()),
            ignoreElements(),
          ),
        ),
      );
      m.expect(run$).toBeObservable('a-b|');
      m.expect(
        runOnce(onceOf(server.client(TIMES)), () => m.cold('B|')),
        '-^',
      ).toBeObservable('---B|');
    }),
  );

  it.each<[string, unknown, RegExp]>([
    [
      'a circle',
      ((): unknown => {
        const a: unknown[] = [];
        a.push({ a });
        return a;
      })(),
      /it\[0\]\.a is a part of itself/,
    ],
    ['a bigint', { n: 1n }, /it\.n is a bigint/],
    ['undefined inside', { a: [undefined] }, /it\.a\[0\] is undefined/],
    ['a function', { f: () => 1 }, /it\.f is a function/],
    ['NaN', NaN, /it is NaN/],
    ['a Date', { at: new Date() }, /it\.at is an object of the class Date/],
    ['66 KB', 'x'.repeat(66_000), /66002 bytes of JSON, 65536 are allowed/],
  ])('%s cannot be kept for the others: a RunResultError at the runner, and not done', (_, value, message) => {
    marbles((m) => {
      const server = serverOf(m);
      const once = (): Once<unknown> => server.client(TIMES).once('k', { keep: KEEP });
      const failed$ = runOnce(once(), () => of(value)).pipe(
        materialize(),
        map((event) => {
          if (event.kind !== 'E') return event.kind;
          expect(event.error).toBeInstanceOf(RunResultError);
          expect(String(event.error)).toMatch(message);
          return 'E';
        }),
      );
      m.expect(failed$).toBeObservable('(NE|)');
      m.expect(
        runOnce(once(), () => of('B')),
        '-^',
      ).toBeObservable('-(B|)');
    })();
  });

  it('refuses at the call what cannot be meant', () => {
    marbles((m) => {
      const locks = serverOf(m).client(TIMES);
      const once = onceOf(locks);
      expect(() => runOnce(once, () => of('x'), { failures: 'stop' } as never)).toThrow(InvalidOptionError);
      expect(() => runOnce(once, 'x' as never)).toThrow(/give a function/);
      expect(() => runOnce(locks.mutex('k') as never, () => of('x'))).toThrow(/this is a lock. Give locks.once/);
      expect(() => runOnce(once, () => of('x'), { keep: 5 } as never)).toThrow(/keep/);
      expect(() => locks.once('k', {} as never)).toThrow(/give milliseconds: how long the work stays done/);
      expect(() => locks.once('k', { keep: 1e12 })).toThrow(/more than a year/);
    })();
  });

  it(
    'mark$ needs the lock of its own turn',
    marbles((m) => {
      const server = serverOf(m);
      const [a, b] = [server.client(TIMES), server.client(TIMES)];
      const foreign$ = onceOf(a)
        .turn$()
        .pipe(mergeMap((state) => (state.status === 'held' ? onceOf(b).mark$(state.held, 'x') : NEVER)));
      m.expect(foreign$).toBeObservable(
        '#',
        undefined,
        new LockNotOwnedError({
          key: 'k',
          message:
            '"k" is not held by the given lock, so it is not marked as done. Give the held lock that turn$() emitted.',
        }),
      );
    }),
  );
});

describe('a run whose lease is gone', () => {
  it('is told so when it marks, and so are the others on that lease', async () => {
    const memory = memoryBackend();
    if (!memory.markers) throw new Error('memory has markers');
    const write = (): Observable<MarkResult> => of('lease-gone');
    const locks = createLocks({ ...memory, markers: { ...memory.markers, write } });
    const beside = await locks.mutex('beside').acquire();
    const losses = [lastValueFrom(runOnce(onceOf(locks, 1000), () => of('A'))), lastValueFrom(beside.ended$)];
    for (const loss of losses) await expect(loss).rejects.toMatchObject({ name: 'LockLostError', reason: 'session' });
    await locks.close();
  });
});

describe('runOnce in a crowd', () => {
  it(
    'of a process that stood still past its deadline ends with the loss, though its work is done first on waking',
    marbles((m) => {
      const client = serverOf(m, { latency: 0, jitter: 0 }).client(TIMES);
      const run$ = runOnce(client.once('k', { keep: 60 }), () => timer(8, client.scheduler));
      atFrame(m, 5, () => client.pauseClient(20));
      m.expect(run$.pipe(ignoreElements(), codes())).toBeObservable('25ms #', undefined, 'LOCK_LOST expired');
    }),
  );

  it(
    '1,000 who wait in one Locks get the value by one watch, in one instant, and withdraw',
    marbles((m) => {
      const server = openServer(m);
      const { runs, body } = counted(m.scheduler);
      const locks = server.client(TIMES);
      const all$ = merge(...Array.from({ length: 1000 }, (_, i) => runOnce(onceOf(locks), () => body(String(i), 5))));
      let values = 0;
      const told$ = all$.pipe(
        map((value) => {
          values += 1;
          return value;
        }),
        ignoreElements(),
      );
      m.expect(told$).toBeObservable('-----|');
      m.expect(timer(6, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable('------(n|)', { n: 0 });
      m.scheduler.schedule(() => {
        expect(values).toBe(1000);
        expect(runs.begun).toBe(1);
      }, 7);
    }),
  );
});
