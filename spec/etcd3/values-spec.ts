/**
 * What keys and values on an etcd mean, whoever wrote them.
 */
import { describe, expect, it } from '@jest/globals';
import {
  appliedTo,
  byName,
  claimsOf,
  decodeClaim,
  nameOf,
  objectionTo,
  tombstoneKey,
} from '../../src/backends/etcd3/keys.js';
import type { Change, StoredClaim } from '../../src/backends/etcd3/keys.js';
import { accessToLeave, accessToPut, accessToRead, checkedOnly } from '../../src/backends/etcd3/access.js';
import type { Access } from '../../src/backends/etcd3/access.js';
import { historyRequest, idOf, isBlocked, queuedAll, triedAll, tryRequest } from '../../src/backends/etcd3/requests.js';
import type { TxnAnswer } from '../../src/backends/etcd3/requests.js';
import { LEASE, claimOf, stored } from './fakes.js';

const read = (value: unknown) => decodeClaim('a', stored('a/7', value));
const OURS = { owner: 'me', kind: 'mutex', since: '2026-01-02T03:04:05.678Z', meta: { a: 1 } };
const MUTEX = { kind: 'mutex', permits: undefined };

describe('the value of a claim', () => {
  it('is all that is said of a lock', () => {
    expect(read(OURS)).toEqual({
      id: '7',
      token: 5n,
      stamp: '5',
      ...MUTEX,
      owner: 'me',
      since: new Date('2026-01-02T03:04:05.678Z'),
      meta: { a: 1 },
      value: undefined,
      revocation: undefined,
    });
  });

  it.each([
    [
      { owner: 'me', kind: 'read' },
      { kind: 'read', permits: undefined },
    ],
    [
      { owner: 'me', kind: 'write' },
      { kind: 'write', permits: undefined },
    ],
    [
      { owner: 'me', kind: 'semaphore', permits: 2 },
      { kind: 'semaphore', permits: 2 },
    ],
    [{ owner: 'me', kind: 'semaphore' }, MUTEX],
    [{ owner: 'me', kind: 'semaphore', permits: '2' }, MUTEX],
    [{ owner: 'me', kind: 'mutex', permits: 2 }, MUTEX],
    [{ owner: 'me', kind: 'odd', permits: 2 }, MUTEX],
    // Whoever names no owner is not one of us: nobody may hold beside it.
    [{ kind: 'read' }, MUTEX],
    [{ owner: 7, kind: 'read' }, MUTEX],
  ])('%j is of that kind', (value, mode) => {
    expect(read(value)).toMatchObject(mode);
  });

  it.each([
    '',
    'not JSON',
    'null',
    '7',
    '"text"',
    '[1]',
    '["owner"]',
    '{}',
    '{"owner":"me"}',
    '{"kind":"mutex"}',
    '{"owner":1,"kind":"mutex"}',
    '{"owner":"me","kind":1}',
  ])('%j is what a candidate or a peer says', (value) => {
    expect(read(value)).toMatchObject({
      ...MUTEX,
      value,
      owner: value.includes('"owner":"me"') ? 'me' : 'unnamed (lease 7)',
    });
  });

  it.each([undefined, 7, null, 'yesterday', true])('since %p is since nobody knows when', (since) => {
    expect(read({ ...OURS, since }).since).toBeUndefined();
  });

  it.each([
    '[1]',
    '{"owner":"me"}',
    '',
    '{"kind":"mutex"}',
    'null',
    '7',
    '{"owner":1,"kind":"mutex"}',
    '{"owner":"me","kind":1}',
    undefined,
  ])('%p may be proposed by a candidate', (value) => {
    expect(objectionTo({ key: 'a', kind: 'mutex', value })).toBeUndefined();
  });

  it('that reads as a lock may not be proposed', () => {
    expect(objectionTo({ key: 'a', kind: 'mutex', value: JSON.stringify(OURS) })).toBe(
      'it reads as the claim of a lock, JSON with `owner` and `kind`. Call one of them something else.',
    );
  });
});

describe('the name of a key', () => {
  it.each([
    ['a/7', 'a'],
    ['a/b/7', 'a/b'],
    ['a/', 'a'],
    ['a', undefined],
    ['/7', undefined],
    ['a/7\0x', undefined],
    ['a\0x', undefined],
    ['a/b\0done', undefined],
  ])('%j is of %j', (key, name) => {
    expect(nameOf(Buffer.from(key))).toBe(name);
  });

  it('gathers what is said, in order, and passes over the rest', () => {
    const said = ['a/1', 'b/1', 'a', 'a/2', 'a\0x'];
    expect([...byName(said, (key) => Buffer.from(key))]).toEqual([
      ['a', ['a/1', 'a/2']],
      ['b', ['b/1']],
    ]);
  });
});

