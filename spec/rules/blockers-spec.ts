/**
 * The pure rules, as tables: timing, places in a queue, ownership, errors.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  AlreadyLockedError,
  BackendError,
  InvalidOptionError,
  LockError,
  LockLostError,
  LockNotOwnedError,
  LockTimeoutError,
  LocksClosedError,
} from '../../src/index.js';
import type { Queue, QueuedClaim } from '../../src/index.js';
import { blockers, holding } from '../../src/rules/blockers.js';
import { isUnmodified, placeOf } from '../../src/rules/place.js';
import { deadline, timingOf } from '../../src/rules/timing.js';
import { claim } from '../support/claims.js';
import { ownershipOf } from '../../src/rules/ownership.js';
import { backoff } from '../../src/time/backoff.js';

const queue = (...claims: QueuedClaim[]): Queue => ({ key: 'k', revision: 100n, claims });

describe('timing', () => {
  const none = { renewEvery: undefined, safetyMargin: undefined };

  it.each([
    [10_000, { margin: 1000, renewEvery: 10_000 / 3, attempt: 10_000 / 6 }],
    [2000, { margin: 250, renewEvery: 2000 / 3, attempt: 2000 / 6 }],
    [300, { margin: 150, renewEvery: 100, attempt: 50 }],
  ])('of a lease of %d ms', (ttl, expected) => {
    expect(timingOf(ttl, none)).toMatchObject(expected);
  });

  it('calls a lock lost a margin before the server may give it away, counted from the send', () => {
    expect(deadline(500, timingOf(10_000, none))).toBe(500 + 10_000 - 1000);
  });

  it('clamps what does not fit the granted ttl, and says so', () => {
    const timing = timingOf(1000, { renewEvery: 5000, safetyMargin: 900 });
    expect(timing).toMatchObject({ margin: 500, renewEvery: 375 });
    expect(timing.clamped).toEqual([
      'safetyMargin 900 ms does not fit the granted ttl of 1000 ms: 500 ms is used',
      'renewEvery 5000 ms does not fit the granted ttl of 1000 ms: 375 ms is used',
    ]);
  });

  it('backs off: longer after each failure, at most a second, never no time at all', () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7].map((failures) => backoff(failures, 10_000, () => 1));
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1000, 1000]);
    expect(backoff(1, 12, () => 0)).toBe(1);
    fc.assert(
      fc.property(
        fc.nat(50),
        fc.integer({ min: 1, max: 86_400_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, ttl, r) => {
          const pause = backoff(n, ttl, () => r);
          expect(pause).toBeGreaterThan(0);
          expect(pause).toBeLessThanOrEqual(1000);
        },
      ),
    );
  });
});

const OVER = claim(5, { stamp: '9' });
const OTHER = claim(5, { id: 'other' });
const TAKEN = claim(5, { stamp: '9', revocation: { reason: 'x', within: 0 } });

describe('the place of a claim', () => {
  it.each([
    ['alone', queue(claim(5)), { status: 'first' }],
    ['first of two', queue(claim(5), claim(7)), { status: 'first' }],
    ['behind two', queue(claim(1), claim(2), claim(5)), { status: 'blocked', ahead: 2 }],
    ['not there', queue(claim(1), claim(7)), { status: 'gone', reason: 'deleted' }],
    ['in an empty queue', queue(), { status: 'gone', reason: 'deleted' }],
    ['deleted and made again by another', queue(claim(6, { id: 'id-5' })), { status: 'gone', reason: 'deleted' }],
    ['written over', queue(OVER), { status: 'gone', reason: 'overwritten', by: OVER }],
    ['swapped for another', queue(OTHER), { status: 'gone', reason: 'overwritten', by: OTHER }],
    ['taken', queue(TAKEN), { status: 'gone', reason: 'revoked', by: TAKEN }],
  ])('%s', (_, view, expected) => {
    expect(placeOf(view.claims, claim(5))).toEqual(expected);
  });

  it('is kept by who is only asked for it, as long as the claim says what it said', () => {
    const ask = { stamp: '9', revocation: { reason: 'x', within: 1 } };
    const isOurs = (found: QueuedClaim, mine = claim(5)): boolean => isUnmodified(found, { mine, knownAt: mine.token });
    expect(isOurs(claim(5, ask))).toBe(true);
    expect(isOurs(TAKEN)).toBe(false);
    expect(isOurs(claim(5, { ...ask, kind: 'read' }))).toBe(false);
    expect(isOurs(claim(5, { ...ask, permits: 2 }))).toBe(false);
    expect(isOurs(claim(5, { ...ask, value: 'a' }))).toBe(false);
    expect(isOurs(claim(5, ask), claim(5, { value: 'a' }))).toBe(false);
    expect(isOurs(claim(6, ask))).toBe(false);
  });

  it('is found in a queue of any length', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(10_000), { minLength: 1, maxLength: 300 }), fc.nat(), (tokens, pick) => {
        const claims = [...tokens].sort((a, b) => a - b).map((token) => claim(token));
        const index = pick % claims.length;
        const mine = claims[index] ?? claim(0);
        const place = placeOf(claims, mine);
        expect(place).toMatchObject(index === 0 ? { status: 'first' } : { status: 'blocked', ahead: index });
      }),
    );
  });
});

describe('who blocks whom', () => {
  /** m: mutex, w: writer, r: reader, a digit: a semaphore of so many permits. */
  const claims = (kinds: string): QueuedClaim[] =>
    Array.from(kinds, (letter, place) => {
      const permits = Number(letter);
      if (permits > 0) return claim(place + 1, { kind: 'semaphore', permits });
      return claim(place + 1, { kind: letter === 'r' ? 'read' : letter === 'w' ? 'write' : 'mutex' });
    });

  it.each([
    ['mm', 'one at a time', 1],
    ['wr', 'a writer keeps readers out', 1],
    ['rw', 'readers keep a writer out', 1],
    ['rrrwr', 'readers hold together, and none overtakes a writer', 3],
    ['rrrm', 'a mutex is as a writer to readers', 3],
    ['mr', 'and readers as any to a mutex', 1],
    ['333333', 'so many hold a semaphore', 3],
    ['55355', 'who disagrees: no more than the least of those who hold', 3],
    ['55553', 'and the one with the least waits for its place', 4],
    ['555535', 'nobody overtakes it', 4],
    ['3r', 'readers and semaphores exclude each other', 1],
    ['r3', 'both ways', 1],
    ['33m3', 'a mutex that waits stops later ones', 2],
    ['1111', 'a semaphore of one is a mutex', 1],
  ])('%s: %s', (kinds, _, count) => {
    expect(holding(claims(kinds))).toEqual(claims(kinds).slice(0, count));
  });

  it.each([
    ['rrwr', [0, 0, 2, 1]],
    ['222m2', [0, 0, 1, 3, 4]],
    ['mrr2', [0, 1, 1, 3]],
  ])('%s: how many have to go first', (kinds, expected) => {
    expect(claims(kinds).map((_, place) => blockers(claims(kinds), place))).toEqual(expected);
  });

  const KINDS = fc.array(fc.constantFrom('m', 'w', 'r', 'r', '1', '2', '3', '3'), { maxLength: 12 });
  /** Whether these may hold at the same time. */
  const mayHoldTogether = (held: readonly QueuedClaim[]): boolean => {
    if (held.length < 2) return true;
    if (held.every(({ kind }) => kind === 'read')) return true;
    return held.every(({ kind, permits = 0 }) => kind === 'semaphore' && held.length <= permits);
  };

  it('whatever is mixed: no two hold that exclude each other, somebody holds, and nobody overtakes', () => {
    fc.assert(
      fc.property(KINDS, (kinds) => {
        const queued = claims(kinds.join(''));
        const held = holding(queued);
        expect(mayHoldTogether(held)).toBe(true);
        expect(held.length > 0).toBe(queued.length > 0);
        expect(queued.map((_, place) => blockers(queued, place) === 0)).toEqual(
          queued.map((_, place) => place < held.length),
        );
      }),
    );
  });

  it('who holds goes on holding, whoever comes or leaves', () => {
    fc.assert(
      fc.property(KINDS, KINDS, fc.nat(), (before, after, pick) => {
        const queued = claims([...before, ...after].join(''));
        const held = holding(queued.slice(0, before.length));
        expect(holding(queued)).toEqual(expect.arrayContaining([...held]));
        const left = queued.filter((_, place) => place !== pick % queued.length);
        const rest = held.filter((one) => left.includes(one));
        expect(holding(left)).toEqual(expect.arrayContaining([...rest]));
      }),
    );
  });
});

