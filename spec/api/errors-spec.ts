/**
 * What an error carries beside its class: who is in the way, what was lost and why, what to do.
 */
import { describe, expect, it } from '@jest/globals';
import {
  AlreadyLockedError,
  BackendError,
  InvalidOptionError,
  LockError,
  LockLostError,
  LockNotOwnedError,
  LockTimeoutError,
  LocksClosedError,
  RunFailedError,
  RunResultError,
} from '../../src/index.js';
import type { Holder, LossReason } from '../../src/index.js';

const key = 'invoices/17';
const holder = (owner: string): Holder => ({ owner, kind: 'mutex', fencingToken: 1n, toJSON: () => owner });
const holders = [holder('billing:1'), holder('billing:2')];
const cause = new Error('the client said so');

describe('an error about a lock that others hold', () => {
  it.each([
    [
      'tried once',
      () => new AlreadyLockedError({ key, holders }),
      `"${key}" is held by billing:1, billing:2. Give a longer`,
    ],
    [
      'waited for',
      () => new LockTimeoutError({ key, wait: 5, holders }),
      'within 5 ms: it is held by billing:1, billing:2.',
    ],
  ])('names them: %s', (_, make, sentence) => {
    const error = make();
    expect(error.message).toContain(sentence);
    expect(error).toMatchObject({ key, holders });
  });

  it('says how long it was waited for', () => {
    expect(new LockTimeoutError({ key, wait: 5, holders })).toMatchObject({ wait: 5 });
  });
});

describe('an error about a lock that was lost', () => {
  it.each<[LossReason, string]>([
    ['expired', 'no renewal was answered before its deadline'],
    ['deleted', 'its claim was deleted on the server'],
    ['overwritten', 'its claim was overwritten on the server'],
    ['session', 'the server says that its lease is gone'],
  ])('says how: %s', (reason, how) => {
    const error = new LockLostError({ key, reason, fencingToken: 4711n, cause });
    expect(error.message).toContain(`Lost "${key}": ${how}. `);
    expect(error).toMatchObject({ key, reason, fencingToken: 4711n, cause });
  });
});

describe('an error', () => {
  it('carries what it is about', () => {
    expect(new LockNotOwnedError({ key, cause })).toMatchObject({ key, cause });
    expect(new LocksClosedError({ key })).toMatchObject({ key });
    expect(new InvalidOptionError('ttl', 0, '')).toMatchObject({ option: 'ttl', value: 0 });
    expect(new BackendError('no', { retryable: true, cause })).toMatchObject({ retryable: true, cause });
    expect(new BackendError('no', { retryable: false })).toMatchObject({ retryable: false });
    expect(new BackendError('no', { retryable: true }).outcome).toBe('unknown');
    expect(new BackendError('no', { retryable: false }).outcome).toBe('none');
    expect(new BackendError('no', { retryable: false, outcome: 'unknown' }).outcome).toBe('unknown');
  });

  it('shows a text in quotes, so that an empty one can be seen, and anything else as it is', () => {
    expect(new InvalidOptionError('owner', '', 'give one.').message).toBe('owner is "": give one.');
    expect(new InvalidOptionError('owner', null, 'give one.').message).toBe('owner is null: give one.');
  });

  it('is known by its mark, which no dump shows', () => {
    expect(Object.keys(new LocksClosedError({ key })).sort()).toEqual(['code', 'key', 'name']);
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'LOCK_LOST'],
    ['a function with a code', Object.assign(() => undefined, { code: 'LOCK_LOST' })],
    ['an error with a code', Object.assign(new Error('no'), { code: 'LOCK_LOST' })],
    ['the mark without a code', { [Symbol.for('rxlock.LockError')]: true }],
    ['a code under another mark', { [Symbol.for('another')]: true, code: 'LOCK_LOST' }],
  ])('is not %s', (_, value) => {
    expect((value as unknown) instanceof LockError).toBe(false);
    expect((value as unknown) instanceof LockLostError).toBe(false);
  });

  it('is one of another copy of the package, by mark and code', () => {
    const other = { [Symbol.for('rxlock.LockError')]: true, code: 'LOCK_LOST' };
    expect(other instanceof LockLostError).toBe(true);
    expect(other instanceof LockError).toBe(true);
    expect(other instanceof BackendError).toBe(false);
  });

  it('says what to do', () => {
    expect(new AlreadyLockedError({ key, holders: [] }).message).toBe(
      `"${key}" is held by another client. Give a longer \`wait\` to queue for it.`,
    );
    expect(new LockLostError({ key, reason: 'expired', fencingToken: 4711n }).message).toContain(
      'Another client may hold it now: stop writing, or have writes with fencing token 4711 refused.',
    );
    expect(new LockNotOwnedError({ key }).message).toBe(
      `"${key}" is not held any more, so it cannot be released: see the cause, and take it again.`,
    );
    expect(new LocksClosedError({ key }).message).toBe(
      `"${key}" cannot be held: close() was called. Make new locks with createLocks() to go on.`,
    );
  });
});

