/**
 * A lock left at each frame of its life. Messages take one frame each way; a lease is 24, with a margin of 4.
 *
 * ```text
 * other    ^---------!                 holds from before, releases at 10
 * ours     ^gg-cc-w----h-------x|      g: lease granted at 2, c: claim in at 4, held at 12, source done at 20, released at 22
 * ```
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, concat, filter, mergeMap, take, tap, timer } from 'rxjs';
import type { Observable, Subscription } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { usingLock, withLock } from '../../src/index.js';
import type { HeldLock } from '../../src/index.js';
import { SLOW, TIMES, atFrame, codes, letters, openServer, serverOf } from '../support/marbles.js';
import type { OpenServer } from '../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const LIFE = Array.from({ length: 25 }, (_, frame) => frame);
const RELEASED_AT = 10;
const HELD_AT = 12;
const DONE_AT = 20;
/** A request that is on its way is heard out, then the claim leaves: at most 2 + 1 frames. */
const GONE_WITHIN = 4;

/** Another holds until 10; ours contends from 0 on and has a source of 8 frames. */
const life = (m: Marbles) => {
  const server = openServer(m, 1);
  const other = server.client(SLOW);
  const ours = server.client(SLOW);
  const source = m.cold('a-------|');
  const holding = letters(other.mutex('k').lock$()).subscribe();
  atFrame(m, RELEASED_AT, () => holding.unsubscribe());
  return { server, ours, source };
};

const numbers = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [String(n), n]));

/** Of ours nothing is in the queue so soon after, and no lease is left when the one of the session has ended. */
const expectNothingLeft = (m: Marbles, server: OpenServer, frame: number): void => {
  const later = frame + GONE_WITHIN;
  const others = later <= RELEASED_AT + 1 ? '1' : '0';
  m.expect(timer(later, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable(
    `${String(later)}ms (${others}|)`,
    numbers,
  );
  m.expect(timer(90, m.scheduler).pipe(mergeMap(() => server.leases$))).toBeObservable('90ms (0|)', numbers);
};

describe('left at any frame, a lock', () => {
  it.each(LIFE)('leaves nothing behind: unsubscribed at %i', (frame) => {
    marbles((m) => {
      const { server, ours, source } = life(m);
      const subscription = source.pipe(withLock(ours.mutex('k'))).subscribe();
      atFrame(m, frame, () => subscription.unsubscribe());
      expectNothingLeft(m, server, frame);
      const end = Math.min(frame, DONE_AT);
      // Both or neither: the source was subscribed to because the lock was held, and left before it was released.
      m.expect(source).toHaveSubscriptions(frame <= HELD_AT ? [] : [`${String(HELD_AT)}ms ^ ${String(end - 13)}ms !`]);
    })();
  });

  it.each(LIFE)('leaves nothing behind, and ends with the reason: aborted at %i', (frame) => {
    marbles((m) => {
      const { server, ours, source } = life(m);
      const stop = new AbortController();
      atFrame(m, frame, () => stop.abort('stop'));
      const body = source.pipe(withLock(ours.mutex('k'), { signal: stop.signal }));
      const waiting = `${String(frame)}ms #`;
      const running = `12ms a ${String(frame - 13)}ms #`;
      // The source was done at 20: that is told, be it a frame before the release is acknowledged.
      const done = frame === 21 ? '12ms a 8ms |' : '12ms a 9ms |';
      const result = frame <= HELD_AT ? waiting : frame <= DONE_AT ? running : done;
      m.expect(body).toBeObservable(result, undefined, 'stop');
      expectNothingLeft(m, server, frame);
    })();
  });

  it.each(LIFE)('leaves nothing behind, its lease neither: closed at %i', (frame) => {
    marbles((m) => {
      const { server, ours, source } = life(m);
      atFrame(m, frame, () => void ours.close());
      source.pipe(withLock(ours.mutex('k')), codes()).subscribe({ error: () => undefined });
      const later = Math.max(frame, RELEASED_AT) + GONE_WITHIN;
      m.expect(timer(later, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable(
        `${String(later)}ms (0|)`,
        numbers,
      );
      // The other's lease lingers on.
      m.expect(timer(later, m.scheduler).pipe(mergeMap(() => server.leases$))).toBeObservable(
        `${String(later)}ms (1|)`,
        numbers,
      );
    })();
  });
});

describe('from within its own next, a lock', () => {
  it(
    'may be given back by take(1): held, told, released',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(letters(server.client(TIMES).mutex('k').lock$().pipe(take(1)))).toBeObservable('(h|)');
      const later = server.client(TIMES).mutex('k');
      m.expect(letters(later.lock$({ wait: 0 })), '-^-!').toBeObservable('-h--');
    }),
  );

  it(
    'may be left while it waits: the claim is withdrawn, and it is told nothing more',
    marbles((m) => {
      const server = openServer(m);
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '^-----!').toBeObservable('h');
      m.expect(letters(server.client(TIMES).mutex('k').lock$().pipe(take(1))), '-^').toBeObservable('-(w|)');
      m.expect(server.claims$('k'), '---^').toBeObservable('---(1|)', numbers);
    }),
  );

  it(
    'may be subscribed to again: another contender, which waits its turn',
    marbles((m) => {
      const lock = serverOf(m).client(TIMES).mutex('k');
      let inner: Observable<string> = NEVER;
      const outer = letters(lock.lock$()).pipe(
        tap(() => {
          inner = letters(lock.lock$({ wait: 6 }));
        }),
        mergeMap((told) => concat([told], inner)),
        codes(),
      );
      // It waits for a lock that its own subscriber holds: in vain, until its patience ends.
      m.expect(outer).toBeObservable('(hw)--#', undefined, 'LOCK_TIMEOUT');
    }),
  );

  it(
    'may be released and left at once: released once',
    marbles((m) => {
      const server = openServer(m, 1);
      let subscription: Subscription | undefined;
      const promises: Promise<void>[] = [];
      const leave = (held: HeldLock): void => {
        promises.push(held.release(), held.release());
        subscription?.unsubscribe();
      };
      atFrame(m, 0, () => {
        subscription = usingLock(server.client(SLOW).mutex('k'), (held) =>
          timer(2, m.scheduler).pipe(tap(() => leave(held))),
        ).subscribe();
      });
      const releases$ = server.requests$.pipe(filter((request) => request === 'l'));
      m.expect(releases$, '^-------------!').toBeObservable('-------l'); // held at 4, released at 6
      m.expect(timer(9, m.scheduler).pipe(mergeMap(() => server.claims$('k')))).toBeObservable('9ms (0|)', numbers);
      m.flush();
      expect(promises[0]).toBe(promises[1]);
    }),
  );
});
