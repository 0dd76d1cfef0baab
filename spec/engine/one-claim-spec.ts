/**
 * One claim by itself: what it is before it is in, how long it lets the server take, what it passes on, what it writes.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, defer, throwError } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { BackendError } from '../../src/index.js';
import type { QueueBackend } from '../../src/index.js';
import { Claim } from '../../src/engine/claim.js';
import type { LeaderRef } from '../../src/engine/claim.js';
import type { ClaimState } from '../../src/engine/claim-state.js';
import type { Session } from '../../src/engine/session.js';
import { timingOf } from '../../src/rules/timing.js';
import { locksRuntimeOf } from '../support/engines.js';
import { TIMES, atFrame } from '../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const LEASE = { id: '1', ttl: 1000, owner: 'me', key: undefined };
/** An attempt on the session may take 5, one of the latest timing of the client 2. */
const TIMING = timingOf(30, TIMES);

interface Circumstances {
  readonly change?: (memory: QueueBackend) => Partial<QueueBackend>;
  /** What the server cannot do. */
  readonly without?: 'keep' | 'proclaim';
  /** Until when the session lives. */
  readonly until?: number;
}

/** Claims at `k` on a session that lives for 50, what they were told, and each request with its frame and its time. */
const world = (m: Marbles, { change = () => ({}), without, until = 50 }: Circumstances = {}) => {
  const { scheduler } = m;
  const memory = memoryBackend({ scheduler });
  memory.grant(LEASE, 0).subscribe();
  const { keep, proclaim, ...backend } = { ...memory, ...change(memory) };
  const { enqueue, dequeue } = backend;
  const asked: string[] = [];
  const told: ClaimState[] = [];
  const note = (verb: string, timeout: number): void =>
    void asked.push(`${String(scheduler.now())} ${verb}, within ${String(timeout)}`);
  const ended: string[] = [];
  const session: Session = {
    lease: LEASE,
    timing: TIMING,
    validUntil: () => until,
    isAlive: () => scheduler.now() < until,
    renewals: () => 0,
    renewed$: NEVER,
    gone: () => ended.push('gone'),
    expired: () => ended.push('expired'),
  };
  const runtime = locksRuntimeOf(scheduler, {
    sessions: { join: (user) => user.onSession(session), leave: () => undefined, close: () => undefined },
    backend: {
      ...backend,
      enqueue: (claims, timeout, mode) => defer(() => (note('enqueue', timeout), enqueue(claims, timeout, mode))),
      dequeue: (claims, queued, timeout, successor) =>
        defer(() => (note('dequeue', timeout), dequeue(claims, queued, timeout, successor))),
      ...(without !== 'keep' &&
        keep && {
          keep: (claims, queued, lease, timeout) => (note('keep', timeout), keep(claims, queued, lease, timeout)),
        }),
      ...(without !== 'proclaim' &&
        proclaim && {
          proclaim: (claim, mine, value, timeout) => (note('proclaim', timeout), proclaim(claim, mine, value, timeout)),
        }),
    },
  });
  const claim = (): Claim => {
    const options = { specs: [{ key: 'k', kind: 'mutex' } as const], isTry: false, shape: undefined, meta: undefined };
    return new Claim(runtime, options, (state) => void told.push(state));
  };
  atFrame(m, 100, () => runtime.queues.stop());
  return { runtime, claim, asked, told, ended, memory };
};

const silent = () => NEVER;

describe('a claim that is not in yet', () => {
  it(
    'has no token, no name and nothing that could be written over, and does not mind that it is not there',
    marbles((m) => {
      const { claim, told } = world(m, { change: () => ({ enqueue: silent }) });
      const one = claim();
      one.begin();
      expect([one.token, one.queued, one.ids]).toEqual([undefined, undefined, []]);
      one.isGone();
      expect(told).toEqual([]);
      one.leave(false);
    }),
  );

  it(
    'has them from the answer on',
    marbles((m) => {
      const { claim } = world(m);
      const one = claim();
      one.begin();
      const mine = expect.objectContaining({ id: '1-1', token: 2n });
      const request = expect.objectContaining({ key: 'k', id: '1', lease: LEASE });
      expect([one.token, one.queued, one.ids]).toEqual([2n, { claim: request, mine }, ['1-1']]);
      one.leave(false);
    }),
  );
});

describe('a claim asks', () => {
  it(
    'for as long as suits its own session, whatever sessions came after',
    marbles((m) => {
      const { claim, asked, runtime } = world(m);
      expect(claim().timeout).toBe(runtime.timing.attempt);
      const [left, kept] = [claim(), claim()];
      left.begin();
      left.proclaimed$('k', 'B').subscribe();
      left.leave(false);
      kept.begin();
      kept.leave(false, 20);
      expect(asked).toEqual([
        '0 enqueue, within 5',
        '0 proclaim, within 5',
        '0 dequeue, within 5',
        '0 enqueue, within 5',
        '0 keep, within 5',
      ]);
    }),
  );

  it(
    'to leave at once where the server cannot keep it',
    marbles((m) => {
      const { claim, asked, told } = world(m, { without: 'keep' });
      const one = claim();
      one.begin();
      one.leave(false, 20);
      m.flush();
      expect(asked).toEqual(['0 enqueue, within 5', '0 dequeue, within 5']);
      expect(told).toEqual([{ status: 'first' }, { status: 'left' }]);
    }),
  );
});

