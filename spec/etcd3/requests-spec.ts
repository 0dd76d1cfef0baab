/**
 * What is said to etcd about claims, and what its answers and what others have written mean.
 */
import { describe, expect, it } from '@jest/globals';
import { EMPTY, lastValueFrom, of, throwError } from 'rxjs';
import { isTokenStale, toBackendError } from '../../src/backends/etcd3/errors.js';
import { Incarnation } from '../../src/backends/etcd3/incarnation.js';
import {
  appliedTo,
  claimKey,
  claimsOf,
  decodeClaim,
  encodeAsked,
  isWithin,
  rangeOf,
} from '../../src/backends/etcd3/keys.js';
import { queuedAs } from '../../src/backend/claims.js';
import { createReader } from '../../src/backends/etcd3/pages.js';
import type { Page, PageRequest } from '../../src/backends/etcd3/pages.js';
import {
  dequeueRequest,
  proclaimRequest,
  queuedAll,
  removeRequest,
  triedAll,
  tryRequest,
} from '../../src/backends/etcd3/requests.js';
import type { TxnAnswer, TxnRequest } from '../../src/backends/etcd3/requests.js';
import { LEASE, claimOf, stored } from './fakes.js';

const answer = (responses: unknown[], succeeded = true): TxnAnswer => ({
  revision: 9n,
  succeeded,
  responses: responses as TxnAnswer['responses'],
});
const looked = (kvs: unknown[], more: boolean) => ({
  response_txn: { succeeded: false, responses: [{ response_range: { kvs, more } }] },
});

describe('an answer to entering', () => {
  it('shows the queue where all of it was read, and none where it was cut off', () => {
    const claim = claimOf('a');
    const kvs = [stored('a/7e57', '', 3)];
    const shown = (more: boolean) => queuedAll([claim], answer([{}, looked(kvs, more)])).entries;
    expect(shown(false)).toMatchObject([{ queue: { claims: [{ token: 3n }] } }]);
    expect(shown(true)).toMatchObject([{ queue: undefined }]);
  });

  it('of a claim that was withdrawn before it came in is a refusal', () => {
    expect(() => queuedAll([claimOf('a')], answer([{ response_range: { kvs: [] } }], false))).toThrow(/withdrawn/);
  });
});

describe('a try', () => {
  const ranges = ({ compare = [] }: TxnRequest) => compare.filter(({ range_end }) => range_end);
  const within = (name: string) => rangeOf(`${name}/`);

  it('comes in where nothing is below any of its names, or nothing has come since', () => {
    const claims = [claimOf('a'), claimOf('b')];
    expect(ranges(tryRequest(claims, undefined))).toEqual([
      { ...within('a'), target: 'Create', result: 'Equal', create_revision: 0 },
      { ...within('b'), target: 'Create', result: 'Equal', create_revision: 0 },
    ]);
    expect(ranges(tryRequest(claims, 7n))).toEqual([
      { ...within('a'), target: 'Mod', result: 'Less', mod_revision: 8 },
      { ...within('b'), target: 'Mod', result: 'Less', mod_revision: 8 },
    ]);
  });

  it('shows what was there, and finds what an earlier attempt of it has put', () => {
    const claim = claimOf('a');
    const own = stored(claimKey(claim).toString(), '', 3);
    const found = (...all: unknown[][]) =>
      triedAll(
        [claim],
        answer(
          all.map((kvs) => ({ response_range: { kvs, more: false } })),
          false,
        ),
        undefined,
      );
    expect(found([], [stored('a/7e57', '', 3)])).toMatchObject({
      status: 'busy',
      queues: [{ claims: [{ token: 3n }] }],
    });
    expect(found([own], [own])).toMatchObject({ status: 'queued', entries: [{ claim: { token: 3n } }] });
  });
});

describe('a withdrawal', () => {
  it('of one that nobody knows to be in writes a tombstone, on its lease, for each key', () => {
    const claims = [claimOf('a'), claimOf('b')];
    for (const some of [claims, claims.slice(1)]) {
      const { success = [] } = dequeueRequest(some, undefined, undefined);
      const puts = success.flatMap(({ request_put: one }) => one ?? []);
      const removed = success.flatMap(({ request_delete_range: one }) => one ?? []);
      expect(puts).toHaveLength(some.length);
      expect(removed).toHaveLength(some.length);
      expect(puts.every(({ key, lease }) => String(key).includes('\0') && lease === '26')).toBe(true);
    }
  });

  it('of one that is in deletes that one only', () => {
    const claim = claimOf('a');
    const mine = queuedAs(claim, 7n);
    const still = [{ key: claimKey(claim), target: 'Create', result: 'Equal', create_revision: 7 }];
    expect(dequeueRequest([claim], [mine], undefined).compare).toEqual(still);
    expect(removeRequest('a', mine).compare).toEqual(still);
    const [each] = dequeueRequest([claim, claimOf('b')], [mine, mine], undefined).success ?? [];
    expect(each).toMatchObject({ request_txn: { compare: still } });
    expect(proclaimRequest('a', mine, 'v').compare).toEqual([
      ...still,
      { key: claimKey(claim), target: 'Mod', result: 'Equal', mod_revision: 7 },
    ]);
  });
});

