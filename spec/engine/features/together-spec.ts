/**
 * Claims at several keys as one, by what a server answers and by what the lines at its keys are told.
 */
import { describe, expect, it } from '@jest/globals';
import { EMPTY, NEVER, defer, of, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { timingOf } from '../../../src/rules/timing.js';
import { BackendError } from '../../../src/index.js';
import type { EnqueueResult, Queue } from '../../../src/index.js';
import type { OnClaimState } from '../../../src/engine/claim-state.js';
import { LockTarget } from '../../../src/engine/target.js';
import { createBackground } from '../../../src/engine/io/background.js';
import type { Session } from '../../../src/engine/session.js';
import { claim } from '../../support/claims.js';
import { locksRuntimeOf } from '../../support/engines.js';
import { TIMES, atFrame } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const LEASE = { id: '1', ttl: TIMES.ttl, owner: 'me', key: undefined };
const CONTENTION = { wait: Infinity, signal: undefined, atLeast: 0, atMost: Infinity, meta: undefined };
const OURS = 9;
const queue = (key: string, ...tokens: number[]): Queue => ({
  key,
  revision: BigInt(OURS),
  claims: tokens.map((token) => claim(token)),
});
const place = (shown?: Queue) => ({ claim: claim(OURS), queue: shown });
const inAt = (...shown: (Queue | undefined)[]): EnqueueResult => ({
  status: 'queued',
  revision: BigInt(OURS),
  entries: shown.map(place),
});

interface Circumstances {
  readonly answers?: Observable<EnqueueResult>[];
  readonly queue?: () => Observable<Queue>;
  readonly isAlive?: boolean;
  readonly isClosed?: boolean;
  /** To leave: answered at once unless said. */
  readonly left$?: Observable<never>;
}

/** Claims at `a` and `b` that are about to enter, and what is said about them and to the server. */
const contest = (m: Marbles, given: Circumstances = {}) => {
  const { answers = [], isAlive = true, isClosed = false, left$ } = given;
  const { scheduler } = m;
  const said: string[] = [];
  const session: Session = {
    lease: LEASE,
    timing: timingOf(TIMES.ttl, TIMES),
    validUntil: () => 10,
    isAlive: () => isAlive && scheduler.now() < 10,
    renewals: () => 0,
    renewed$: NEVER,
    gone: () => said.push('the lease is gone'),
    expired: () => said.push('the lease has run out'),
  };
  const runtime = locksRuntimeOf(scheduler, {
    background: createBackground((error) => said.push(`failed ${String(error)}`)),
    isClosed: () => isClosed,
    sessions: { join: (user) => user.onSession(session), leave: () => undefined, close: () => undefined },
    backend: {
      ...memoryBackend({ scheduler }),
      queue: given.queue ?? (() => NEVER),
      enqueue: () => defer(() => answers.shift() ?? NEVER),
      dequeue: (_, queued) =>
        defer(() => {
          said.push(`asks to leave, ${queued ? `from ${queued.map(({ token }) => token).join()}` : 'wherever it is'}`);
          return left$ ?? of({ successor: 'unknown' } as const);
        }),
    },
  });
  const { queues: lines } = runtime;
  let settled$: Observable<unknown> | undefined;
  const target = new LockTarget(
    runtime,
    ['a', 'b'].map((key) => ({ key, kind: 'mutex' })),
  );
  const contested = target.claim(CONTENTION, target.shape(undefined), (state) => {
    switch (state.status) {
      case 'blocked': {
        const holders = state.holders.map(({ fencingToken }) => fencingToken).join();
        return void said.push(`blocked by ${String(state.ahead)}, held by ${holders}`);
      }
      case 'first':
        settled$ = state.settled$;
        return void said.push('first');
      case 'wanted':
        return void said.push(`asked ${state.revocation.reason}`);
      case 'lost':
        return void said.push('gone');
      case 'failed':
        return void said.push(`cannot: ${String(state.error)}`);
      case 'refused':
      case 'left':
        return void said.push(state.status);
    }
  });
  const tokensAt = (key: string): string =>
    lines
      .at(key)
      .holders()
      .map(({ token }) => token)
      .join();
  // Nobody answers some of the watches, so they would be begun again for ever.
  atFrame(m, 60, () => lines.stop());
  return { contested, lines, said, tokensAt, settled: () => settled$ ?? EMPTY };
};

/** Another claim of ours, in the queue of one of the keys. */
const listener = (told: OnClaimState = () => undefined): OnClaimState => told;

describe('claims at several keys', () => {
  it(
    'hold when each is first; before that they are blocked as far as the last of them is',
    marbles((m) => {
      const { contested, lines, said } = contest(m, {
        answers: [of(inAt(queue('a', 1, OURS), queue('b', 2, 3, 4, OURS)))],
      });
      expect(contested.token).toBeUndefined();
      contested.begin();
      expect(contested.token).toBe(BigInt(OURS));
      lines.at('b').seen({ ...queue('b', OURS), revision: 10n });
      lines.at('a').seen({ ...queue('a', OURS), revision: 11n });
      expect(said).toEqual(['blocked by 3, held by 1,2', 'blocked by 1, held by 1', 'first']);
    }),
  );

  it(
    'do not hold as long as one of them does not know where it stands',
    marbles((m) => {
      const { contested, lines, said } = contest(m, { answers: [of(inAt(queue('a', OURS), undefined))] });
      contested.begin();
      expect(said).toEqual([]);
      lines.at('b').seen(queue('b', OURS));
      expect(said).toEqual(['first']);
    }),
  );

  it(
    'are told nothing before they are in every line',
    marbles((m) => {
      const { contested, said } = contest(m, { answers: [of(inAt(queue('a', 1, OURS), queue('b', OURS)))] });
      contested.begin();
      expect(said).toEqual(['blocked by 1, held by 1']);
    }),
  );

  it(
    'that are made to leave while they join, by who is told on the way, join no further',
    marbles((m) => {
      const { contested, lines, said, tokensAt } = contest(m, {
        answers: [of(inAt(queue('a', 1, OURS), queue('b', OURS)))],
      });
      const leaves = listener(({ status }) => {
        if (status === 'lost') contested.leave(false);
      });
      lines.at('a').join(claim(2), 2n, LEASE, { ...queue('a', 2), revision: 2n }, leaves);
      contested.begin();
      expect(said).toEqual(['asks to leave, from 9,9', 'left']);
      expect(tokensAt('b')).toBe('');
    }),
  );

  it(
    'are gone when one of them is',
    marbles((m) => {
      const { contested, lines, said } = contest(m, { answers: [of(inAt(queue('a', OURS), queue('b', OURS)))] });
      contested.begin();
      lines.at('b').seen({ ...queue('b'), revision: 10n });
      expect(said).toEqual(['first', 'gone']);
    }),
  );

  it(
    'that were handed one of the keys have that to settle',
    marbles((m) => {
      const { contested, lines, said, settled } = contest(m, {
        answers: [of(inAt(queue('a', 1, OURS), queue('b', OURS)))],
      });
      const a = lines.at('a');
      a.join(claim(1), 1n, LEASE, { ...queue('a', 1), revision: 1n }, listener());
      contested.begin();
      const handedOff = a.handOff(claim(1));
      a.notifyNext();
      expect(said).toEqual(['blocked by 1, held by 1', 'first']);
      let isSettled = false;
      settled().subscribe({ complete: () => (isSettled = true) });
      expect(isSettled).toBe(false);
      handedOff?.over();
      expect(isSettled).toBe(true);
    }),
  );

  it(
    'that were handed nothing have nothing to settle',
    marbles((m) => {
      const { contested, settled } = contest(m, { answers: [of(inAt(queue('a', OURS), queue('b', OURS)))] });
      contested.begin();
      m.expect(settled()).toBeObservable('|');
    }),
  );

  it(
    'are asked for when one of them is',
    marbles((m) => {
      const { contested, lines, said } = contest(m, { answers: [of(inAt(queue('a', OURS), queue('b', OURS)))] });
      contested.begin();
      const revocation = { reason: 'mine', within: Infinity, by: 'ops', at: new Date(0) };
      const asked = { ...claim(OURS), stamp: '10', revocation };
      lines.at('b').seen({ key: 'b', revision: 10n, claims: [asked] });
      expect(said).toEqual(['first', 'asked mine']);
    }),
  );

  it(
    'fail when nobody can find out where one of them stands',
    marbles((m) => {
      const { contested, said } = contest(m, {
        answers: [of(inAt(queue('a', OURS), undefined))],
        queue: () => throwError(() => new BackendError('no idea', { retryable: true })),
      });
      contested.begin();
      atFrame(m, 8, () => contested.leave(false));
      m.flush();
      expect(said[0]).toBe('cannot: BackendError: no idea');
    }),
  );
});

describe('claims at several keys that leave', () => {
  it(
    'do so with one request, by what they entered with, and are in no line any more',
    marbles((m) => {
      const { contested, lines, said, tokensAt } = contest(m, {
        answers: [of(inAt(queue('a', OURS), queue('b', OURS)))],
      });
      const [a, b] = [lines.at('a'), lines.at('b')];
      contested.begin();
      expect([tokensAt('a'), tokensAt('b')]).toEqual(['9', '9']);
      contested.leave(true);
      expect(said).toEqual(['first', 'asks to leave, from 9,9', 'left']);
      expect([tokensAt('a'), tokensAt('b')]).toEqual(['', '']);
      expect([lines.at('a') === a, lines.at('b') === b]).toEqual([false, false]);
    }),
  );

  it(
    'before they are in have asked for nothing, or ask when they know',
    marbles((m) => {
      const { contested, said } = contest(m, { answers: [NEVER] });
      contested.begin();
      contested.leave(false);
      expect(said).toEqual([]);
      m.flush();
      // The attempt under way is heard out, and may arrive after all.
      expect(said).toEqual(['asks to leave, wherever it is', 'left']);
    }),
  );

  it(
    'after an attempt that was not answered leave wherever they are, though a later one was',
    marbles((m) => {
      const { contested, said } = contest(m, { answers: [NEVER, of(inAt(queue('a', OURS), queue('b', OURS)))] });
      contested.begin();
      atFrame(m, 5, () => contested.leave(false));
      m.flush();
      expect(said).toEqual(['first', 'asks to leave, wherever it is', 'left']);
    }),
  );

  it.each<[string, Circumstances]>([
    ['a lease that is over', { isAlive: false }],
    ['a close, which ends the lease', { isClosed: true }],
  ])('ask for nothing at %s', (_, given) => {
    marbles((m) => {
      const { contested, said } = contest(m, {
        ...given,
        answers: [of(inAt(queue('a', OURS), queue('b', OURS)))],
      });
      contested.begin();
      contested.leave(false);
      expect(said).toEqual(['first', 'left']);
    })();
  });

  it(
    'were refused with their lease: then that has ended, and takes all of them along',
    marbles((m) => {
      const { contested, said } = contest(m, { answers: [of({ status: 'lease-gone' })] });
      contested.begin();
      contested.leave(false);
      expect(said).toEqual(['the lease is gone', 'left']);
    }),
  );

  it(
    'say what it was that could not be asked',
    marbles((m) => {
      const silent = contest(m, { left$: NEVER, answers: [of(inAt(queue('a', OURS), queue('b', OURS)))] });
      silent.contested.begin();
      silent.contested.leave(false);
      const refused = contest(m);
      refused.contested.begin();
      m.flush();
      expect(silent.said.find((one) => one.startsWith('failed'))).toContain(
        'did not answer "release a + b" within 2 ms',
      );
      expect(refused.said).toEqual([expect.stringContaining('did not answer "queue for a + b" within 2 ms')]);
    }),
  );
});