describe('a claim that leaves', () => {
  it(
    'does so as it was told first: what is kept is asked for again, whoever ends it once more meanwhile',
    marbles((m) => {
      const lost = new BackendError('lost', { retryable: true });
      let failures = 2;
      const { claim, asked, told } = world(m, {
        change: ({ keep }) => ({
          keep: (...args) => ((failures -= 1) < 0 && keep ? keep(...args) : throwError(() => lost)),
        }),
      });
      const one = claim();
      one.begin();
      one.leave(false, 20);
      one.leave(true);
      m.flush();
      expect(asked).toEqual(['0 enqueue, within 5', '0 keep, within 5', '1 keep, within 5', '2 keep, within 5']);
      expect(told).toEqual([{ status: 'first' }, { status: 'left' }]);
    }),
  );
});

describe('a claim of one key', () => {
  it(
    'passes on what its queue tells, and nothing more',
    marbles((m) => {
      const { claim, told } = world(m);
      const [first, second] = [claim(), claim()];
      first.begin();
      second.begin();
      atFrame(m, 3, () => first.leave(false));
      atFrame(m, 6, () => second.leave(false));
      m.flush();
      const holders = [expect.objectContaining({ fencingToken: 2n })];
      expect(told).toEqual([
        { status: 'first' },
        { status: 'blocked', ahead: 1, holders },
        { status: 'first' },
        { status: 'left' },
        { status: 'left' },
      ]);
    }),
  );

  it(
    'holds as before though it is asked to release, and remembers what it was asked',
    marbles((m) => {
      const { claim, told, memory } = world(m);
      const one = claim();
      one.begin();
      const revocation = { reason: 'mine', within: Infinity, by: 'ops', at: new Date(0) };
      const mine = one.queued?.mine;
      atFrame(m, 20, () => mine && memory.others?.ask('k', mine, revocation, 0).subscribe());
      m.flush();
      expect(told).toEqual([{ status: 'first' }, { status: 'wanted', revocation }]);
      expect(one.state).toEqual({ status: 'first' });
      expect(one.revocation).toEqual(revocation);
    }),
  );

  it.each<[string, number, ClaimState['status'][], string[]]>([
    ['is lost by itself while its session lives', 30, ['first', 'lost'], []],
    ['went with its session after the deadline of that, though no timer has told so yet', 20, ['first'], ['expired']],
  ])('that was deleted %s', (_, until, states, ends) => {
    marbles((m) => {
      const { claim, told, ended } = world(m, { until });
      const one = claim();
      one.begin();
      atFrame(m, 20, () => one.isGone());
      m.flush();
      expect(told.map(({ status }) => status)).toEqual(states);
      expect(ended).toEqual(ends);
    })();
  });
});

describe('a claim that leads', () => {
  it(
    'does so no more once it leaves',
    marbles((m) => {
      const { claim } = world(m);
      const ref: LeaderRef = { leader: undefined };
      const one = claim();
      one.begin();
      one.leadsFor(ref, 'k');
      expect(ref).toEqual({ leader: { claim: one, key: 'k' } });
      one.leave(false);
      expect(ref).toEqual({ leader: undefined });
    }),
  );

  it(
    'takes the lead from nobody when it leaves late',
    marbles((m) => {
      const { claim } = world(m);
      const ref: LeaderRef = { leader: undefined };
      const [before, after] = [claim(), claim()];
      for (const one of [before, after]) {
        one.begin();
        one.leadsFor(ref, 'k');
      }
      before.leave(false);
      expect(ref.leader?.claim).toBe(after);
    }),
  );

  it(
    'leaves as well after whoever led behind it',
    marbles((m) => {
      const { claim, told } = world(m);
      const ref: LeaderRef = { leader: undefined };
      const [before, after] = [claim(), claim()];
      for (const one of [before, after]) {
        one.begin();
        one.leadsFor(ref, 'k');
      }
      after.leave(false);
      before.leave(false);
      expect(ref).toEqual({ leader: undefined });
      expect(told.filter(({ status }) => status === 'left')).toHaveLength(2);
    }),
  );
});

describe('a value', () => {
  it.each<[string, Circumstances, { at?: number; key?: string }]>([
    ['where the server keeps none', { without: 'proclaim' }, {}],
    ['before the claim is in', { change: () => ({ enqueue: silent }) }, {}],
    ['at a key that is not of the claim', {}, { key: 'other' }],
    ['after the deadline of the session', { until: 10 }, { at: 10 }],
  ])('is not written %s', (_, given, { at = 0, key = 'k' }) => {
    marbles((m) => {
      const { claim, asked } = world(m, given);
      const one = claim();
      one.begin();
      const written: boolean[] = [];
      atFrame(m, at, () => one.proclaimed$(key, 'B').subscribe((is) => written.push(is)));
      atFrame(m, at + 1, () => one.leave(false));
      m.flush();
      expect(written).toEqual([false]);
      expect(asked.filter((one) => one.includes('proclaim'))).toEqual([]);
    })();
  });

  it(
    'is asked for again until the deadline of the session, then no more',
    marbles((m) => {
      const lost = new BackendError('lost', { retryable: true });
      const { claim, asked } = world(m, { until: 3, change: () => ({ proclaim: () => throwError(() => lost) }) });
      const one = claim();
      one.begin();
      m.expect(one.proclaimed$('k', 'B')).toBeObservable('---#', undefined, lost);
      m.flush();
      expect(asked.filter((one) => one.includes('proclaim'))).toHaveLength(4);
    }),
  );
});
