/**
 * How many groups travel at a time, who waits for whom, and what becomes of a group that fails.
 */
import { describe, expect, it } from '@jest/globals';
import { Observable } from 'rxjs';
import type { Subscriber } from 'rxjs';
import type { Access } from '../../src/backends/etcd3/access.js';
import { toBackendError } from '../../src/backends/etcd3/errors.js';
import { createGroupCommit } from '../../src/backends/etcd3/group-commit.js';
import type { Transaction } from '../../src/backends/etcd3/group-commit.js';
import type { TxnAnswer, TxnRequest } from '../../src/backends/etcd3/requests.js';
import { BackendError } from '../../src/index.js';
import { refusal } from './double/refusal.js';
import { quiet } from './world.js';

interface Sent {
  readonly txn: TxnRequest;
  readonly timeout: number;
  readonly answer: Subscriber<TxnAnswer>;
}

/** Of a transaction that puts nothing, with so many permissions. */
const accessOf = (width: number): Access => ({
  width,
  permissions: () => Array.from({ length: width }, () => ({ request_range: { key: Buffer.from('k') } })),
  claims: [],
  takesSpace: false,
});

function flow(hasRoles = true) {
  const sent: Sent[] = [];
  const told: unknown[] = [];
  const commit = createGroupCommit(
    (txn, timeout) => new Observable((answer) => void sent.push({ txn, timeout, answer })),
    hasRoles,
  );
  const ask = (name: string, more: Partial<Transaction<unknown>> = {}, timeout = 1000) =>
    commit(
      {
        what: () => `ask ${name}`,
        txn: () => ({ success: [{ request_put: { key: Buffer.from(name) } }] }),
        access: () => accessOf(1),
        names: [name],
        kind: 'enter',
        lease: '1a',
        read: ({ revision }) => `${name}@${String(revision)}`,
        ...more,
      },
      timeout,
    ).subscribe({
      next: (value) => told.push(value),
      error: (error: unknown) => told.push(error instanceof BackendError ? error.message : error),
    });
  return { sent, told, ask };
}

const sizeOf = ({ txn: { success = [] } }: Sent): number => success.filter((one) => one.request_txn).length || 1;
const sizes = (sent: readonly Sent[]): number[] => sent.map(sizeOf);
const answered = (one: Sent | undefined, parts = one ? sizeOf(one) : 0): void => {
  const part = { response_txn: { succeeded: true, responses: [] } };
  const responses = Array.from({ length: parts }, () => part) as unknown as TxnAnswer['responses'];
  one?.answer.next({ succeeded: true, responses, revision: 7n });
  one?.answer.complete();
};
const failed = (one: Sent | undefined, error: Error): void =>
  one?.answer.error(toBackendError('carry out a transaction', error));