describe('an error has the name of its class, also where a minifier has renamed that', () => {
  class OfUser extends BackendError {}
  it.each<[string, () => LockError]>([
    ['AlreadyLockedError', () => new AlreadyLockedError({ key, holders })],
    ['LockTimeoutError', () => new LockTimeoutError({ key, wait: 5, holders })],
    ['LockLostError', () => new LockLostError({ key, reason: 'expired', fencingToken: 1n })],
    ['LockNotOwnedError', () => new LockNotOwnedError({ key })],
    ['LocksClosedError', () => new LocksClosedError({ key })],
    ['InvalidOptionError', () => new InvalidOptionError('ttl', 0, 'give more.')],
    ['BackendError', () => new BackendError('no', { retryable: true })],
    ['BackendError', () => new OfUser('no', { retryable: true })],
    ['RunFailedError', () => new RunFailedError({ key, by: 'a', reason: 'no' })],
    ['RunResultError', () => new RunResultError({ key, objection: 'it is too large.' })],
  ])('%s', (name, make) => {
    const error = make();
    expect(error.name).toBe(name);
    expect(String(error)).toBe(`${name}: ${error.message}`);
    expect(error.toJSON()).toMatchObject({ name, code: error.code, message: error.message });
  });

  it('and one of a class that gives itself no name has that of the base', () => {
    class Own extends LockError {
      readonly code = 'BACKEND';
    }
    expect(new Own('no').name).toBe('LockError');
  });
});

describe('of many holders', () => {
  const many = (count: number): Holder[] => Array.from({ length: count }, (_, i) => holder(`o${String(i + 1)}`));

  it.each([
    [1, 'o1'],
    [5, 'o1, o2, o3, o4, o5'],
    [6, 'o1, o2, o3, o4, o5 and 1 more'],
    [12, 'o1, o2, o3, o4, o5 and 7 more'],
  ])('a message names five, and says how many more there are: %d', (count, list) => {
    expect(new AlreadyLockedError({ key, holders: many(count) }).message).toBe(
      `"${key}" is held by ${list}. Give a longer \`wait\` to queue for it.`,
    );
    expect(new LockTimeoutError({ key, wait: 5, holders: many(count) }).message).toBe(
      `"${key}" did not become free within 5 ms: it is held by ${list}.`,
    );
    expect(new AlreadyLockedError({ key, holders: many(count) }).holders).toHaveLength(count);
  });
});

describe('a contender related to the holder', () => {
  const mine = [holder('billing:1')];

  it('is told that it waits for itself, and not to wait for longer', () => {
    expect(new AlreadyLockedError({ key, holders: mine, relation: 'itself' }).message).toBe(
      `"${key}" is held by billing:1. The contender runs inside the body of the holder, so it waits for itself: ` +
        'locks are not reentrant.',
    );
  });

  it('is told that the holder is of the same Locks', () => {
    expect(new AlreadyLockedError({ key, holders: mine, relation: 'same' }).message).toBe(
      `"${key}" is held by billing:1. The holder is of the same \`Locks\`. Give a longer \`wait\` to queue for it.`,
    );
  });
});

describe('a result that cannot be kept for others', () => {
  it('is said with the objection and the cause', () => {
    const error = new RunResultError({ key, objection: 'it is too large.', cause });
    expect(error.message).toBe(`The result of "${key}" cannot be kept for others: it is too large.`);
    expect(error).toMatchObject({ key, cause });
  });
});

it('a text of millions of characters, given by mistake, is refused as fast as a short one', () => {
  const { message } = new InvalidOptionError('url', 'a'.repeat(2_000_000), 'give an address.');
  expect(message).toBe(`url is "${'a'.repeat(200)}…": give an address.`);
});
