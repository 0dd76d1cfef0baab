/**
 * What is made of refusals: by a role, for want of space, by a host that is down, in which words.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, of, throwError } from 'rxjs';
import { createCalls } from '../../src/backends/etcd3/calls.js';
import { clientSource } from '../../src/backends/etcd3/client.js';
import type { ClientSource } from '../../src/backends/etcd3/client.js';
import {
  isAnswerTooLarge,
  isLeaseGone,
  isLeaseKnown,
  isOutOfSpace,
  isTokenStale,
  isTooManyOperations,
  toBackendError,
} from '../../src/backends/etcd3/errors.js';
import { Incarnation } from '../../src/backends/etcd3/incarnation.js';
import { BackendError } from '../../src/index.js';
import type { RequestOutcome } from '../../src/index.js';
import { EtcdDouble } from './double/etcd-double.js';
import { refusal } from './double/refusal.js';
import { wayTo } from './double/client.js';
import { WITHIN, answerOf, failing, on, quiet, worldOf } from './world.js';

describe('a role', () => {
  const jobs = { key: Buffer.from('jobs/'), range_end: Buffer.from('jobs0') };
  const beside = { key: Buffer.from('jobs/'), range_end: Buffer.from('jobs/~') };

  it('gives a crowd what it gives one, and the rest is refused, each by itself', async () => {
    const { backend, granted, etcd, keys } = worldOf();
    const lease = await granted();
    etcd.role = { read: [jobs], write: [jobs] };
    const names = Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? `secret/${String(i)}` : `jobs/${String(i)}`));
    const claims = names.map((key) => on(lease, key, '1'));
    const answers = await Promise.all(claims.map((claim) => failing(backend.enqueue([claim], WITHIN, 'plain'))));
    expect(answers.map((answer) => (answer instanceof BackendError ? answer.retryable : 'in'))).toEqual(
      names.map((key) => (key.startsWith('jobs/') ? 'in' : false)),
    );
    expect(answers[0]).toMatchObject({
      message:
        'etcd could not queue for "secret/0": the user may not read and write the lock\'s key: grant its role ' +
        'readwrite on the prefix of your locks.',
    });
    expect(keys().every((key) => key.startsWith('jobs/'))).toBe(true);
    expect(keys()).toHaveLength(20);
  });

  it('that may read only reads in a crowd, and puts nothing', async () => {
    const { backend, granted, etcd, keys } = worldOf();
    const lease = await granted();
    etcd.role = { read: [jobs], write: [] };
    const views = await Promise.all(
      ['jobs/1', 'jobs/2', 'x'].map((key) => failing(backend.markers?.read(key, WITHIN) ?? NEVER)),
    );
    expect(views).toMatchObject([{ 'no failure': {} }, { 'no failure': {} }, { retryable: false }]);
    const claims = ['jobs/1', 'jobs/2'].map((key) => on(lease, key, '1'));
    const entering = await Promise.all(claims.map((claim) => failing(backend.enqueue([claim], WITHIN, 'plain'))));
    const leaving = await Promise.all(claims.map((claim) => failing(backend.dequeue([claim], undefined, WITHIN))));
    expect([...entering, ...leaving]).toMatchObject(Array.from({ length: 4 }, () => ({ retryable: false })));
    expect(keys()).toEqual([]);
  });

  it('for one lock is enough to take that one in a crowd, and to leave it', async () => {
    const { backend, granted, entered, etcd, keys } = worldOf();
    const lease = await granted();
    etcd.role = { read: [jobs, beside], write: [jobs, beside] };
    const claims = ['jobs/1', 'jobs/2'].map((key) => on(lease, key, '1'));
    const queued = await Promise.all(claims.map((claim) => entered(claim)));
    expect(keys()).toHaveLength(2);
    await Promise.all(claims.map((claim, i) => answerOf(backend.dequeue([claim], queued.slice(i, i + 1), WITHIN))));
    expect(keys()).toEqual([]);
  });
});

describe('a full server', () => {
  it('refuses a crowd as it refuses one, and says so to each', async () => {
    const { backend, granted, etcd, keys } = worldOf();
    const lease = await granted();
    etcd.room = 'full';
    const claims = ['a', 'b', 'c'].map((key) => on(lease, key, '1'));
    const answers = await Promise.all(claims.map((claim) => failing(backend.enqueue([claim], WITHIN, 'show'))));
    expect(answers).toMatchObject(
      ['a', 'b', 'c'].map((key) => ({
        retryable: false,
        outcome: 'unknown',
        message: expect.stringMatching(new RegExp(`^etcd could not queue for "${key}": the server is out of space`)),
      })),
    );
    expect(keys()).toEqual([]);
  });

  it('that refuses after it was done has the claim in: asked again, it is found; withdrawn, it is out', async () => {
    const { backend, granted, etcd, keys } = worldOf();
    const lease = await granted();
    etcd.room = 'last';
    const claim = on(lease, 'a', '1');
    expect(await failing(backend.enqueue([claim], WITHIN, 'show'))).toMatchObject({
      retryable: false,
      outcome: 'unknown',
    });
    expect(keys()).toEqual(['a/1a-1']);
    etcd.room = 'space';
    expect(await answerOf(backend.enqueue([claim], WITHIN, 'show'))).toMatchObject({ status: 'queued' });
    etcd.room = 'full';
    expect(await failing(backend.dequeue([claim], undefined, WITHIN))).toMatchObject({
      retryable: false,
      outcome: 'unknown',
    });
    expect(keys()).toEqual([]);
  });

  it('lets a crowd leave that is known to be in', async () => {
    const { backend, granted, entered, etcd, keys } = worldOf();
    const lease = await granted();
    const claims = ['a', 'b', 'c'].map((key) => on(lease, key, '1'));
    const queued = await Promise.all(claims.map((claim) => entered(claim)));
    etcd.room = 'full';
    await Promise.all(claims.map((claim, i) => answerOf(backend.dequeue([claim], queued.slice(i, i + 1), WITHIN))));
    expect(keys()).toEqual([]);
  });
});

describe('an error of the client', () => {
  const TABLE: readonly [text: string, retryable: boolean, outcome: RequestOutcome, advice: string][] = [
    [
      'etcdserver: revision of auth store is old',
      true,
      'unknown',
      'the server no longer accepts the token of the client, as after a change of users or roles. If this goes on with a client of your own, give etcd3Backend() the options instead.',
    ],
    [
      '16 UNAUTHENTICATED: etcdserver: invalid auth token',
      true,
      'unknown',
      'the server no longer accepts the token of the client, as after a change of users or roles. If this goes on with a client of your own, give etcd3Backend() the options instead.',
    ],
    [
      '7 PERMISSION_DENIED: no',
      false,
      'none',
      "the user may not read and write the lock's key: grant its role readwrite on the prefix of your locks.",
    ],
    [
      'etcdserver: permission denied',
      false,
      'none',
      "the user may not read and write the lock's key: grant its role readwrite on the prefix of your locks.",
    ],
    [
      'etcdserver: authentication failed, invalid user ID or password',
      false,
      'none',
      'the user name or the password is wrong or missing: check `auth` of the client.',
    ],
    [
      '3 INVALID_ARGUMENT: etcdserver: user name is empty',
      false,
      'none',
      'the user name or the password is wrong or missing: check `auth` of the client.',
    ],
    [
      'etcdserver: mvcc: database space exceeded',
      false,
      'unknown',
      'the server is out of space: compact, defragment, then `etcdctl alarm disarm`. Held locks go on.',
    ],
    [
      'alarm:NOSPACE',
      false,
      'unknown',
      'the server is out of space: compact, defragment, then `etcdctl alarm disarm`. Held locks go on.',
    ],
    [
      '3 INVALID_ARGUMENT: etcdserver: too many operations in txn request',
      false,
      'none',
      'the server does not take that many keys at once: raise its `--max-txn-ops`, or lock fewer keys together.',
    ],
    [
      '8 RESOURCE_EXHAUSTED: Received message larger than max (5 vs. 4)',
      true,
      'unknown',
      'the answer is larger than 4 MB, the limit of the client: keys below the name of the lock hold much data. Use separate names for locks.',
    ],
    [
      '8 RESOURCE_EXHAUSTED: grpc: received message larger than max',
      false,
      'none',
      'the server says that the request is invalid.',
    ],
    ['etcdserver: request is too large', false, 'none', 'the server says that the request is invalid.'],
    ['3 INVALID_ARGUMENT: odd', false, 'none', 'the server says that the request is invalid.'],
    ['11 OUT_OF_RANGE: odd', false, 'none', 'the server says that the request is invalid.'],
    [
      'unable to verify the first certificate',
      true,
      'unknown',
      'no TLS connection, because of a certificate: check `credentials` of the client, and `hosts` against the names in the certificate of the server.',
    ],
    [
      'SSL routines:',
      true,
      'unknown',
      'no TLS connection, because of a certificate: check `credentials` of the client, and `hosts` against the names in the certificate of the server.',
    ],
    [
      '14 UNAVAILABLE: etcdserver: no leader',
      true,
      'unknown',
      'this member has no leader: it is cut off from its cluster, or an election is going on.',
    ],
    ['14 UNAVAILABLE: gone', true, 'unknown', 'no answer: is etcd running, and are the `hosts` of the client right?'],
    ['connect ECONNREFUSED', true, 'unknown', 'no answer: is etcd running, and are the `hosts` of the client right?'],
    [
      'failed to connect to all addresses',
      true,
      'unknown',
      'no answer: is etcd running, and are the `hosts` of the client right?',
    ],
    [
      'No connection established',
      true,
      'unknown',
      'no answer: is etcd running, and are the `hosts` of the client right?',
    ],
    [
      'Execution prevented because the circuit breaker is open',
      true,
      'unknown',
      "the client's own circuit breaker is open.",
    ],
    ['whatever else', true, 'unknown', 'Error: whatever else'],
  ];

  it.each(TABLE)('%s may pass: %p; whether it was carried out: %s', (text, retryable, outcome, advice) => {
    const cause = new Error(text);
    const error = toBackendError('do it', cause);
    expect(error).toMatchObject({ retryable, outcome, message: `etcd could not do it: ${advice}` });
    expect(error.cause).toBe(cause);
  });

  it('of a client that was closed is the last', () => {
    expect(toBackendError('do it', new Error('client was already closed'))).toMatchObject({
      retryable: false,
      message: 'etcd could not do it: the etcd client was closed: close the locks first.',
    });
  });

  it('is told by its name as well, whatever it is, and is ours only once', () => {
    class Unavailable extends Error {
      override readonly name = 'UNAVAILABLE';
    }
    expect(toBackendError('do it', new Unavailable('x')).message).toContain(
      'no answer: is etcd running, and are the `hosts` of the client right?',
    );
    expect(toBackendError('do it', 'a text').message).toBe('etcd could not do it: a text');
    const ours = new BackendError('ours', { retryable: false });
    expect(toBackendError('do it', ours)).toBe(ours);
  });

  it.each([
    ['space', isOutOfSpace, refusal.noSpace()],
    ['the lease', isLeaseGone, refusal.leaseNotFound()],
    ['a lease that is there', isLeaseKnown, refusal.leaseKnown()],
    ['operations', isTooManyOperations, refusal.tooManyOperations()],
    ['the size of an answer', isAnswerTooLarge, refusal.tooLarge()],
    ['a token', isTokenStale, refusal.authOld()],
  ])('is about %s, and nothing else is', (_, isAbout, error) => {
    expect(isAbout(error)).toBe(true);
    expect(isAbout(refusal.down())).toBe(false);
    expect(isAbout(undefined)).toBe(false);
  });
});

const endpointsOf = (count: number, etcd = new EtcdDouble()) => {
  const failures: number[] = [];
  const ways = Array.from({ length: count }, () => wayTo(etcd));
  const endpoints = ways.map((client, i) => ({ client, failed: () => failures.push(i) }));
  const [first] = endpoints;
  if (!first) throw new Error('none');
  const source: ClientSource = {
    endpoint: () => first,
    endpoints: () => endpoints,
    close: () => undefined,
    notes: [],
    options: undefined,
    hasRoles: true,
  };
  const clock = { at: 0, now: () => clock.at };
  const history = new Incarnation(() => undefined);
  return { calls: createCalls(source, history, clock), failures, endpoints, clock, etcd, history };
};

describe('a call', () => {
  const answer = { header: { cluster_id: '1', revision: '5' } };

  it('is made at each subscription, at the endpoint of now or the one it is given', async () => {
    const { calls, endpoints, failures } = endpointsOf(2);
    const used: unknown[] = [];
    const call$ = calls.call('do it', 100, (client) => {
      used.push(client);
      return of(answer);
    });
    expect(used).toEqual([]);
    expect(await answerOf(call$)).toBe(answer);
    await answerOf(call$);
    expect(used).toEqual([endpoints[0]?.client, endpoints[0]?.client]);
    await answerOf(
      calls.call('do it', 100, (client) => of({ ...answer, is: client === endpoints[1]?.client }), endpoints[1]),
    ).then(({ is }) => expect(is).toBe(true));
    expect(failures).toEqual([]);
  });

  it('has as long as it is given', async () => {
    const { calls } = endpointsOf(1);
    let deadline = 0;
    const before = Date.now();
    await answerOf(
      calls.call('do it', 5000, (_, options) => {
        ({ deadline } = options);
        return of(answer);
      }),
    );
    expect(deadline - before).toBeGreaterThanOrEqual(5000);
    expect(deadline - before).toBeLessThan(60_000);
  });

  it.each([
    ['that is down moves on', refusal.down(), 1],
    ['that refuses the request does not', refusal.denied(), 0],
    ['that refuses a token does not, since the next call has another', refusal.authOld(), 0],
  ])('to an endpoint %s', async (_, error, moved) => {
    const { calls, failures } = endpointsOf(2);
    expect(await failing(calls.call('do it', 100, () => throwError(() => error)))).toMatchObject({
      code: 'BACKEND',
      message: expect.stringContaining('etcd could not do it: '),
      cause: error,
    });
    expect(failures).toHaveLength(moved);
    const thrown = () => {
      throw error;
    };
    expect(await failing(calls.call('do it', 100, thrown))).toMatchObject({ cause: error });
    expect(failures).toHaveLength(2 * moved);
    // Not an error of ours: nobody knows what it says about the endpoint.
    await failing(calls.tried(100, () => throwError(() => new Error('odd'))));
    expect(failures).toHaveLength(2 * moved);
  });

  it.each([
    [100, 1],
    [90, 1],
    [89, 0],
    [0, 0],
  ])('given up after %d of 100 ms moves on %d times', (after, times) => {
    const { calls, failures, clock } = endpointsOf(2);
    clock.at = 1000;
    const call = calls.call('do it', 100, () => NEVER).subscribe();
    clock.at += after;
    call.unsubscribe();
    expect(failures).toHaveLength(times);
  });

  it('that was answered, or failed, late does not move on again', async () => {
    const { calls, failures, clock } = endpointsOf(2);
    await answerOf(
      calls.call('do it', 100, () => {
        clock.at += 100;
        return of(answer);
      }),
    );
    expect(failures).toEqual([]);
    await failing(
      calls.call('do it', 100, () => {
        clock.at += 100;
        return throwError(() => refusal.down());
      }),
    );
    expect(failures).toHaveLength(1);
  });

  it('answered by another cluster than the other endpoints is an error by name', async () => {
    const { calls, endpoints, history } = endpointsOf(2);
    await answerOf(calls.call('do it', 100, () => of(answer)));
    expect(history.hasHeardFrom(endpoints[0]?.client ?? {})).toBe(true);
    expect(history.hasHeardFrom(endpoints[1]?.client ?? {})).toBe(false);
    const other = { header: { cluster_id: '2', revision: '5' } };
    expect(await failing(calls.call('do it', 100, () => of(other), endpoints[1]))).toMatchObject({
      code: 'BACKEND',
      retryable: true,
      message: 'etcd: `hosts` names members of two clusters. Give the members of one cluster.',
      cause: { name: 'OtherCluster', message: 'one endpoint is of cluster 1, another of 2' },
    });
  });
});

describe('the clients of several hosts', () => {
  it('are used one at a time, the next one when it did not answer', () => {
    const source = clientSource({ hosts: ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'] });
    const all = source.endpoints();
    expect(all).toHaveLength(3);
    expect(source.notes).toEqual([]);
    const first = source.endpoint();
    expect(source.endpoint()).toBe(first);
    const place = all.indexOf(first);
    first.failed();
    expect(source.endpoint()).toBe(all[(place + 1) % 3]);
    // What is said late of one that is not used any more moves nothing.
    first.failed();
    expect(source.endpoint()).toBe(all[(place + 1) % 3]);
    source.endpoint().failed();
    source.endpoint().failed();
    expect(source.endpoint()).toBe(first);
    source.close();
  });

  it('that the user has brought are one, with a note on what they do by themselves', () => {
    const { user } = wayTo(new EtcdDouble());
    const source = clientSource(user);
    const endpoint = source.endpoint();
    expect(source.endpoints()).toEqual([endpoint]);
    endpoint.failed();
    expect(source.endpoint()).toBe(endpoint);
    source.close();
    expect(source.notes).toEqual([
      'the client of npm etcd3 was given ready-made: unless its `faultHandling` was set, its circuit breaker stops ' +
        'renewals for 5 s after 3 failures, which costs locks of a short ttl on a healthy server, and it repeats requests ' +
        'by itself. Give etcd3Backend() the options instead of the client to have one made for locks.',
    ]);
  });

  it.each([null, undefined, 'http://10.0.0.1:2379'])('%p is neither options nor a client', (given) => {
    expect(() => clientSource(given as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: expect.stringMatching(
          /the argument of etcd3Backend.*give \{ hosts: "http:\/\/10\.0\.0\.1:2379" \}, or a client of npm etcd3\./,
        ),
      }),
    );
  });
});

describe('the backend', () => {
  it('says what it is', async () => {
    const { backend } = worldOf();
    expect(backend).toMatchObject({ name: 'etcd', maxClaims: 42, notes: [expect.stringContaining('ready-made')] });
    expect(backend.objection({ key: 'a', kind: 'mutex' })).toBeUndefined();
    backend.close();
    await quiet();
  });
});
