/**
 * What observers are shown: who was asked for a lock, who leads, who holds several keys; and what it is written as.
 */
import { describe, expect, it } from '@jest/globals';
import type { Leader } from '../../src/api/election.js';
import type { JsonValue } from '../../src/api/json.js';
import { isUnmodified } from '../../src/rules/place.js';
import { inWords, isSameRevocation, readRevocation, writtenRevocation } from '../../src/api/revocation.js';
import type { Revocation } from '../../src/api/revocation.js';
import { LockLostError } from '../../src/index.js';
import type { Ownership, Queue, QueuedClaim } from '../../src/index.js';
import { claim } from '../support/claims.js';
import { isSameLeader, leaderOf } from '../../src/rules/leader.js';
import { holderOf, isSameOwnership, ownershipOf, ownershipOfAll } from '../../src/rules/ownership.js';

const AT = new Date('2026-11-23T20:00:00.000Z');
const asked: Revocation = { reason: 'drain', by: 'ops', at: AT, within: 500 };
const queue = (...claims: QueuedClaim[]): Queue => ({ key: 'k', revision: 9n, claims });

describe('a request for a lock', () => {
  it('is written in full, without what is not known or has no end', () => {
    expect(writtenRevocation(asked)).toEqual({
      reason: 'drain',
      by: 'ops',
      at: '2026-11-23T20:00:00.000Z',
      within: 500,
    });
    expect(writtenRevocation({ ...asked, within: 0 })).toMatchObject({ within: 0 });
    expect(writtenRevocation({ reason: 'x', within: Infinity })).toEqual({ reason: 'x' });
  });

  it('is read back as it was', () => {
    for (const one of [asked, { ...asked, within: 0 }, { reason: 'x', within: Infinity }]) {
      expect(readRevocation(writtenRevocation(one))).toEqual(one);
    }
  });

  it.each<[string, JsonValue | undefined]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'drain'],
    ['a number', 7],
    ['no reason', { by: 'ops' }],
    ['a reason that is no text', { reason: 7 }],
  ])('is none where somebody wrote %s', (_, written) => {
    expect(readRevocation(written)).toBeUndefined();
  });

  it.each<[string, JsonValue]>([
    ['a date that is none', { reason: 'x', at: 'soon' }],
    ['a date that is a number', { reason: 'x', at: 0 }],
    ['a name that is none', { reason: 'x', by: 7 }],
    ['a time before now', { reason: 'x', within: -1 }],
    ['a time that is no number', { reason: 'x', within: '5' }],
  ])('is the reason alone where somebody wrote %s', (_, written) => {
    expect(readRevocation(written)).toStrictEqual({ reason: 'x', within: Infinity });
  });

  it('says who and why, as far as that is known', () => {
    expect(inWords(asked)).toBe('ops: "drain"');
    expect(inWords({ reason: 'x', within: 0 })).toBe('somebody: "x"');
  });

  it('is another one when anything of it differs', () => {
    expect(isSameRevocation(asked, { ...asked, at: new Date(AT) })).toBe(true);
    expect(isSameRevocation(undefined, undefined)).toBe(true);
    expect(isSameRevocation({ reason: 'x', within: 1 }, { reason: 'x', within: 1 })).toBe(true);
    const others: (Revocation | undefined)[] = [
      { ...asked, reason: 'x' },
      { ...asked, by: 'x' },
      { ...asked, within: 0 },
      { ...asked, at: new Date(0) },
      { reason: asked.reason, by: 'ops', within: asked.within },
      undefined,
    ];
    for (const other of others) {
      expect(isSameRevocation(asked, other)).toBe(false);
      expect(isSameRevocation(other, asked)).toBe(false);
    }
  });

  it('is in the JSON of the holder', () => {
    const holder = holderOf(claim(3, { revocation: asked }));
    expect(JSON.parse(JSON.stringify(holder))).toMatchObject({
      fencingToken: '3',
      revocation: { reason: 'drain', at: '2026-11-23T20:00:00.000Z' },
    });
    expect(JSON.stringify(holderOf(claim(3)))).not.toContain('revocation');
  });
});

describe('a leader', () => {
  const led = (...claims: QueuedClaim[]): Leader => leaderOf(queue(...claims));
  const unknown = (): Leader => ({ status: 'unknown', key: 'k', cause: new Error('no idea') });

  it('is the same as long as an observer would see no change', () => {
    expect(isSameLeader(led(), led())).toBe(true);
    const a = claim(1, { value: 'a' });
    expect(isSameLeader(led(a), led(a, claim(2)))).toBe(true);
    // Each attempt that fails has a cause of its own.
    expect(isSameLeader(unknown(), unknown())).toBe(true);
  });

  it.each<[string, Leader, Leader]>([
    ['another one', led(claim(1)), led(claim(2))],
    ['another value', led(claim(1, { value: 'a' })), led(claim(1, { value: 'b' }))],
    ['none any more', led(claim(1)), led()],
    ['nothing known', led(claim(1)), unknown()],
    ['nothing known where there was none', led(), unknown()],
  ])('changes when there is %s', (_, a, b) => {
    expect(isSameLeader(a, b)).toBe(false);
    expect(isSameLeader(b, a)).toBe(false);
  });
});