describe('what is written over a claim', () => {
  it('to ask for it says all that it said', () => {
    const semaphore = queuedAs(claimOf('a', { kind: 'semaphore', permits: 3, meta: { a: 1 } }), 7n);
    const asked = encodeAsked(semaphore, { reason: 'why', within: 10, by: 'me', at: new Date(0) });
    const read = decodeClaim('a', stored(`a/${semaphore.id}`, asked.toString()));
    expect(read).toMatchObject({
      kind: 'semaphore',
      permits: 3,
      meta: { a: 1 },
      owner: 'me',
      revocation: { within: 10 },
    });
  });

  it('without its lease makes it the claim of somebody unnamed, which will not end by itself', () => {
    const value = { owner: 'me', kind: 'read', revocation: { reason: 'r', within: 100, by: 'x', at: '2026-01-01' } };
    expect(decodeClaim('a', stored('a/1a-0', value))).toMatchObject({ owner: 'me', kind: 'read' });
    const orphan = decodeClaim('a', stored('a/1a-0', value, 5, '0'));
    expect(orphan).toMatchObject({ owner: 'unnamed (lease 1a-0)', kind: 'mutex', revocation: undefined });
  });

  it.each([0, -1, 1e99, 1.5, '3', null])('permits of %p are those of a mutex', (permits) => {
    const read = decodeClaim('a', stored('a/1a-0', { owner: 'x', kind: 'semaphore', permits }));
    expect(read).toMatchObject({ kind: 'mutex', permits: undefined });
  });
});

describe('a queue', () => {
  const twins = [stored('a/x', '', 5), stored('a/y', '', 5)];

  it('has two claims where one transaction put two, read or told', () => {
    const read = claimsOf('a', [...twins].reverse());
    const told = appliedTo(
      { key: 'a', revision: 4n, claims: [] },
      [...twins].reverse().map((kv) => ({ type: 'Put', kv }) as const),
    );
    expect(read.map(({ id }) => id)).toEqual(['x', 'y']);
    expect(told.claims.map(({ id }) => id)).toEqual(['x', 'y']);
    const [first = stored('a/x', '')] = twins;
    expect(appliedTo(told, [{ type: 'Delete', kv: { ...first, mod_revision: '6' } }]).claims).toMatchObject([
      { id: 'y' },
    ]);
  });

  it('has nothing of what nests in its name', () => {
    expect(claimsOf('a', [stored('a/b/c', ''), stored('a/b\0c', '')])).toEqual([]);
  });

  it.each([
    ['a/', true],
    ['a/z', true],
    ['a', false],
    ['a0', false],
    ['b/z', false],
  ])('%s is within what begins with a/: %p', (key, is) => {
    expect(isWithin(Buffer.from(key), rangeOf('a/'))).toBe(is);
    expect(isWithin(Buffer.from(key), rangeOf(''))).toBe(true);
  });
});

describe('what is more than one answer carries', () => {
  const tooLarge = toBackendError(
    'read',
    new Error('8 RESOURCE_EXHAUSTED: Received message larger than max (5 vs. 4)'),
  );

  it('is read in pages that are halved until they fit, all at the revision of the first', async () => {
    const keys = Array.from({ length: 700 }, (_, i) => stored(`a/${String(i).padStart(4, '0')}`, ''));
    const asked: PageRequest[] = [];
    const page = (limit: number, from: number): Page => ({
      revision: 9n,
      kvs: keys.slice(from, from + limit),
      more: from + limit < keys.length,
    });
    const read = createReader(
      (transaction) => {
        const [one] = transaction.txn().success ?? [];
        const limit = Number(one?.request_range?.limit);
        return limit > 300 ? throwError(() => tooLarge) : of(page(limit, 0));
      },
      (request) => {
        asked.push(request);
        const from = keys.findIndex(({ key }) => key.compare(request.key) >= 0);
        return request.limit > 100 ? throwError(() => tooLarge) : of(page(request.limit, from));
      },
    );
    const { kvs, revision } = await lastValueFrom(read('a/', 1000));
    expect(kvs).toEqual(keys);
    expect(revision).toBe(9n);
    expect(asked.every((request) => request.revision === '9')).toBe(true);
  });

  it('is an error where a single key is too large, and any other error is told as it is', async () => {
    const limits: number[] = [];
    const failing = (error: unknown) =>
      createReader(
        (transaction) => {
          limits.push(Number(transaction.txn().success?.[0]?.request_range?.limit));
          return throwError(() => error);
        },
        () => EMPTY,
      )('a/', 1000);
    await expect(lastValueFrom(failing(tooLarge))).rejects.toBe(tooLarge);
    expect(limits.at(-1)).toBe(1);
    limits.splice(0);
    const other = new Error('other');
    await expect(lastValueFrom(failing(other))).rejects.toBe(other);
    expect(limits).toEqual([2000]);
  });
});

