import { describe, expect, it } from '@jest/globals';
import {
  NEVER,
  Observable,
  Subject,
  concat,
  defer,
  filter,
  from,
  map,
  materialize,
  merge,
  of,
  throwError,
  timer,
} from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../src/backends/memory/index.js';
import {
  BackendError,
  InvalidOptionError,
  RunFailedError,
  RunResultError,
  createLocks,
  shareAcross,
} from '../../src/index.js';
import type { Election, Leader, Locks } from '../../src/index.js';
import { lockServer } from '../../src/testing/index.js';
import { SLOW, TIMES, atFrame, codes, openServer, serverOf } from '../support/marbles.js';
import { onEachNetwork } from '../support/networks.js';
import type { TestScheduler } from 'rxjs/testing';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const across = <T>(locks: Locks, source$: Observable<T>, scheduler: TestScheduler): Observable<T> =>
  source$.pipe(shareAcross(locks.election('e'), { scheduler }));

onEachNetwork('shareAcross', () => {
  it(
    'one subscribes to the source, all get its values; it goes, the next one subscribes',
    marbles((m) => {
      const server = serverOf(m);
      const [first, second] = [m.cold('A--B--C--D'), m.cold('                      -E')];
      m.expect(across(server.client(TIMES), first, m.scheduler), '  ^-------!').toBeObservable('A--B--C--');
      m.expect(across(server.client(TIMES), second, m.scheduler), ' -^----------!').toBeObservable('-A-B--C--E--');
      m.expect(first).toHaveSubscriptions('                         ^-------!');
      m.expect(second).toHaveSubscriptions('                        --------^---!');
    }),
  );

  it(
    'who comes late gets the latest value at once',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(across(server.client(TIMES), m.cold('A--B'), m.scheduler), '^-------!').toBeObservable('A--B-----');
      m.expect(across(server.client(TIMES), m.cold('-'), m.scheduler), '----^--!').toBeObservable('----B');
    }),
  );

  it(
    'of a burst each gets the latest: what comes while another is on its way is passed over',
    marbles((m) => {
      const server = serverOf(m, { latency: 1 });
      // Granted at 2, leads at 4. Said at 4, 6, 8 and heard a frame later.
      const source = m.cold('               abcde--f');
      m.expect(across(server.client(SLOW), source, m.scheduler), '^-------------!').toBeObservable('------a-c-e--f');
    }),
  );

  it(
    'completion travels, with the last value',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(across(server.client(TIMES), m.cold('A--(B|)'), m.scheduler)).toBeObservable('   A--(B|)');
      m.expect(across(server.client(TIMES), m.cold('-'), m.scheduler), '-^').toBeObservable('   -A-(B|)');
    }),
  );

  it(
    'an error travels: the leader gets it as it is, the others its message',
    marbles((m) => {
      const server = serverOf(m);
      const failing$ = m.cold('A--#', undefined, new Error('no feed'));
      m.expect(across(server.client({ ...TIMES, owner: 'a' }), failing$, m.scheduler)).toBeObservable(
        'A--#',
        undefined,
        new Error('no feed'),
      );
      const told$ = across(server.client(TIMES), m.cold('-'), m.scheduler).pipe(
        materialize(),
        map((event) => {
          if (event.kind !== 'E') return 'n';
          expect(event.error).toBeInstanceOf(RunFailedError);
          expect(event.error).toMatchObject({ key: 'e', by: 'a', reason: 'no feed' });
          return 'e';
        }),
      );
      m.expect(told$, '-^').toBeObservable('-n-(e|)');
    }),
  );

  it(
    'who cannot hear of the end is waited for until the lease would have run out, then begins anew',
    marbles((m) => {
      const server = serverOf(m);
      const deaf = server.client(TIMES);
      m.expect(across(server.client(TIMES), m.cold('A--|'), m.scheduler)).toBeObservable('A---------|');
      m.expect(across(deaf, m.cold('B|'), m.scheduler), '-^ 40ms !').toBeObservable('-A', undefined);
      atFrame(m, 2, () => deaf.network.partition());
    }),
  );

  it(
    'its leader loses its lease: the next one subscribes, and who led gets the values of that',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const [first, second] = [m.cold('A--B------------C---'), m.cold('-D-----------E')];
      const lost = across(a, first, m.scheduler);
      m.expect(lost, '^ 29ms !').toBeObservable('A--B-----------------D---E');
      m.expect(across(server.client(TIMES), second, m.scheduler), '-^ 38ms !').toBeObservable('-A-B 9ms D 11ms E');
      atFrame(m, 4, () => a.network.partition());
      atFrame(m, 20, () => a.network.heal());
    }),
  );

  it(
    'what JSON would change ends it: a RunResultError at the leader, a RunFailedError at the others',
    marbles((m) => {
      const server = serverOf(m);
      const wrong$ = across(server.client(TIMES), of({ at: new Date() }), m.scheduler).pipe(
        materialize(),
        map((event) => (event.kind === 'E' && event.error instanceof RunResultError ? 'r' : event.kind)),
      );
      m.expect(wrong$).toBeObservable('(r|)');
    }),
  );

  it(
    'a source that throws at its subscription, and unsubscribing at once',
    marbles((m) => {
      const server = serverOf(m);
      const throws$ = defer((): Observable<string> => {
        throw new Error('no source');
      });
      m.expect(across(server.client(TIMES), throws$, m.scheduler)).toBeObservable(
        '#',
        undefined,
        new Error('no source'),
      );
      m.expect(across(server.client(TIMES), m.cold('A'), m.scheduler), '(^!)').toBeObservable('-');
    }),
  );

  it(
    'ends with close() and with its signal',
    marbles((m) => {
      const server = serverOf(m);
      const locks = server.client(TIMES);
      m.expect(across(locks, m.cold('A'), m.scheduler).pipe(codes())).toBeObservable('A--#', undefined, 'LOCKS_CLOSED');
      atFrame(m, 3, () => void locks.close());
      const stop = new AbortController();
      const other$ = m
        .cold('B')
        .pipe(shareAcross(server.client(TIMES).election('f'), { scheduler: m.scheduler, signal: stop.signal }));
      m.expect(other$).toBeObservable('B-#', undefined, 'enough');
      atFrame(m, 2, () => stop.abort('enough'));
    }),
  );

  it('refuses at the call what is no election', () => {
    marbles((m) => {
      const locks = serverOf(m).client(TIMES);
      expect(() => shareAcross(locks.mutex('k') as never)).toThrow(InvalidOptionError);
      expect(() => shareAcross(locks.election('e'), { wait: 1 } as never)).toThrow(/wait/);
      const stop = new AbortController();
      expect(() => shareAcross(locks.election('e'), { signal: stop } as never)).toThrow(
        /signal.*this is an AbortController, give its `signal`\.$/,
      );
    })();
  });

  it(
    'what JSON would change is told to the others with its objection, and the source is left at once',
    marbles((m) => {
      const server = serverOf(m);
      const rest = m.cold('x');
      const left: number[] = [];
      const wrong$ = new Observable<unknown>((subscriber) => {
        subscriber.next('A');
        m.scheduler.schedule(() => {
          subscriber.next({ at: new Date(0) });
          subscriber.next('never shared');
          subscriber.error(new Error('never told'));
        }, 3);
        return () => left.push(m.scheduler.now());
      });
      const ends = (source$: Observable<unknown>) => source$.pipe(materialize());
      const errors: unknown[] = [];
      const ended = (source$: Observable<unknown>) =>
        ends(source$).pipe(
          map((event) => {
            if (event.kind === 'E') errors.push(event.error);
            return event.kind === 'N' ? event.value : event.kind;
          }),
        );
      m.expect(ended(across(server.client({ ...TIMES, owner: 'a' }), wrong$, m.scheduler))).toBeObservable('A--(E|)');
      m.expect(ended(across<unknown>(server.client(TIMES), rest, m.scheduler)), '-^').toBeObservable('-A-(E|)');
      atFrame(m, 5, () => {
        expect(left.map(Math.floor)).toEqual([3]);
        const [told, own] = errors as [RunFailedError, RunResultError];
        expect(own).toBeInstanceOf(RunResultError);
        expect(told).toBeInstanceOf(RunFailedError);
        expect(told).toMatchObject({ key: 'e', by: 'a', reason: own.message });
      });
      m.expect(rest).toHaveSubscriptions([]);
    }),
  );

  it(
    'of a burst that holds what JSON would change, nothing after it is shared',
    marbles((m) => {
      const server = serverOf(m);
      const burst$ = concat(from<unknown[]>(['A', { at: new Date(0) }, 'B']), m.cold<unknown>('-'));
      const kinds$ = across(server.client(TIMES), burst$, m.scheduler).pipe(
        materialize(),
        map((event) => (event.kind === 'N' ? event.value : event.kind)),
      );
      m.expect(kinds$).toBeObservable('(AE|)');
    }),
  );

  it(
    'a candidate that shares nothing is not heard',
    marbles((m) => {
      const server = serverOf(m);
      const led = server.client(TIMES).election('e').campaign$('{"value":1}');
      m.expect(led.pipe(map(() => 'h')), '^----!').toBeObservable('h----');
      m.expect(across(server.client(TIMES), m.cold('B'), m.scheduler), '-^----!').toBeObservable('-----B');
    }),
  );

  it(
    'a server that refuses a value for good ends it at the leader',
    marbles((m) => {
      const { scheduler } = m;
      const refused = new BackendError('refused', { retryable: false });
      const proclaim = () => throwError(() => refused);
      const locks = createLocks({ ...memoryBackend({ scheduler }), proclaim }, { ...TIMES, scheduler });
      m.expect(across(locks, m.cold('-A'), scheduler)).toBeObservable('-#', undefined, refused);
    }),
  );

  it(
    'a leader whose claim is gone leads anew, and its subscriber sees no end',
    marbles((m) => {
      const server = serverOf(m);
      const { scheduler } = m;
      atFrame(m, 3, () => server.expire('e'));
      const source = m.cold('A--B--C');
      m.expect(across(server.client(TIMES), source, scheduler), '^ 60ms !').toBeObservable('A 52ms A--B--C');
    }),
  );
});