describe('several keys', () => {
  const cause = new Error('no idea');
  const unknown: Ownership = { status: 'unknown', key: 'b', cause };
  const held = (waiting: boolean, ...tokens: number[]): Ownership =>
    ownershipOf(queue(...tokens.map((token) => claim(token))), waiting);

  it('are free when all of them are', () => {
    expect(ownershipOfAll('a + b', [held(true), held(true)])).toEqual({ status: 'free', key: 'a + b' });
  });

  it('are held by all who hold one of them, and waited for by all who wait for one', () => {
    const all = ownershipOfAll('a + b', [held(true, 1, 2), held(true), held(true, 3, 4, 5)]);
    expect(all).toMatchObject({ status: 'held', key: 'a + b', waiting: 3 });
    expect(all.status === 'held' && all.holders.map(({ fencingToken }) => fencingToken)).toEqual([1n, 3n]);
    expect(ownershipOfAll('a + b', [held(false, 1), held(false, 2)])).toMatchObject({ waiting: 0 });
  });

  it('are unknown while one of them is, whatever is known of the others', () => {
    expect(ownershipOfAll('a + b', [held(true, 1), unknown])).toEqual({ status: 'unknown', key: 'a + b', cause });
  });

  it('are not the same when only one of two states is that of a holder', () => {
    for (const other of [held(true), unknown]) {
      expect(isSameOwnership(held(true, 1), other)).toBe(false);
      expect(isSameOwnership(other, held(true, 1))).toBe(false);
    }
  });
});

describe('an ownership in part unknown', () => {
  const queued = queue(claim(1), claim(2));
  const listed = ownershipOf(queued, true);
  const counted = { status: 'held', key: 'k', holders: [holderOf(claim(1))], waiting: 1 } as const;
  const bare = ownershipOf(queue(claim(1)), false);
  const cause = new Error('no idea');

  it('is another one when only one of two lists who waits', () => {
    expect(isSameOwnership(listed, counted)).toBe(false);
  });

  it.each<[string, Ownership]>([
    ['free', { status: 'free', key: 'k' }],
    ['unknown', { status: 'unknown', key: 'k', cause }],
  ])('is not held by somebody while it is %s, where waiters leave no trace', (_, other) => {
    expect(isSameOwnership(other, bare)).toBe(false);
    expect(isSameOwnership(bare, other)).toBe(false);
  });

  it('lists nobody who waits for several keys, where waiters leave no trace', () => {
    expect(ownershipOfAll('a + b', [bare, bare])).toMatchObject({ waiting: 0, waiters: [] });
  });
});

describe('who waits', () => {
  const held = (...claims: QueuedClaim[]): Ownership => ownershipOf(queue(...claims), true);
  const waiters = (ownership: Ownership): unknown =>
    ownership.status === 'held' && ownership.waiters?.map(({ owner, kind }) => [owner, kind]);
  const three = [claim(1), claim(2, { kind: 'read' }), claim(3)];

  it('is listed behind the holders, oldest first, of one key and of several', () => {
    expect(waiters(held(...three))).toEqual([
      ['owner 2', 'read'],
      ['owner 3', 'mutex'],
    ]);
    expect(waiters(ownershipOfAll('a + b', [held(...three), held(claim(4), claim(5))]))).toEqual([
      ['owner 2', 'read'],
      ['owner 3', 'mutex'],
      ['owner 5', 'mutex'],
    ]);
  });

  it('is not written as JSON, and not known where who waits leaves no trace', () => {
    expect(JSON.parse(JSON.stringify(held(...three)))).not.toHaveProperty('waiters');
    expect(waiters(ownershipOf(queue(...three), false))).toBeUndefined();
  });

  it('is a change when another waits instead', () => {
    expect(isSameOwnership(held(claim(1), claim(2)), held(claim(1), claim(3)))).toBe(false);
    expect(isSameOwnership(held(claim(1), claim(2)), held(claim(1), claim(2)))).toBe(true);
  });
});

describe('a claim of ours', () => {
  it('is not one that somebody wrote in its place, be it with a value that we were about to write', () => {
    const mine = claim(3, { value: 'a' });
    const theirs = { ...claim(5, { value: 'b' }), id: mine.id };
    expect(isUnmodified(theirs, { mine, knownAt: 3n, proposed: new Set(['b']) })).toBe(false);
    expect(isUnmodified({ ...theirs, token: 3n }, { mine, knownAt: 3n, proposed: new Set(['b']) })).toBe(true);
  });
});

describe('a loss to somebody who wrote over the claim', () => {
  const lost = (value?: string) =>
    new LockLostError({ key: 'k', reason: 'overwritten', fencingToken: 7n, by: { value } }).message;

  it('says what is there now, as far as it can be read in one line', () => {
    expect(lost('mine now')).toContain(', with "mine now"');
    expect(lost('x'.repeat(300))).toMatch(/, with "x{200}…"/);
    expect(lost('')).not.toContain('with "');
    expect(lost()).not.toContain('with "');
  });
});
