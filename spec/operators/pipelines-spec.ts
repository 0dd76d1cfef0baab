/**
 * Locks among other operators, and consumers that throw.
 */
import { afterEach, expect, it } from '@jest/globals';
import {
  EMPTY,
  NEVER,
  Subject,
  catchError,
  concatMap,
  config,
  exhaustMap,
  map,
  mergeMap,
  share,
  tap,
  throwError,
} from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { AlreadyLockedError, usingLock, withLock } from '../../src/index.js';
import { SLOW, TIMES, atFrame, codes, events, letters, seen, serverOf } from '../support/marbles.js';
import { onEachNetwork } from '../support/networks.js';

onEachNetwork('withLock inside', () => {
  it(
    'concatMap runs one after another, whatever their keys: the next asks when the one before has been released',
    marbles((m) => {
      const client = serverOf(m, { latency: 1 }).client(SLOW);
      const keys = m.cold<string>('  (kl|)');
      const task = m.cold('              x--y|');
      // The first lock takes four frames, the second, on the same lease, two; each release two.
      const result = '           ----x--y----x--y--|';
      const subscriptions = ['                        ----^---!', '                        ------------^---!'];
      m.expect(keys.pipe(concatMap((key) => task.pipe(withLock(client.mutex(key)))))).toBeObservable(result);
      m.expect(task).toHaveSubscriptions(subscriptions);
    }),
  );

  it(
    'exhaustMap with wait 0 drops what comes while one runs, here or elsewhere',
    marbles((m) => {
      const server = serverOf(m);
      const [here, elsewhere] = [server.client(TIMES), server.client(TIMES)];
      const ticks = m.hot('    -t--t--t--t--t--|');
      const task = m.cold('     x--y|           ');
      const other = '          --------^---!    ';
      const result = '         -x--y--x--y--x--y|';
      const run$ = ticks.pipe(
        exhaustMap(() =>
          task.pipe(
            withLock(here.mutex('k'), { wait: 0 }),
            catchError((error: unknown) => (error instanceof AlreadyLockedError ? EMPTY : throwError(() => error))),
          ),
        ),
      );
      m.expect(run$).toBeObservable(result);
      m.expect(letters(elsewhere.mutex('k').lock$()), other).toBeObservable('--------w--h-');
    }),
  );

  it(
    'mergeMap whose source has completed goes on until the last body has ended',
    marbles((m) => {
      const server = serverOf(m);
      const keys = m.cold<string>('  k|');
      const run$ = keys.pipe(mergeMap((key) => NEVER.pipe(withLock(server.client(TIMES).mutex(key)))));
      m.expect(run$, '            ^---------------!').toBeObservable('-');
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), '^-----------------!').toBeObservable(
        '(fh)------------f-',
      );
    }),
  );

  it(
    'share is one lock for all who subscribe, released when the last of them leaves',
    marbles((m) => {
      const server = serverOf(m);
      const source = m.cold('  a--b--c--d');
      const shared$ = source.pipe(withLock(server.client(TIMES).mutex('k')), share());
      m.expect(shared$, '      ^---!').toBeObservable('    a--b-');
      m.expect(shared$, '      --^------!').toBeObservable('---b--c--');
      m.expect(source).toHaveSubscriptions('^--------!');
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), '-^---------!').toBeObservable('-h-------f-');
    }),
  );

  it(
    'a body that holds the same lock waits for itself: `wait` ends that, and the outer lock is released',
    marbles((m) => {
      const server = serverOf(m);
      const lock = server.client(TIMES).mutex('k');
      const inner = m.cold('   a|');
      const nested$ = inner.pipe(withLock(lock, { wait: 3 }), withLock(lock), codes());
      m.expect(nested$).toBeObservable('---#', undefined, 'LOCK_TIMEOUT');
      m.expect(inner).toHaveSubscriptions([]);
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), '-^----!').toBeObservable('-h-(hf)-');
    }),
  );

  it(
    'a source that fails keeps its error when its release cannot be acknowledged either',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 2, () => a.network.partition());
      const source = m.cold('  a--#', undefined, 'mine');
      m.expect(source.pipe(withLock(a.mutex('k')))).toBeObservable('a---------#', undefined, 'mine');
    }),
  );

  it(
    'a release under way goes on when nobody waits for it any more',
    marbles((m) => {
      const server = serverOf(m, { latency: 1 });
      const source = m.cold('       a-|');
      const subscribed = '      ^------!'; // held at 4, done at 6, acknowledged at 8
      m.expect(source.pipe(withLock(server.client(SLOW).mutex('k'))), subscribed).toBeObservable('----a---');
      const next = '            -----------h--';
      m.expect(letters(server.client(SLOW).mutex('k').lock$({ wait: 0 })), '-------^-----!').toBeObservable(next);
    }),
  );

  it(
    'what a source emits in the very frame of the deadline does not get through',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 1, () => a.network.partition());
      const source = m.cold('  a--b-----cd');
      const result = '         a--b-----c#';
      m.expect(source.pipe(withLock(a.mutex('k')), codes())).toBeObservable(result, undefined, 'LOCK_LOST expired');
    }),
  );
});

