/**
 * What is said to the server to ask for a lock, and to take it; how that ends where the server does not answer.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, Subscription, concat, defer, map, of, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { checkedSettings } from '../../../src/api/options.js';
import { BackendError, createLocks } from '../../../src/index.js';
import type { Holder, ForeignClaims, Queue, QueuedClaim } from '../../../src/index.js';
import { createContenders } from '../../../src/engine/contenders.js';
import { createKeyQueues } from '../../../src/engine/queue/key-queues.js';
import { revoked$ } from '../../../src/engine/features/revoke.js';
import { claim } from '../../support/claims.js';
import { timingOf } from '../../../src/rules/timing.js';
import { locksRuntimeOf } from '../../support/engines.js';
import { TIMES, atFrame } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const refused = new BackendError('out of space', { retryable: false });
const queue = (revision: number, ...claims: QueuedClaim[]): Queue => ({ key: 'k', revision: BigInt(revision), claims });

const shown = (first: Queue): Observable<Queue> => concat(of(first), NEVER);

interface Circumstances {
  /** By the claim that it is to be written over, and how often that was asked for by now. */
  readonly ask?: (known: QueuedClaim, times: number) => ReturnType<ForeignClaims['ask']>;
  readonly remove?: () => Observable<void>;
}

/** What is asked of a server whose queue is as `queue$` says, each with its frame. */
const asking = (m: Marbles, queue$: () => Observable<Queue>, { ask, remove }: Circumstances = {}) => {
  const { scheduler } = m;
  const said: string[] = [];
  // A tenth of it is whole milliseconds.
  const settings = { ...checkedSettings({ ttl: 20, safetyMargin: 3 }), random: () => 0 };
  const engine = locksRuntimeOf(scheduler, {
    backend: { ...memoryBackend({ scheduler }), queue: queue$ },
    settings,
    timing: timingOf(20, settings),
  });
  let awake = 0;
  const contenders = createContenders({
    ...engine.time,
    awake: () => {
      awake += 1;
      return new Subscription(() => (awake -= 1));
    },
  });
  const lines = createKeyQueues(engine, { add: () => undefined, stop: () => undefined });
  // Nobody looks any more then, but the watches linger.
  atFrame(m, 90, () => lines.stop());
  let times = 0;
  const others: ForeignClaims = {
    ask: (_, known, revocation) =>
      defer(() => {
        const { reason, within } = revocation;
        said.push(`${String(scheduler.now())} asks ${known.stamp}: ${reason}, within ${String(within)}`);
        times += 1;
        const written = { ...known, stamp: `${known.stamp}'`, revocation };
        return ask?.(known, times) ?? of({ claim: written, revision: 9n });
      }),
    remove: (_, known) =>
      defer(() => {
        said.push(`${String(scheduler.now())} removes ${known.stamp}`);
        return remove?.() ?? of(undefined);
      }),
  };
  const revoke = (demand: { within?: number; fencingToken?: bigint } = {}) =>
    revoked$(Object.assign(engine, { queues: lines, contenders }), 'k', others, {
      reason: 'mine',
      within: demand.within ?? Infinity,
      fencingToken: demand.fencingToken,
    }).pipe(map((holders: readonly Holder[]) => holders.map(({ fencingToken }) => fencingToken).join()));
  return { revoke, said, awake: () => awake };
};

describe('to ask for a lock', () => {
  it(
    'is one request, which is not waited for beyond its answer',
    marbles((m) => {
      const { revoke, said } = asking(m, () => shown(queue(1, claim(1), claim(2))));
      m.expect(revoke()).toBeObservable('(h|)', { h: '1' });
      m.flush();
      expect(said).toEqual(['0 asks 1: mine, within Infinity']);
    }),
  );

  it(
    'is not possible of a claim that says something else: nobody is asked, nobody told to have been',
    marbles((m) => {
      const { revoke, said } = asking(m, () => shown(queue(1, claim(1, { value: 'candidate' }))));
      m.expect(revoke()).toBeObservable('(n|)', { n: '' });
      m.flush();
      expect(said).toEqual([]);
    }),
  );

  it(
    'goes over what somebody else has written meanwhile, once more, and no more where the claim is gone',
    marbles((m) => {
      const theirs = { reason: 'theirs', within: Infinity, by: 'ops', at: new Date(0) };
      const { revoke, said } = asking(m, () => shown(queue(1, claim(1))), {
        ask: (known, times) =>
          of({ claim: times === 1 ? { ...known, stamp: '7', revocation: theirs } : undefined, revision: 9n }),
      });
      m.expect(revoke()).toBeObservable('(h|)', { h: '1' });
      m.flush();
      expect(said).toEqual(['0 asks 1: mine, within Infinity', '0 asks 7: mine, within Infinity']);
    }),
  );

  it(
    'fails where nobody answers, and says what it was',
    marbles((m) => {
      const { revoke } = asking(m, () => shown(queue(1, claim(1))), { ask: () => NEVER });
      const failed: unknown[] = [];
      revoke().subscribe({ error: (error: unknown) => failed.push(error) });
      m.flush();
      expect(failed).toMatchObject([
        { code: 'BACKEND', message: expect.stringContaining('"ask for "k"" within 3 ms') },
      ]);
    }),
  );

  it(
    'fails where nobody can say who holds, after as many attempts as any request has',
    marbles((m) => {
      let reads = 0;
      const { revoke } = asking(m, () =>
        defer(() => {
          reads += 1;
          return throwError(() => new BackendError('no idea', { retryable: true }));
        }),
      );
      const failed: unknown[] = [];
      revoke().subscribe({
        error: (error: unknown) => {
          failed.push(error);
          expect(reads).toBe(5);
        },
      });
      m.flush();
      expect(failed).toMatchObject([{ message: 'no idea' }]);
    }),
  );

  it(
    'waits for who can say who holds',
    marbles((m) => {
      let reads = 0;
      const { revoke } = asking(m, () =>
        defer(() => {
          reads += 1;
          return reads < 5
            ? throwError(() => new BackendError('no idea', { retryable: true }))
            : shown(queue(1, claim(1)));
        }),
      );
      m.expect(revoke()).toBeObservable('-----(h|)', { h: '1' });
    }),
  );
});