describe('what shareAcross writes', () => {
  /** What another client reads at the election while the source runs. */
  const written = (m: Marbles, source$: Observable<unknown>): unknown[] => {
    const server = lockServer(m.scheduler);
    const read: unknown[] = [];
    const reader = server.client(TIMES);
    const reading = reader.election('e').leader$.subscribe((now) => read.push(now.status === 'led' && now.value));
    const writer = server.client({ ...TIMES, owner: 'a' });
    atFrame(m, 1, () => {
      reading.add(across(writer, source$, m.scheduler).subscribe({ error: () => undefined }));
    });
    atFrame(m, 9, () => {
      reading.unsubscribe();
      void reader.close();
      void writer.close();
    });
    m.flush();
    return read.filter((one) => one !== false);
  };
  const at0 = '{"rxlock":"shared","number":0,"by":""}';

  it.each<[string, string, Error | undefined, string[]]>([
    ['a value', '-A', undefined, ['{"rxlock":"shared","number":1,"by":"a","value":"A"}']],
    [
      'the end',
      '-A|',
      undefined,
      [
        '{"rxlock":"shared","number":1,"by":"a","value":"A"}',
        '{"rxlock":"shared","number":1,"by":"a","end":{"type":"completed"},"value":"A"}',
      ],
    ],
    [
      'an error',
      '-#',
      new Error('no feed'),
      ['{"rxlock":"shared","number":0,"by":"a","end":{"type":"failed","reason":"no feed"}}'],
    ],
  ])('is what other versions read: nothing at first, then %s', (_, diagram, error, told) => {
    marbles((m) => {
      expect(written(m, m.cold(diagram, undefined, error))).toEqual([at0, ...told]);
    })();
  });

  it(
    'of a value that JSON would change is the objection',
    marbles((m) => {
      const source$ = m.cold('-A', { A: { at: new Date(0) } });
      const [first, second, ...others] = written(m, source$);
      expect([first, others]).toEqual([at0, []]);
      expect(JSON.parse(String(second))).toEqual({
        ...{ rxlock: 'shared', number: 0, by: 'a' },
        end: { type: 'failed', reason: expect.stringContaining('at') },
      });
    }),
  );

  it(
    'of a burst is nothing that comes after what JSON would change, however long a write takes',
    marbles((m) => {
      const server = lockServer(m.scheduler, { latency: 1 });
      const burst$ = from<unknown[]>(['A', { at: new Date(0) }, 'B']);
      const kinds = map((event: { kind: string; value?: unknown }) => (event.kind === 'N' ? event.value : event.kind));
      const leading$ = across(server.client(SLOW), concat(burst$, NEVER), m.scheduler).pipe(materialize(), kinds);
      const hearing$ = across<unknown>(server.client(SLOW), m.cold('-'), m.scheduler).pipe(materialize(), kinds);
      const [led, heard]: [unknown[], unknown[]] = [[], []];
      const both = leading$.subscribe((one) => led.push(one));
      both.add(hearing$.subscribe((one) => heard.push(one)));
      atFrame(m, 60, () => both.unsubscribe());
      m.flush();
      expect([led, heard]).toEqual([
        ['A', 'E'],
        ['A', 'E'],
      ]);
    }),
  );
});