onEachNetwork('held.renewals$', () => {
  it(
    'completes when the release begins, errors with the loss',
    marbles((m) => {
      const server = serverOf(m);
      const [a, b] = [server.client(TIMES), server.client(TIMES)];
      const [released, lost] = [new Subject<string>(), new Subject<string>()];
      const follow = (client: typeof a, key: string, told: Subject<string>) =>
        usingLock(client.mutex(key), (held) => {
          held.renewals$
            .pipe(
              map(({ count }) => String(count)),
              codes(),
            )
            .subscribe(told);
          return NEVER;
        });
      atFrame(m, 5, () => b.network.partition());
      m.expect(released).toBeObservable('----1---2-|');
      m.expect(lost).toBeObservable('----1---------#', undefined, 'LOCK_LOST expired');
      m.expect(follow(a, 'k', released), '^---------!').toBeObservable('-');
      m.expect(follow(b, 'l', lost).pipe(codes())).toBeObservable('--------------#', undefined, 'LOCK_LOST expired');
    }),
  );
});

onEachNetwork('a consumer that throws', () => {
  const { onUnhandledError } = config;
  afterEach(() => {
    config.onUnhandledError = onUnhandledError;
  });

  it(
    'in an operator ends its own stream: the lock is released, the next one holds',
    marbles((m) => {
      const server = serverOf(m);
      const source = m.cold<string>('  a--b--c');
      const thrown$ = source.pipe(
        withLock(server.client(TIMES).mutex('k')),
        tap((value) => {
          if (value === 'b') throw new Error('in the consumer');
        }),
      );
      m.expect(thrown$).toBeObservable('a--#', undefined, new Error('in the consumer'));
      m.expect(source).toHaveSubscriptions('^--!');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^----!').toBeObservable('-w-h---');
    }),
  );

  it(
    'in a next is reported by RxJS, and harms neither its lock nor what others are told',
    marbles((m) => {
      const reported: unknown[] = [];
      config.onUnhandledError = (error: unknown) => void reported.push(error);
      const server = serverOf(m);
      const a = server.client(TIMES);
      const fail = (): void => {
        throw new Error('in next');
      };
      a.events$.subscribe(fail);
      a.mutex('k').ownership$().subscribe(fail);
      const held = a.mutex('k').lock$().subscribe(fail);
      atFrame(m, 18, () => held.unsubscribe());
      m.expect(events(a.events$, { renewed: 'r', released: 'x', lost: 'L' }), '^------------------!').toBeObservable(
        '----r---r---r---r-x',
      );
      atFrame(m, 30, () => void a.close());
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^-------------------!').toBeObservable(
        '-w----------------h--',
      );
      m.flush();
      expect(reported.length).toBeGreaterThan(3);
      expect(new Set(reported.map(String))).toEqual(new Set(['Error: in next']));
    }),
  );
});