describe('ownership', () => {
  it('is free when nobody is in the queue', () => {
    expect(ownershipOf(queue(), true)).toEqual({ status: 'free', key: 'k' });
  });

  it('names the holder and counts who waits', () => {
    const since = new Date(0);
    const state = ownershipOf(queue(claim(1, { since, meta: { job: 7 } }), claim(2), claim(3)), true);
    expect(JSON.parse(JSON.stringify(state))).toEqual({
      status: 'held',
      key: 'k',
      waiting: 2,
      holders: [
        { owner: 'owner 1', kind: 'mutex', fencingToken: '1', since: '1970-01-01T00:00:00.000Z', meta: { job: 7 } },
      ],
    });
  });

  it('does not count waiters where they leave no trace', () => {
    expect(ownershipOf(queue(claim(1)), false)).not.toHaveProperty('waiting');
  });
});

describe('errors', () => {
  const key = 'invoices/17';
  const all = [
    new AlreadyLockedError({ key, holders: [] }),
    new LockTimeoutError({ key, wait: 5, holders: [] }),
    new LockLostError({ key, reason: 'expired', fencingToken: 4711n }),
    new LockNotOwnedError({ key }),
    new LocksClosedError({ key }),
    new InvalidOptionError('ttl', 0, 'give more.'),
    new BackendError('gone', { retryable: true }),
  ];
  const classes = all.map(({ constructor }) => constructor);

  it.each(all.map((error, i) => [error.name, error, i] as const))(
    '%s is itself and a LockError, and no other',
    (_, error, i) => {
      expect(error).toBeInstanceOf(LockError);
      expect(error).toBeInstanceOf(Error);
      expect(classes.filter((type) => error instanceof type)).toEqual([classes[i]]);
      expect(error.name).toBe(classes[i]?.name);
    },
  );

  it('have a code each', () => {
    expect(new Set(all.map(({ code }) => code)).size).toBe(all.length);
  });

  it('are told from what only looks like them', () => {
    expect({ code: 'LOCK_LOST' } instanceof LockLostError).toBe(false);
    expect(new Error('LOCK_LOST') instanceof LockError).toBe(false);
  });

  it('say what to do', () => {
    expect(all.map(({ message }) => message)).toEqual([
      '"invoices/17" is held by another client. Give a longer `wait` to queue for it.',
      '"invoices/17" did not become free within 5 ms: it is held by another client.',
      'Lost "invoices/17": no renewal was answered before its deadline. Another client may hold it now: stop writing, or have writes with fencing token 4711 refused.',
      '"invoices/17" is not held any more, so it cannot be released: see the cause, and take it again.',
      '"invoices/17" cannot be held: close() was called. Make new locks with createLocks() to go on.',
      'ttl is 0: give more.',
      'gone',
    ]);
  });
});