describe('who shares across', () => {
  const electionOf = (locks: Locks, leader$: Observable<Leader>): Election => {
    const real = locks.election('e');
    return {
      name: real.name,
      leader$,
      campaign$: (value, options) => real.campaign$(value, options),
      candidate: (value) => real.candidate(value),
      proclaim: (value) => real.proclaim(value),
      proclaim$: (value) => real.proclaim$(value),
    };
  };
  const led = (fencingToken: bigint, more: object): Leader => ({
    status: 'led',
    key: 'e',
    fencingToken,
    value: JSON.stringify({ rxlock: 'shared', by: 'a', ...more }),
    toJSON: () => null,
  });

  it(
    'finds the end there and does not contend: its source is not run again',
    marbles((m) => {
      const server = openServer(m);
      const deaf = server.client(TIMES);
      m.expect(across(server.client(TIMES), m.cold('A--|'), m.scheduler)).toBeObservable('A---------|');
      m.expect(across(deaf, m.cold('-'), m.scheduler), '-^---------!').toBeObservable('-A');
      atFrame(m, 2, () => deaf.network.partition());
      const entered$ = server.requests$.pipe(filter((request) => request === 'e'));
      m.expect(entered$, '---^----!').toBeObservable('-');
      const source = m.cold('B');
      m.expect(across(server.client(TIMES), source, m.scheduler), '-----^').toBeObservable('-----(A|)');
      m.expect(source).toHaveSubscriptions([]);
    }),
  );

  it(
    'is not ended by the end that an older leader wrote, when that is told late',
    marbles((m) => {
      const leaders = new Subject<Leader>();
      const holder = lockServer(m.scheduler).client(TIMES);
      const told: unknown[] = [];
      const hearing = m
        .cold('-')
        .pipe(shareAcross(electionOf(holder, leaders), { scheduler: m.scheduler, signal: undefined }))
        .pipe(materialize())
        .subscribe((event) => told.push(event.kind === 'N' ? event.value : event.kind));
      leaders.next(led(15n, { number: 1, value: 'new' }));
      leaders.next(led(13n, { number: 7, value: 'old', end: { type: 'completed' } }));
      leaders.next(led(13n, { number: 7, value: 'old', end: { type: 'failed', reason: 'old' } }));
      expect(told).toEqual(['new']);
      leaders.next(led(15n, { number: 2, value: 'newer', end: { type: 'completed' } }));
      expect(told).toEqual(['new', 'newer', 'C']);
      hearing.unsubscribe();
      m.flush();
    }),
  );

  it(
    'and leads gets its own values as they are once they are written, though nothing is told of who leads',
    marbles((m) => {
      const locks = lockServer(m.scheduler).client(TIMES);
      const values = [{ n: 1 }, { n: 2 }, { n: 3 }];
      const told: unknown[] = [];
      const leading = merge(from(values), NEVER)
        .pipe(shareAcross(electionOf(locks, NEVER), { scheduler: m.scheduler }))
        .subscribe((value) => told.push(value));
      expect(told).toHaveLength(3);
      for (const [i, value] of values.entries()) expect(told[i]).toBe(value);
      leading.unsubscribe();
      m.flush();
    }),
  );

  it(
    'and led, and stood still until its lease was over, leads anew: what it said meanwhile is no error',
    marbles((m) => {
      const server = lockServer(m.scheduler);
      const a = server.client(TIMES);
      let runs = 0;
      const source$ = defer(() => {
        runs += 1;
        const run = String(runs);
        return concat(of(`A${run}`), timer(3, a.scheduler).pipe(map(() => `B${run}`)), NEVER);
      });
      const told: unknown[] = [];
      const leading = across(a, source$, m.scheduler)
        .pipe(materialize())
        .subscribe((event) => told.push(event.kind === 'N' ? event.value : event.kind));
      atFrame(m, 2, () => a.pauseClient(30));
      atFrame(m, 150, () => leading.unsubscribe());
      m.flush();
      expect(told).toEqual(['A1', 'A2', 'B2']);
    }),
  );
});