describe('to take a lock', () => {
  it(
    'is to ask, to wait, to say so, and to take out what is left of it a tenth of a ttl later',
    marbles((m) => {
      const { revoke, said } = asking(m, () => shown(queue(1, claim(1))));
      m.expect(revoke({ within: 5 })).toBeObservable('-------(h|)', { h: '1' });
      m.flush();
      expect(said).toEqual(['0 asks 1: mine, within 5', "5 asks 1': mine, within 0", "7 removes 1''"]);
    }),
  );

  it(
    'at once is to say so without asking before',
    marbles((m) => {
      const { revoke, said } = asking(m, () => shown(queue(1, claim(1))));
      m.expect(revoke({ within: 0 })).toBeObservable('--(h|)', { h: '1' });
      m.flush();
      expect(said).toEqual(['0 asks 1: mine, within 0', "2 removes 1'"]);
    }),
  );

  it(
    'that says something else is taken after the same time, and nobody there is asked before',
    marbles((m) => {
      const { revoke, said } = asking(m, () => shown(queue(1, claim(1, { value: 'candidate' }))));
      m.expect(revoke({ within: 5 })).toBeObservable('-------(h|)', { h: '1' });
      m.flush();
      expect(said).toEqual(['5 asks 1: mine, within 0', "7 removes 1'"]);
    }),
  );

  it(
    'is possible where nothing can be written any more: it is deleted all the same',
    marbles((m) => {
      const { revoke, said } = asking(m, () => shown(queue(1, claim(1))), { ask: () => throwError(() => refused) });
      m.expect(revoke({ within: 0 })).toBeObservable('--(h|)', { h: '1' });
      m.flush();
      expect(said).toEqual(['0 asks 1: mine, within 0', '2 removes 1']);
    }),
  );

  it(
    'is over as soon as its claim has left, whoever comes after it',
    marbles((m) => {
      const views$ = (): Observable<Queue> =>
        m.cold('a--b-c', {
          a: queue(1, claim(1), claim(2)),
          b: queue(2, claim(1), claim(2), claim(3)),
          c: queue(3, claim(2), claim(3)),
        });
      const { revoke, said } = asking(m, views$);
      m.expect(revoke({ within: 60 })).toBeObservable('-----(h|)', { h: '1' });
      m.flush();
      expect(said).toEqual(['0 asks 1: mine, within 60']);
    }),
  );

  it(
    'is not over because nobody knows who holds for a while',
    marbles((m) => {
      let reads = 0;
      const views$ = (): Observable<Queue> =>
        defer(() => {
          reads += 1;
          return reads === 1
            ? m.cold<Queue>('a-#', { a: queue(1, claim(1)) }, new BackendError('broken', { retryable: true }))
            : shown(queue(1, claim(1)));
        });
      const { revoke } = asking(m, views$);
      m.expect(revoke({ within: 8 })).toBeObservable('----------(h|)', { h: '1' });
    }),
  );

  it(
    'fails where nobody answers, and says what it was',
    marbles((m) => {
      const { revoke } = asking(m, () => shown(queue(1, claim(1))), { remove: () => NEVER });
      const failed: unknown[] = [];
      revoke({ within: 0 }).subscribe({ error: (error: unknown) => failed.push(error) });
      m.flush();
      expect(failed).toMatchObject([{ code: 'BACKEND', message: expect.stringContaining('"take "k"" within 3 ms') }]);
    }),
  );
});

describe('a revoke', () => {
  it('of locks that are closed names the key, before and meanwhile', async () => {
    const backend = memoryBackend();
    const holder = createLocks(backend, TIMES);
    await holder.mutex('k').acquire();
    const locks = createLocks(backend);
    const waiting = locks.mutex('k').revoke({ reason: 'x', within: 60_000 });
    const closed = expect(waiting).rejects.toMatchObject({ code: 'LOCKS_CLOSED', key: 'k' });
    await locks.close();
    await closed;
    await expect(locks.mutex('k').revoke({ reason: 'x' })).rejects.toMatchObject({ code: 'LOCKS_CLOSED', key: 'k' });
    await holder.close();
  });

  it(
    'keeps the process alive until it is over, and no longer',
    marbles((m) => {
      const { revoke, awake } = asking(m, () => shown(queue(1, claim(1))));
      const waiting = revoke({ within: 30 }).subscribe();
      expect(awake()).toBe(1);
      waiting.unsubscribe();
      expect(awake()).toBe(0);
    }),
  );
});