describe('the order of claims', () => {
  const put = (kv: StoredClaim): Change => ({ type: 'Put', kv });
  const gone = (key: string, revision: number): Change => ({ type: 'Delete', kv: stored(key, '', revision) });
  const ids = (queue: { readonly claims: readonly { readonly id: string }[] }) => queue.claims.map(({ id }) => id);
  const empty = { key: 'a', revision: 1n, claims: [] };

  it('is that of their tokens, and of their names where these are the same, read or told in any order', () => {
    const all = [
      stored('a/2', '', 5),
      stored('a/9', '', 3),
      stored('a/1', '', 5),
      stored('a/3', '', 10),
      stored('a/0', '', 5),
    ];
    const order = ['9', '0', '1', '2', '3'];
    for (const these of [all, [...all].reverse(), [...all].sort((x, y) => x.key.compare(y.key))]) {
      expect(claimsOf('a', these).map(({ id }) => id)).toEqual(order);
      expect(ids(appliedTo(empty, these.map(put)))).toEqual(order);
    }
  });

  it('is kept by what is written over a claim, and lost by one that comes anew', () => {
    const queue = appliedTo(empty, [put(stored('a/1', '', 3)), put(stored('a/2', '', 4))]);
    const over = appliedTo(queue, [put({ ...stored('a/1', 'x', 3), mod_revision: '5' })]);
    expect(over).toMatchObject({ revision: 5n, claims: [{ id: '1', value: 'x', stamp: '5' }, { id: '2' }] });
    const anew = appliedTo(over, [put(stored('a/1', '', 6))]);
    expect(anew).toMatchObject({ revision: 6n, claims: [{ id: '2' }, { id: '1', token: 6n }] });
    expect(ids(anew)).toHaveLength(2);
    // Of the same token, and another one.
    expect(ids(appliedTo(queue, [put(stored('a/0', '', 3))]))).toEqual(['0', '1', '2']);
  });

  it('loses who is gone, and nobody for one that it does not know, or that nests', () => {
    const queue = appliedTo(empty, [put(stored('a/1', '', 3)), put(stored('a/2', '', 4))]);
    expect(appliedTo(queue, [gone('a/3', 5)])).toMatchObject({ revision: 5n, claims: [{ id: '1' }, { id: '2' }] });
    expect(appliedTo(queue, [gone('a/b/1', 6), put(stored('a/b/2', '', 7))])).toMatchObject({
      revision: 7n,
      claims: [{ id: '1' }, { id: '2' }],
    });
    expect(ids(appliedTo(queue, [gone('a/1', 5)]))).toEqual(['2']);
    expect(queue.claims).toHaveLength(2);
  });

  it('has the claim that is known already as it is known', () => {
    const known = decodeClaim('a', stored('a/1', OURS, 3));
    const [first, second] = claimsOf('a', [stored('a/1', OURS, 3), stored('a/2', OURS, 4)], known);
    expect(first).toBe(known);
    expect(second).toMatchObject({ id: '2' });
  });
});

