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