describe('groups', () => {
  it('are four under way at the most; what comes meanwhile goes together when one is over', async () => {
    const { sent, ask } = flow();
    const some = async (...names: string[]) => {
      for (const name of names) ask(name);
      await quiet();
      return sizes(sent).slice(4);
    };
    for (const name of ['a', 'b', 'c', 'd']) await some(name);
    expect(sizes(sent)).toEqual([1, 1, 1, 1]);
    expect(await some('e', 'f')).toEqual([]);
    answered(sent[1]);
    expect(await some()).toEqual([2]);
    expect(await some('g', 'h', 'i')).toEqual([2]);
    failed(sent[0], refusal.down());
    expect(await some()).toEqual([2, 3]);
  });

  it('that end without an answer are over as well', async () => {
    const { sent, ask } = flow();
    for (const name of ['a', 'b', 'c', 'd']) {
      ask(name);
      await quiet();
    }
    ask('e');
    ask('f');
    await quiet();
    expect(sent).toHaveLength(4);
    sent[0]?.answer.complete();
    await quiet();
    expect(sent).toHaveLength(5);
  });

  it('are not waited for by claims of one queue, which cannot go together: up to 64 of them', async () => {
    const { sent, ask } = flow();
    for (let i = 0; i < 70; i += 1) ask('a');
    await quiet();
    expect(sizes(sent)).toEqual(Array.from({ length: 64 }, () => 1));
    answered(sent[0]);
    await quiet();
    expect(sent).toHaveLength(65);
  });

  it.each([
    ['another queue', 'b', 'enter'],
    ['a release', 'a', 'leave'],
  ] as const)('are waited for where %s is among those that wait', async (_, name, kind) => {
    const { sent, ask } = flow();
    for (const other of ['w', 'x', 'y', 'z']) {
      ask(other);
      await quiet();
    }
    ask('a');
    ask(name, { kind });
    ask('a');
    await quiet();
    expect(sent).toHaveLength(4);
  });

  it('take as long as the most patient of their members', async () => {
    const { sent, ask } = flow();
    ask('a', {}, 10);
    ask('b', {}, 30);
    ask('c', {}, 20);
    await quiet();
    expect(sent.map(({ timeout }) => timeout)).toEqual([30]);
  });

  it.each([
    ['reads and claims', { kind: 'read', lease: '' }, {}, [1, 1]],
    ['reads and claims of one lease', { kind: 'read' }, {}, [1, 1]],
    ['claims and reads of one lease', {}, { kind: 'read' }, [1, 1]],
    ['reads', { kind: 'read' }, { kind: 'read' }, [2]],
    ['claims of two leases', { lease: 'x' }, {}, [1, 1]],
    ['releases of one name', { kind: 'leave', names: ['n'] }, { kind: 'leave', names: ['n'] }, [2]],
    ['claims of which one name is the same', { names: ['m', 'n'] }, { names: ['o', 'n'] }, [1, 1]],
    ['a claim and a release of one name', { names: ['n'] }, { kind: 'leave', names: ['n'] }, [1, 1]],
  ] as const)('of %s', async (_, a, b, expected) => {
    const { sent, ask } = flow();
    ask('a', a);
    ask('b', b);
    await quiet();
    expect(sizes(sent)).toEqual(expected);
  });

  it('have room for 127 operations, counted by depth; one that is larger goes alone', async () => {
    const { sent, ask } = flow();
    // 119 at the top level, one of the group itself, and 7 within.
    for (let i = 0; i < 120; i += 1) ask(`k${String(i)}`);
    await quiet();
    expect(sizes(sent)).toEqual([119, 1]);
    const other = flow();
    for (let i = 0; i < 3; i += 1) other.ask(`k${String(i)}`, { size: 124 });
    other.ask('large', { size: 500 });
    await quiet();
    expect(sizes(other.sent)).toEqual([2, 1, 1]);
    const wide = flow();
    for (let i = 0; i < 3; i += 1) wide.ask(`k${String(i)}`, { access: () => accessOf(60) });
    await quiet();
    expect(sizes(wide.sent)).toEqual([1, 1, 1]);
    const none = flow();
    for (let i = 0; i < 120; i += 1) none.ask(`k${String(i)}`, { access: () => accessOf(0) });
    await quiet();
    expect(sizes(none.sent)).toEqual([119, 1]);
    // Without a user there are no permissions, so their number does not count.
    const free = flow(false);
    for (let i = 0; i < 120; i += 1) free.ask(`k${String(i)}`, { access: () => accessOf(60) });
    await quiet();
    expect(sizes(free.sent)).toEqual([119, 1]);
  });

  it('are taken from the oldest on: those behind one without room wait with it', async () => {
    const { sent, ask } = flow();
    for (const [name, width] of Object.entries({ a: 60, b: 61, c: 1 })) ask(name, { access: () => accessOf(width) });
    await quiet();
    expect(sizes(sent)).toEqual([1, 2]);
  });

  it('do not take along who has given up waiting', async () => {
    const { sent, ask } = flow();
    const [a] = [ask('a'), ask('b'), ask('c')];
    a.unsubscribe();
    await quiet();
    expect(sizes(sent)).toEqual([2]);
  });

  it('are answered each with the revision of all', async () => {
    const { sent, ask, told } = flow();
    ask('a');
    ask('b');
    await quiet();
    answered(sent[0]);
    expect(told).toEqual(['a@7', 'b@7']);
  });
});

