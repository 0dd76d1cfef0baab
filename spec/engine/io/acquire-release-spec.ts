/**
 * What is obtained is given back exactly once, however and whenever its use ends.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, defer, map, mergeMap, of, throwError, timer } from 'rxjs';
import type { Observable } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { BackendError } from '../../../src/index.js';
import { createBackground } from '../../../src/engine/io/background.js';
import { AcquireRelease } from '../../../src/engine/io/acquire-release.js';
import { createLimiter } from '../../../src/engine/io/limiter.js';
import type { Limiter } from '../../../src/engine/io/limiter.js';
import { engineOf } from '../../support/engines.js';
import { atFrame } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const lost = new BackendError('lost', { retryable: true });
const refused = new BackendError('refused', { retryable: false });

/** A bracket whose attempts go as given, and what it does, each with its frame. */
const bracketOf = (
  { scheduler }: Marbles,
  attempts: Observable<string>[],
  {
    gate = createLimiter(1),
    givenBack$ = of(0),
    use = () => undefined,
  }: { gate?: Limiter; givenBack$?: Observable<unknown>; use?: () => void } = {},
) => {
  const did: string[] = [];
  const note = (what: string): void => void did.push(`${String(scheduler.now())} ${what}`);
  const background = createBackground((error) => note(`failed ${String(error)}`));
  const bracket = new AcquireRelease<string>(engineOf(scheduler, { background, limiter: gate }), {
    what: 'try',
    timeout: 2,
    limiter: gate,
    send: () => defer(() => (note('send'), attempts.shift() ?? NEVER)),
    use: (answer) => {
      note(`use ${answer}`);
      use();
    },
    failed: (error) => note(`is told ${String(error)}`),
    stop: () => note('stop'),
    dispose(answer, isClear) {
      note(`give back ${String(answer)}, ${isClear ? 'clear' : 'not clear'}`);
      return givenBack$;
    },
    disposed: () => note('over'),
  });
  background.idle$.subscribe();
  return { bracket, background, gate, did, note };
};

const after = (ms: number, { scheduler }: Marbles): Observable<string> => timer(ms, scheduler).pipe(map(() => 'r'));

describe('a bracket', () => {
  it(
    'stops the use, then gives back what was obtained, once',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [after(1, m)]);
      bracket.begin();
      atFrame(m, 3, () => bracket.release());
      atFrame(m, 4, () => bracket.release());
      m.flush();
      expect(did).toEqual(['0 send', '1 use r', '3 stop', '3 give back r, clear', '3 over']);
    }),
  );

  it(
    'let go in its use, which began at once, gives back, too',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [of('r')], { use: () => bracket.release() });
      bracket.begin();
      expect(did).toEqual(['0 send', '0 use r', '0 stop', '0 give back r, clear', '0 over']);
    }),
  );

  it(
    'let go while the giving back is under way, does not give back again',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [of('r')], { givenBack$: after(5, m) });
      bracket.begin();
      atFrame(m, 1, () => bracket.release());
      atFrame(m, 3, () => bracket.release());
      m.flush();
      expect(did).toEqual(['0 send', '0 use r', '1 stop', '1 give back r, clear', '6 over']);
    }),
  );

  it(
    'hears out what was sent: it may have been granted',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [after(1.5, m)]);
      bracket.begin();
      atFrame(m, 1, () => bracket.release());
      m.flush();
      expect(did).toEqual(['0 send', '1 stop', '1.5 give back r, clear', '1.5 over']);
    }),
  );

  it(
    'gives back what may have been granted, though nobody said so',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [NEVER, NEVER]);
      bracket.begin();
      atFrame(m, 1, () => bracket.release());
      m.flush();
      expect(did).toEqual(['0 send', '1 stop', '2 give back undefined, not clear', '2 over']);
    }),
  );

  it(
    'knows that an earlier attempt may still arrive',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [NEVER, of('r')]);
      bracket.begin();
      atFrame(m, 4, () => bracket.release());
      m.flush();
      expect(did).toEqual(['0 send', '3 send', '3 use r', '4 stop', '4 give back r, not clear', '4 over']);
    }),
  );

  it(
    'let go in the pause between two attempts gives back at once, and does not try again',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [throwError(() => lost)]);
      bracket.begin();
      atFrame(m, 0.5, () => bracket.release());
      m.flush();
      expect(did).toEqual(['0 send', '0.5 stop', '0.5 give back undefined, not clear', '0.5 over']);
    }),
  );

  it(
    'refused for good is told so, and has nothing to give back',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [throwError(() => refused)]);
      bracket.begin();
      atFrame(m, 1, () => bracket.release());
      m.flush();
      expect(did).toEqual(['0 send', `0 is told ${String(refused)}`, '1 stop', '1 over']);
    }),
  );

  it(
    'refused for good gives back what an attempt before may have brought',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [NEVER, throwError(() => refused)]);
      bracket.begin();
      atFrame(m, 4, () => bracket.release());
      m.flush();
      expect(did).toEqual([
        '0 send',
        '3 send',
        `3 is told ${String(refused)}`,
        '4 stop',
        '4 give back undefined, not clear',
        '4 over',
      ]);
    }),
  );

  it(
    'refused after it was let go tells nobody',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [timer(1, m.scheduler).pipe(mergeMap(() => throwError(() => refused)))]);
      bracket.begin();
      atFrame(m, 0.5, () => bracket.release());
      m.flush();
      expect(did).toEqual(['0 send', '0.5 stop', '1 over']);
    }),
  );

  it(
    'that never was its turn has nothing to give back, and leaves the queue before the gate',
    marbles((m) => {
      const gate = createLimiter(1);
      gate.enter({ admitted: () => undefined });
      const { bracket, did } = bracketOf(m, [of('r')], { gate });
      bracket.begin();
      bracket.release();
      m.flush();
      expect(did).toEqual(['0 stop', '0 over']);
    }),
  );

  it(
    'says so when nothing can be given back',
    marbles((m) => {
      const { bracket, did } = bracketOf(m, [of('r')], { givenBack$: throwError(() => refused) });
      bracket.begin();
      bracket.release();
      m.flush();
      expect(did).toEqual([
        '0 send',
        '0 use r',
        '0 stop',
        '0 give back r, clear',
        `0 failed ${String(refused)}`,
        '0 over',
      ]);
    }),
  );

  it(
    'is work in the background while it gives back, which can be stopped',
    marbles((m) => {
      const { bracket, background, did, note } = bracketOf(m, [of('r')], { givenBack$: NEVER });
      bracket.begin();
      atFrame(m, 1, () => {
        bracket.release();
        background.idle$.subscribe({ complete: () => note('idle') });
      });
      atFrame(m, 3, () => background.stop());
      m.flush();
      expect(did).toEqual(['0 send', '0 use r', '1 stop', '1 give back r, clear', '3 over', '3 idle']);
    }),
  );

  it(
    'let go after the work in the background was stopped leaves what it has to its ttl',
    marbles((m) => {
      const { bracket, background, did } = bracketOf(m, [of('r')]);
      bracket.begin();
      background.stop();
      expect(background.isStopped).toBe(true);
      bracket.release();
      expect(did).toEqual(['0 send', '0 use r', '0 stop', '0 over']);
    }),
  );
});
