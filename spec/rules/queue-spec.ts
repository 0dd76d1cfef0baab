/**
 * What is read off a queue: who holds, where a token belongs, which of ours are missing, what is news to an observer.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { blockers, holding, wouldWait } from '../../src/rules/blockers.js';
import { claimToWaitFor, isFar } from '../../src/rules/far.js';
import type { Ownership } from '../../src/api/ownership.js';
import type { QueuedClaim } from '../../src/index.js';
import { changedPart, indexOf, isLost, placeFor, without } from '../../src/rules/place.js';
import type { OwnClaim } from '../../src/rules/place.js';
import { claim } from '../support/claims.js';
import { holderOf, holdersOf, isSameOwnership, ownershipOf } from '../../src/rules/ownership.js';

const claims = (...tokens: number[]): QueuedClaim[] => tokens.map((token) => claim(token));
const tokensOf = (some: readonly { readonly token: bigint }[]): number[] => some.map(({ token }) => Number(token));

describe('of a queue of mutexes', () => {
  it('the first holds, and each is blocked by all before it', () => {
    const queue = claims(3, 5, 9);
    expect(queue.map((_, place) => blockers(queue, place))).toEqual([0, 1, 2]);
    expect(tokensOf(holding(queue))).toEqual([3]);
  });

  it('nobody holds when it is empty, the only one when it is alone', () => {
    expect(holding([])).toEqual([]);
    expect(tokensOf(holding(claims(3)))).toEqual([3]);
  });

  it('a place that is not there counts as a mutex, too', () => {
    expect(blockers([], 0)).toBe(0);
    expect(blockers([], 2)).toBe(2);
  });
});

describe('a token', () => {
  it.each([
    [1, 0],
    [2, 0],
    [3, 1],
    [4, 1],
    [7, 2],
    [8, 2],
    [9, 3],
  ])('%d belongs behind those that are smaller', (token, place) => {
    expect(placeFor(claims(2, 4, 8), BigInt(token))).toBe(place);
  });

  it('is found where it is, and nowhere else', () => {
    const queue = claims(2, 4, 8, 16);
    expect([2n, 4n, 8n, 16n].map((token) => indexOf(queue, token))).toEqual([0, 1, 2, 3]);
    expect([1n, 3n, 15n, 17n].map((token) => indexOf(queue, token))).toEqual([-1, -1, -1, -1]);
    expect(indexOf([], 2n)).toBe(-1);
  });
});

describe('of ours', () => {
  const ours = (...tokens: number[]) =>
    claims(...tokens).map((mine) => ({ mine, token: mine.token, knownAt: mine.token }));

  it.each<[string, QueuedClaim[], number[], number, number[]]>([
    ['none is missing when all are there', claims(1, 2, 3, 4, 5), [2, 4, 5], 9, []],
    ['those that were deleted are missing', claims(1, 3, 5), [1, 2, 3, 4, 5, 6], 9, [2, 4, 6]],
    ['all are missing in an empty queue', [], [2, 4], 9, [2, 4]],
    ['one that was written over is missing', [claim(2, { stamp: '7' }), claim(4)], [2, 4], 9, [2]],
    ['one that was swapped for another is missing', [claim(2, { id: 'other' }), claim(4)], [2, 4], 9, [2]],
    ['one as old as the view is looked for', [], [4], 4, [4]],
    ['one younger than the view is not', [], [4, 5], 4, [4]],
  ])('%s', (_, queue, tokens, revision, missing) => {
    const view = { key: 'k', revision: BigInt(revision), claims: queue };
    expect(tokensOf(ours(...tokens).filter((one) => isLost(view, one)))).toEqual(missing);
  });

  it.each<[string, QueuedClaim[], Partial<OwnClaim>, number, number[]]>([
    [
      'one that we write over is not missing',
      [claim(2, { stamp: '7', value: 'B' })],
      { proposed: new Set('B') },
      7,
      [],
    ],
    ['another value than ours is', [claim(2, { stamp: '7', value: 'C' })], { proposed: new Set('B') }, 7, [2]],
    ['so is one without a value', [claim(2, { stamp: '7' })], { proposed: new Set('B') }, 7, [2]],
    [
      'so is our value over the claim of another',
      [claim(2, { id: 'x', value: 'B' })],
      { proposed: new Set('B') },
      7,
      [2],
    ],
    ['a view older than what we wrote says nothing', [claim(2, { stamp: 'old' })], { knownAt: 8n }, 7, []],
    ['one as old as that does', [claim(2, { stamp: 'old' })], { knownAt: 7n }, 7, [2]],
  ])('%s', (_, queue, known, revision, missing) => {
    const ours = { mine: claim(2), token: 2n, knownAt: 2n, ...known };
    const view = { key: 'k', revision: BigInt(revision), claims: queue };
    expect(tokensOf([ours].filter((one) => isLost(view, one)))).toEqual(missing);
  });
});

describe('from one view to the next', () => {
  const [a, b, c, d] = claims(1, 2, 3, 4) as [QueuedClaim, QueuedClaim, QueuedClaim, QueuedClaim];
  const asked = claim(2, { stamp: '9' });

  it.each<[string, QueuedClaim[], QueuedClaim[], { start: number; end: number }]>([
    ['nothing changed', [a, b, c], [a, b, c], { start: 3, end: 3 }],
    ['one came', [a, b], [a, b, c], { start: 2, end: 2 }],
    ['the first one left', [a, b, c], [b, c], { start: 0, end: 1 }],
    ['one left from the middle', [a, b, c], [a, c], { start: 1, end: 2 }],
    ['one left and one came', [a, b, c], [b, c, d], { start: 0, end: 3 }],
    ['one was written over', [a, b, c], [a, asked, c], { start: 1, end: 2 }],
    ['all left', [a, b], [], { start: 0, end: 2 }],
    ['the first came', [], [a], { start: 0, end: 0 }],
  ])('%s', (_, before, after, part) => {
    expect(changedPart(before, after)).toEqual(part);
  });

  it('what is outside of the changed part is the same, whatever happened', () => {
    const some = fc.subarray(claims(1, 2, 3, 4, 5, 6, 7));
    fc.assert(
      fc.property(some, some, (before, after) => {
        const { start, end } = changedPart(before, after);
        expect(after.slice(0, start)).toEqual(before.slice(0, start));
        expect(after.slice(after.length - (before.length - end))).toEqual(before.slice(end));
        expect(start).toBeLessThanOrEqual(end);
      }),
    );
  });

  it('it ends no earlier than it begins, in either view, even if a claim were there twice', () => {
    const some = fc.array(fc.constantFrom(a, b, c), { maxLength: 5 });
    fc.assert(
      fc.property(some, some, (before, after) => {
        const { start, end } = changedPart(before, after);
        const kept = before.length - end;
        expect(end).toBeGreaterThanOrEqual(start);
        expect(after.length - kept).toBeGreaterThanOrEqual(start);
        expect([...before.slice(0, start), ...after.slice(start, after.length - kept), ...before.slice(end)]).toEqual(
          after,
        );
      }),
      {
        examples: [
          [[a], [a, a]],
          [[a, a], [a]],
          [[a, b, a], [a]],
          [[a], [a, b, a]],
        ],
      },
    );
  });

  it('a queue without one of its claims is another queue', () => {
    const before = [a, b, c];
    expect(without(before, 2n)).toEqual([a, c]);
    expect(without(before, 9n)).toBe(before);
    expect(before).toEqual([a, b, c]);
  });
});

describe('a holder', () => {
  it('is shown with what is known of it, and nothing else', () => {
    const since = new Date(0);
    const [bare, full] = [holderOf(claim(1)), holderOf(claim(2, { since, meta: null }))];
    expect(bare).toStrictEqual({ owner: 'owner 1', kind: 'mutex', fencingToken: 1n });
    expect(bare.toJSON()).toStrictEqual({ owner: 'owner 1', kind: 'mutex', fencingToken: '1' });
    expect(full).toMatchObject({ owner: 'owner 2', fencingToken: 2n, since, meta: null });
    expect(full.toJSON()).toStrictEqual({
      owner: 'owner 2',
      kind: 'mutex',
      fencingToken: '2',
      since: '1970-01-01T00:00:00.000Z',
      meta: null,
    });
  });

  it('is the first of the queue', () => {
    expect(holdersOf({ key: 'k', revision: 9n, claims: claims(3, 5) }).map(({ owner }) => owner)).toEqual(['owner 3']);
  });
});

describe('an ownership', () => {
  const held = (waitersQueue: boolean, ...tokens: number[]): Ownership =>
    ownershipOf({ key: 'k', revision: 9n, claims: claims(...tokens) }, waitersQueue);
  const unknown: Ownership = { status: 'unknown', key: 'k', cause: new Error('silence') };
  const both = { ...held(true, 3), holders: claims(3, 5).map(holderOf) };
  const otherSecond = { ...both, holders: claims(3, 6).map(holderOf) };

  it.each<[string, Ownership, Ownership, boolean]>([
    ['free is free', held(true), held(true), true],
    ['held is not free', held(true, 3), held(true), false],
    ['free is not held', held(true), held(true, 3), false],
    ['held by the same is held by the same', held(true, 3), held(true, 3), true],
    ['held by another is news', held(true, 3), held(true, 4), false],
    ['one more who waits is news', held(true, 3), held(true, 3, 5), false],
    ['one more who waits cannot be seen where they leave no trace', held(false, 3), held(false, 3, 5), true],
    ['one more who holds is news', held(true, 3), both, false],
    ['one less who holds is news', both, held(true, 3), false],
    ['another second holder is news', both, otherSecond, false],
    ['unknown is told once, though each attempt that fails has a cause of its own', unknown, unknown, true],
    ['unknown is not free', unknown, held(true), false],
    ['held is not unknown', held(true, 3), unknown, false],
  ])('%s', (_, before, after, isSame) => {
    expect(isSameOwnership(before, after)).toBe(isSame);
  });
});

describe('a new claim behind others', () => {
  const read = claim(1, { kind: 'read' });
  const write = claim(2, { kind: 'write' });
  const permits = (token: number, permits: number): QueuedClaim => claim(token, { kind: 'semaphore', permits });

  it.each<[string, QueuedClaim[], QueuedClaim, boolean]>([
    ['a mutex waits for nobody', [], claim(9), false],
    ['a mutex waits for a mutex', [claim(1)], claim(9), true],
    ['a reader waits for no reader', [read, read], read, false],
    ['a reader waits for a writer', [read, write], read, true],
    ['a writer waits for a reader', [read], write, true],
    ['the second of two permits is free', [permits(1, 2)], permits(9, 2), false],
    ['the third of two is not', [permits(1, 2), permits(2, 2)], permits(9, 2), true],
    ['the smaller number of permits counts', [permits(1, 2)], permits(9, 1), true],
  ])('%s', (_, ahead, mine, waits) => {
    expect(wouldWait(ahead, mine)).toBe(waits);
  });
});

describe('far from the head', () => {
  const line = (more: Partial<QueuedClaim>): QueuedClaim[] => [1, 2, 3, 4, 5].map((token) => claim(token, more));
  const waitsFor = (more: Partial<QueuedClaim>, token: number, near = 2): bigint | undefined =>
    claimToWaitFor(line(more), claim(token, more), near)?.token;

  it('begins at twice what is near', () => {
    expect([3, 4, 5].map((ahead) => isFar(ahead, 2))).toEqual([false, true, true]);
  });

  it('a claim waits for the one so many places ahead, nearer for the whole queue', () => {
    expect([waitsFor({}, 5), waitsFor({}, 4), waitsFor({}, 9)]).toEqual([3n, undefined, undefined]);
  });

  it.each<[string, Partial<QueuedClaim>, bigint | undefined]>([
    ['a writer', { kind: 'write' }, 3n],
    ['a reader', { kind: 'read' }, undefined],
    ['a semaphore of one permit', { kind: 'semaphore', permits: 1 }, 3n],
    ['a semaphore of two', { kind: 'semaphore', permits: 2 }, undefined],
  ])('no claim waits for one that others may hold beside: %s', (_, more, token) => {
    expect(waitsFor(more, 5)).toBe(token);
  });
});