describe('a request', () => {
  const answer = (responses: unknown[], succeeded: boolean): TxnAnswer => ({
    revision: 9n,
    succeeded,
    responses: responses as TxnAnswer['responses'],
  });
  const found = (...kvs: unknown[]) => ({ response_range: { kvs, more: false } });

  it('counts leases in decimal, as int64, each worked out once', () => {
    const lease = { ...LEASE, id: '7fffffffffffffff' };
    expect(idOf(lease)).toBe('9223372036854775807');
    expect(idOf(lease)).toBe('9223372036854775807');
  });

  it('for the history asks for nothing, of the leader', () => {
    expect(historyRequest).toEqual({ success: [{ request_txn: {} }] });
  });

  it('that is repeated is in where all of it is in, and busy where only a part of it is', () => {
    const claims = [claimOf('a', { id: '1' }), claimOf('b', { id: '1' })];
    const [mine, both] = [found(stored('a/1a-1', OURS, 3)), found(stored('b/1a-1', OURS, 4))];
    const rest = [found(), found(), found(), found()];
    expect(triedAll(claims, answer([mine, both, ...rest], false), undefined)).toMatchObject({
      status: 'queued',
      entries: [{ claim: { token: 3n } }, { claim: { token: 4n } }],
    });
    expect(triedAll(claims, answer([mine, found(), ...rest], false), undefined)).toMatchObject({
      status: 'busy',
      queues: [{ key: 'a' }, { key: 'b' }],
    });
  });

  it('that comes in where nothing was there shows the queues: its own claims', () => {
    const claims = [claimOf('a', { id: '1' }), claimOf('b', { id: '1' })];
    const queue = { revision: 9n, claims: [{ token: 9n }] };
    expect(triedAll(claims, answer([], true), undefined)).toMatchObject({
      status: 'queued',
      entries: [
        { claim: { token: 9n }, queue: { key: 'a', ...queue } },
        { claim: { token: 9n }, queue: { key: 'b', ...queue } },
      ],
    });
  });

  it('that comes in beside others reads the queues after its claims are in', () => {
    const claim = claimOf('a', { id: '1' });
    const [reader, own] = [stored('a/7e57', OURS, 3), stored('a/1a-1', OURS, 9)];
    const shown = { response_txn: { succeeded: false, responses: [found(reader, own)] } };
    expect(triedAll([claim], answer([{}, shown], true), 7n)).toMatchObject({
      status: 'queued',
      entries: [{ claim: { token: 9n }, queue: { claims: [{ token: 3n }, { token: 9n }] } }],
    });
    expect(tryRequest([claim], 7n).success).toHaveLength(2);
    expect(tryRequest([claim], undefined).success).toHaveLength(1);
  });

  it('that was withdrawn is refused by name, be it of several', () => {
    const claims = [claimOf('a', { id: '1' }), claimOf('b', { id: '1' })];
    const none = [found(), found(), found(), found(), found()];
    expect(() => triedAll(claims, answer([...none, found(stored('b\0x', ''))], false), undefined)).toThrow(
      expect.objectContaining({
        code: 'BACKEND',
        retryable: false,
        message: '"b": the claim was withdrawn before it came in.',
      }),
    );
  });

  it('would wait behind any of the queues', () => {
    const claims = [claimOf('a'), claimOf('b')];
    const [first] = claimsOf('b', [stored('b/1', OURS)]);
    const queue = (key: string, held: boolean) => ({ key, revision: 1n, claims: held && first ? [first] : [] });
    expect(isBlocked(claims, [queue('a', false), queue('b', true)])).toBe(true);
    expect(isBlocked(claims, [queue('a', false), queue('b', false)])).toBe(false);
    expect(isBlocked(claims, [])).toBe(false);
  });

  it('that is answered in part has a claim without its queue', () => {
    const [claim] = [claimOf('a', { id: '1' })];
    const looked = { response_txn: { succeeded: false, responses: [] } };
    expect(queuedAll([claim], answer([{}, looked], true))).toMatchObject({
      entries: [{ claim: { token: 9n }, queue: undefined }],
    });
  });

  it('of a group puts the tombstone of the shortest name, which nothing of it deletes', () => {
    const [long, short, same] = [claimOf('long'), claimOf('s'), claimOf('t')];
    const puts = (accesses: readonly Access[]) =>
      checkedOnly(accesses, true).flatMap(({ request_put: put }) => put ?? []);
    const shortest = [{ key: tombstoneKey(short) }];
    const all = [long, short, same].map((claim) => accessToPut([claim]));
    expect(puts(all)).toEqual(shortest);
    expect(puts([accessToPut([long]), accessToLeave([short])])).toEqual(shortest);
    expect(puts([accessToLeave([short]), accessToLeave([same])])).toEqual([]);
    // etcd refuses a put of what the same transaction deletes.
    const deleted = checkedOnly(all, true).flatMap(({ request_delete_range: range }) =>
      range ? [String(range.key)] : [],
    );
    expect(deleted).not.toContain(String(shortest[0]?.key));
    expect(deleted).toHaveLength(5);
    expect(checkedOnly([accessToRead('x')], true)).toEqual([{ request_range: expect.objectContaining({ limit: 1 }) }]);
    // Without a user there are no roles to check: the space alone is asked for.
    expect(checkedOnly([...all, accessToRead('x')], false)).toEqual([{ request_put: shortest[0] }]);
    // A server with roles then refuses the one operation there is at the top level, whatever it is.
    expect(checkedOnly([accessToRead('x'), accessToRead('y')], false)).toHaveLength(1);
    expect(checkedOnly([accessToLeave([short]), accessToLeave([same])], false)).toHaveLength(1);
  });
});
