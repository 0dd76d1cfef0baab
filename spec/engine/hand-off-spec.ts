import { describe, it } from '@jest/globals';
import { NEVER, Observable, concat, delay, of, throwError } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { withLock } from '../../src/index.js';
import type { Lock } from '../../src/index.js';
import { SLOW, codes, letters, serverOf } from '../support/marbles.js';

/** A body of six frames, which then ends as it is given. Held from 4 on (two answers of two frames), it ends at 10. */
const body = (lock: Lock, m: { scheduler: Parameters<typeof delay>[1] }, end$: Observable<never>) =>
  concat(of('a').pipe(delay(6, m.scheduler)), end$).pipe(withLock(lock), codes());
const COMPLETE = new Observable<never>((subscriber) => subscriber.complete());

// Messages take one frame each way.
describe('a hand-off', () => {
  it(
    'inside a client takes no time when the body was done: order and token have been fixed since the next one queued',
    marbles((m) => {
      const lock = serverOf(m, { latency: 1 }).client(SLOW).mutex('k');
      m.expect(body(lock, m, COMPLETE)).toBeObservable('         ----------a-|');
      m.expect(letters(lock.lock$()), '-----^---------!').toBeObservable('-------w--h-----');
    }),
  );

  it(
    'waits for the acknowledgement when the body failed: what it began may be under way',
    marbles((m) => {
      const lock = serverOf(m, { latency: 1 }).client(SLOW).mutex('k');
      const failed = throwError(() => new Error('failed'));
      m.expect(body(lock, m, failed)).toBeObservable('           ----------a-#', undefined, new Error('failed'));
      m.expect(letters(lock.lock$()), '-----^---------!').toBeObservable('-------w----h---');
    }),
  );

  it(
    'waits for it when the holder was unsubscribed',
    marbles((m) => {
      const lock = serverOf(m, { latency: 1 }).client(SLOW).mutex('k');
      m.expect(body(lock, m, NEVER), '            ^---------!').toBeObservable('----------');
      m.expect(letters(lock.lock$()), '-----^---------!').toBeObservable('-------w----h---');
    }),
  );

  it(
    'to another client takes the release and the event',
    marbles((m) => {
      const server = serverOf(m, { latency: 1 });
      m.expect(body(server.client(SLOW).mutex('k'), m, COMPLETE)).toBeObservable('  ----------a-|');
      const next = server.client(SLOW).mutex('k').lock$();
      m.expect(letters(next), '-----^---------!').toBeObservable('         ---------w--h--');
    }),
  );
});