describe('the history of a server', () => {
  const known = (changed: string[] = []) => new Incarnation(({ message }) => changed.push(message));
  const header = (revision: number, cluster_id = '1') => ({ revision: String(revision), cluster_id });
  const [a, b] = [{}, {}];

  it('has the leases it granted, and no others', () => {
    const history = known();
    expect(history.objection(LEASE)).toMatchObject({ retryable: true });
    history.granted(LEASE);
    expect(history.objection(LEASE)).toBeUndefined();
  });

  it('is another one when its revision falls: then no lease and no view of before is of it', () => {
    const changed: string[] = [];
    const history = known(changed);
    history.answered(history.asked(), header(10));
    history.granted(LEASE);
    const view = history.read({ key: 'a', revision: 4n, claims: [] });
    expect(history.has(view)).toBe(true);
    history.answered(history.asked(), header(5));
    expect(changed).toHaveLength(1);
    expect(history.objection(LEASE)).toMatchObject({ message: expect.stringContaining('backup') });
    expect(history.has(view)).toBe(false);
    history.answered(history.asked(), header(6));
    expect(history.has(view)).toBe(false);
  });

  it('is not another one because of an answer to an older question', () => {
    const changed: string[] = [];
    const history = known(changed);
    const before = history.asked();
    history.answered(history.asked(), header(10));
    history.answered(before, header(5));
    expect(changed).toEqual([]);
    expect(history.isDoubtful(history.asked(), header(9))).toBe(true);
    expect(history.isDoubtful(before, header(9))).toBe(false);
  });

  it('is another one when an endpoint is of another cluster than before', () => {
    const changed: string[] = [];
    const history = known(changed);
    history.heardFrom(history.asked(), a, header(1, '1'));
    expect(history.hasHeardFrom(a)).toBe(true);
    expect(history.hasHeardFrom(b)).toBe(false);
    history.heardFrom(history.asked(), a, header(1, '2'));
    expect(changed).toHaveLength(1);
  });

  it('refuses an endpoint of another cluster than the others', () => {
    const changed: string[] = [];
    const history = known(changed);
    history.heardFrom(history.asked(), a, header(1, '1'));
    expect(() => history.heardFrom(history.asked(), b, header(1, '2'))).toThrow(/two clusters/);
    expect(() => history.heardFrom(history.asked(), b, header(1, '2'))).toThrow(/two clusters/);
    history.heardFrom(history.asked(), a, header(1, '1'));
    expect(changed).toEqual([]);
  });
});

describe('an error', () => {
  it.each([
    ['etcdserver: revision of auth store is old', true, 'unknown'],
    ['etcdserver: invalid auth token', true, 'unknown'],
    ['etcdserver: request timed out', true, 'unknown'],
    ['etcdserver: mvcc: database space exceeded', false, 'unknown'],
    ['8 RESOURCE_EXHAUSTED: Received message larger than max (5 vs. 4)', true, 'unknown'],
    ['etcdserver: permission denied', false, 'none'],
    ['etcdserver: authentication failed, invalid user ID or password', false, 'none'],
  ])('%s: asking again may help: %p; whether it was carried out: %s', (message, retryable, outcome) => {
    expect(toBackendError('do it', new Error(message))).toMatchObject({ retryable, outcome });
    expect(isTokenStale(new Error(message))).toBe(/auth store|auth token/.test(message));
  });

  it('says what to do where the deadline of the client comes before ours', () => {
    const { message, retryable } = toBackendError(
      'read "k"',
      new Error('4 DEADLINE_EXCEEDED: no answer within 700 ms'),
    );
    expect(retryable).toBe(true);
    expect(message).toBe(
      'etcd could not read "k": the server did not answer in time. Is it up, and are hosts and firewall right?',
    );
  });
});