describe('a group that fails', () => {
  it.each([
    ['and may be sent again is not taken apart', refusal.down(), [2]],
    ['since its lease is gone is not taken apart', refusal.leaseNotFound(), [2]],
    ['for one of its members is sent one by one', refusal.denied(), [2, 1, 1]],
    ['for want of space is sent one by one', refusal.noSpace(), [2, 1, 1]],
    ['since its answer is too large is sent one by one', refusal.tooLarge(), [2, 1, 1]],
  ])('%s', async (_, error, expected) => {
    const { sent, ask, told } = flow();
    ask('a');
    ask('b');
    await quiet();
    failed(sent[0], error);
    await quiet();
    expect(sizes(sent)).toEqual(expected);
    for (const one of sent.slice(1)) failed(one, error);
    expect(told).toEqual([
      expect.stringMatching(/^etcd could not ask a: /),
      expect.stringMatching(/^etcd could not ask b: /),
    ]);
    expect(sent).toHaveLength(expected.length);
  });

  it('sends those that come meanwhile apart from its members', async () => {
    const { sent, ask } = flow();
    ask('a');
    ask('b');
    await quiet();
    failed(sent[0], refusal.denied());
    ask('c');
    ask('d');
    await quiet();
    expect(sizes(sent)).toEqual([2, 1, 1, 2]);
  });

  it('for too many operations is halved, not taken apart', async () => {
    const { sent, ask } = flow();
    for (let i = 0; i < 20; i += 1) ask(`k${String(i)}`);
    await quiet();
    failed(sent[0], refusal.tooManyOperations());
    await quiet();
    expect(sizes(sent)[1]).toBeGreaterThan(1);
    expect(sizes(sent)[1]).toBeLessThan(20);
    // One that is too large by itself is told, and the others still travel.
    const alone = flow();
    alone.ask('a', { size: 200 });
    await quiet();
    failed(alone.sent[0], refusal.tooManyOperations());
    expect(alone.told).toEqual([
      expect.stringContaining(
        'the server does not take that many keys at once: raise its `--max-txn-ops`, or lock fewer keys together.',
      ),
    ]);
  });

  it('with an error that is not ours is told as it is, to each', async () => {
    const { sent, ask, told } = flow();
    const odd = new Error('odd');
    ask('a');
    ask('b');
    await quiet();
    sent[0]?.answer.error(odd);
    expect(told).toEqual([odd, odd]);
    const ours = flow();
    ours.ask('a');
    await quiet();
    ours.sent[0]?.answer.error(new BackendError('ours, of no cause', { retryable: true }));
    expect(ours.told).toEqual(['ours, of no cause']);
  });

  it('since its lease is gone is the answer where it is one, and an error where it is none', async () => {
    const { sent, ask, told } = flow();
    ask('a', { leaseGone: 'gone' });
    ask('b');
    await quiet();
    failed(sent[0], refusal.leaseNotFound());
    expect(told).toEqual(['gone', expect.stringContaining('requested lease not found')]);
  });

  it('with an answer that has not all of its members is an error of those', async () => {
    const { sent, ask, told } = flow();
    ask('a');
    ask('b');
    await quiet();
    answered(sent[0], 1);
    expect(told).toEqual(['a@7', 'etcd answered a part of a transaction.']);
  });

  it('with an answer that one cannot read is an error of that one', async () => {
    const { sent, ask, told } = flow();
    const unread = new Error('unread');
    ask('a', {
      read: () => {
        throw unread;
      },
    });
    ask('b');
    await quiet();
    answered(sent[0]);
    expect(told).toEqual([unread, 'b@7']);
  });
});
