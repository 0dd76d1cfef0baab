/**
 * What becomes of claims on an etcd: queued, tried, withdrawn, kept, written over.
 */
import { describe, expect, it } from '@jest/globals';
import { throwError } from 'rxjs';
import type { ClaimRequest, QueueBackend, QueuedClaim } from '../../src/index.js';
import { refusal } from './double/refusal.js';
import { turns } from './fakes.js';
import { WITHIN, answerOf, failing, on, worldOf } from './world.js';

/** Of a verb that the backend does not have. */
const NONE = throwError(() => new Error('no such verb'));

describe('a claim', () => {
  it('is a key below the name, on its lease, that says whose it is and since when', async () => {
    const { granted, entered, keys, valueOf, etcd } = worldOf();
    const lease = await granted();
    await entered(on(lease, 'jobs/7', '3', { kind: 'semaphore', permits: 2, meta: { host: 'h' } }));
    expect(keys()).toEqual(['jobs/7/1a-3']);
    expect(JSON.parse(valueOf('jobs/7/1a-3') ?? '')).toEqual({
      owner: 'me',
      kind: 'semaphore',
      permits: 2,
      since: '1970-01-01T00:00:00.000Z',
      meta: { host: 'h' },
    });
    expect(etcd.timeToLive({ ID: '26', keys: true }).keys.map(String)).toEqual(['jobs/7/1a-3']);
  });

  it('comes in with the queue as it is then, which shows it as it reads on the server', async () => {
    const { backend, granted, put } = worldOf();
    const lease = await granted();
    put('a/27', '');
    put('a/b/28', 'nested');
    const claim = on(lease, 'a', '1', { meta: [1] });
    const answer = await answerOf(backend.enqueue([claim], WITHIN, 'show'));
    expect(answer).toMatchObject({
      status: 'queued',
      revision: 4n,
      entries: [
        {
          claim: { id: '1a-1', token: 4n, stamp: '4', kind: 'mutex', owner: 'me', since: new Date(0), meta: [1] },
          queue: {
            key: 'a',
            revision: 4n,
            claims: [
              { id: '27', token: 2n },
              { id: '1a-1', token: 4n },
            ],
          },
        },
      ],
    });
    expect(await answerOf(backend.enqueue([on(lease, 'c', '1')], WITHIN, 'show'))).toMatchObject({
      entries: [{ queue: { key: 'c', revision: 5n, claims: [{ id: '1a-1', token: 5n }] } }],
    });
    expect(await answerOf(backend.enqueue([on(lease, 'd', '1')], WITHIN, 'plain'))).toMatchObject({
      entries: [{ claim: { token: 6n }, queue: undefined }],
    });
  });

  it('asked for again is found as it was, be it written over', async () => {
    const { backend, granted, entered, put } = worldOf();
    const lease = await granted();
    const claim = on(lease, 'a', '1');
    const { token } = await entered(claim);
    put('a/1a-1', JSON.stringify({ owner: 'me', kind: 'mutex', revocation: { reason: 'x' } }), '26');
    expect(await answerOf(backend.enqueue([claim], WITHIN, 'show'))).toMatchObject({
      status: 'queued',
      entries: [{ claim: { token, stamp: '3', revocation: { reason: 'x' } }, queue: undefined }],
    });
  });

  it('comes in with all of the others or not at all, at one revision', async () => {
    const { backend, granted, keys } = worldOf();
    const lease = await granted();
    const answer = await answerOf(backend.enqueue([on(lease, 'a', '1'), on(lease, 'b', '1')], WITHIN, 'show'));
    expect(answer).toMatchObject({
      entries: [{ claim: { token: 2n } }, { claim: { token: 2n }, queue: { key: 'b' } }],
    });
    await answerOf(backend.dequeue([on(lease, 'd', '2')], undefined, WITHIN));
    expect(await failing(backend.enqueue([on(lease, 'c', '2'), on(lease, 'd', '2')], WITHIN, 'plain'))).toMatchObject({
      retryable: false,
      message: expect.stringContaining('withdrawn before it came in'),
    });
    expect(keys()).toEqual(['a/1a-1', 'b/1a-1', 'd|1a-2']);
  });

  it('on a lease that is over is told that, alone and among others', async () => {
    const { backend, granted, etcd } = worldOf();
    const lease = await granted();
    etcd.revoke('26');
    const all = ['a', 'b'].map((key) => answerOf(backend.enqueue([on(lease, key, '1')], WITHIN, 'plain')));
    expect(await Promise.all(all)).toEqual([{ status: 'lease-gone' }, { status: 'lease-gone' }]);
    expect(await answerOf(backend.enqueue([on(lease, 'a', '1')], WITHIN, 'try'))).toEqual({ status: 'lease-gone' });
  });

  it('of no key is a mistake of the caller', () => {
    const { backend } = worldOf();
    expect(() => backend.enqueue([], WITHIN, 'plain')).toThrow('at least one claim is needed.');
  });
});

describe('a try', () => {
  it('leaves nothing where it would wait, and shows who is in the way', async () => {
    const { backend, granted, keys, put } = worldOf();
    const lease = await granted();
    put('a/27');
    expect(await answerOf(backend.enqueue([on(lease, 'a', '1')], WITHIN, 'try'))).toMatchObject({
      status: 'refused',
      queues: [{ key: 'a', revision: 2n, claims: [{ id: '27' }] }],
    });
    expect(keys()).toEqual(['a/27']);
  });

  it('comes in beside whom it need not wait for, unless somebody came since it looked', async () => {
    const { backend, granted, asked, keys, put, way } = worldOf();
    const lease = await granted();
    put('a/b/27');
    expect(await answerOf(backend.enqueue([on(lease, 'a', '1', { kind: 'read' })], WITHIN, 'try'))).toMatchObject({
      status: 'queued',
    });
    asked();
    expect(await answerOf(backend.enqueue([on(lease, 'a', '2', { kind: 'read' })], WITHIN, 'try'))).toMatchObject({
      status: 'queued',
    });
    expect(asked()).toHaveLength(2);
    // A mutex comes between the look and the second attempt.
    let count = 0;
    way.fate = ({ method }) => {
      if (method === 'txn') count += 1;
      if (count === 2) put('a/28');
      return undefined;
    };
    expect(await answerOf(backend.enqueue([on(lease, 'a', '3', { kind: 'read' })], WITHIN, 'try'))).toMatchObject({
      status: 'refused',
    });
    expect(count).toBe(2);
    expect(keys()).toEqual(['a/1a-1', 'a/1a-2', 'a/28', 'a/b/27']);
  });

  it('of several is of the oldest of what it has read', async () => {
    const { backend, granted, asked, put } = worldOf();
    const lease = await granted();
    for (let i = 0; i < 20; i += 1) put(`b/n/${String(i)}`);
    put('a/n/1');
    const claims = [on(lease, 'a', '1'), on(lease, 'b', '1')];
    // What nests is more than the answer shows: the queue is read by itself.
    expect(await answerOf(backend.enqueue(claims, WITHIN, 'try'))).toMatchObject({ status: 'queued' });
    const requests = asked().flatMap(({ method, request }) => (method === 'txn' ? [request] : []));
    expect(requests).toHaveLength(3);
    expect(requests[2]).toMatchObject({
      compare: expect.arrayContaining([expect.objectContaining({ target: 'Mod', result: 'Less', mod_revision: 23 })]),
    });
  });

  it('of several whose queues are cut off is refused by whoever is in one of them', async () => {
    const { backend, granted, keys, put } = worldOf();
    const lease = await granted();
    for (let i = 0; i < 20; i += 1) put(`b/n/${String(i)}`);
    put('b/27');
    const before = keys();
    const claims = [on(lease, 'a', '1'), on(lease, 'b', '1')];
    expect(await answerOf(backend.enqueue(claims, WITHIN, 'try'))).toMatchObject({
      status: 'refused',
      queues: [
        { key: 'a', claims: [] },
        { key: 'b', claims: [{ id: '27' }] },
      ],
    });
    expect(keys()).toEqual(before);
  });
});

describe('who leaves', () => {
  it('takes out its own claim only', async () => {
    const { backend, granted, entered, keys, put, remove } = worldOf();
    const lease = await granted();
    const claim = on(lease, 'a', '1');
    const mine = await entered(claim);
    remove('a/1a-1');
    put('a/1a-1', 'of somebody else');
    expect(await answerOf(backend.dequeue([claim], [mine], WITHIN))).toEqual({ successor: 'unknown' });
    expect(keys()).toEqual(['a/1a-1']);
  });

  it('is told whether who is next is still there, whatever is written over it', async () => {
    const { backend, granted, entered, put, remove } = worldOf();
    const lease = await granted();
    const [a, b] = [on(lease, 'a', '1'), on(lease, 'a', '2')];
    const [mine, next] = [await entered(a), await entered(b)];
    const leaving = () => answerOf(backend.dequeue([a], [mine], WITHIN, next));
    expect(await leaving()).toEqual({ successor: 'there' });
    put('a/1a-2', 'over it');
    expect(await leaving()).toEqual({ successor: 'there' });
    remove('a/1a-2');
    expect(await leaving()).toEqual({ successor: 'gone' });
    put('a/1a-2', 'anew');
    expect(await leaving()).toEqual({ successor: 'gone' });
  });

  it('of several takes out each that is still its own', async () => {
    const { backend, granted, keys, remove } = worldOf();
    const lease = await granted();
    const claims = ['a', 'b', 'c'].map((key) => on(lease, key, '1'));
    const answer = await answerOf(backend.enqueue(claims, WITHIN, 'plain'));
    const queued = answer.status === 'queued' ? answer.entries.map(({ claim }) => claim) : [];
    remove('b/1a-1');
    await answerOf(backend.dequeue(claims, queued, WITHIN));
    expect(keys()).toEqual([]);
  });

  it('before it knows whether it is in keeps each of its claims out', async () => {
    const { backend, granted, entered, keys, etcd } = worldOf();
    const lease = await granted();
    const claims = [on(lease, 'a', '1'), on(lease, 'b', '1')];
    const [, second] = claims;
    if (second) await entered(second);
    await answerOf(backend.dequeue(claims, undefined, WITHIN));
    expect(keys()).toEqual(['a|1a-1', 'b|1a-1']);
    expect(etcd.timeToLive({ ID: '26', keys: true }).keys).toHaveLength(2);
    for (const claim of claims) {
      for (const mode of ['show', 'plain', 'try'] as const) {
        expect(await failing(backend.enqueue([claim], WITHIN, mode))).toMatchObject({ retryable: false });
      }
    }
    expect(keys()).toEqual(['a|1a-1', 'b|1a-1']);
  });

  it('whose lease is over has left', async () => {
    const { backend, granted, etcd } = worldOf();
    const lease = await granted();
    etcd.revoke('26');
    expect(await answerOf(backend.dequeue([on(lease, 'a', '1')], undefined, WITHIN))).toEqual({ successor: 'unknown' });
  });

  it('of a full server is out, though there is no room for its tombstone, and is told of that', async () => {
    const { backend, granted, entered, keys, etcd } = worldOf();
    const lease = await granted();
    const claim = on(lease, 'a', '1');
    const mine = await entered(claim);
    etcd.room = 'full';
    expect(await failing(backend.dequeue([claim], undefined, WITHIN))).toMatchObject({
      retryable: false,
      outcome: 'unknown',
      message: expect.stringMatching(/^etcd could not release "a": the server is out of space/),
    });
    expect(keys()).toEqual([]);
    // What is known to be in takes no room to leave.
    expect(await answerOf(backend.dequeue([claim], [mine], WITHIN))).toEqual({ successor: 'unknown' });
  });
});

describe('who keeps its claims', () => {
  const OWN = { id: '2f', ttl: 60_000, owner: 'me', key: 'a' };

  it('hangs them on a lease of their own, as they are, and keeps out an attempt that comes late', async () => {
    const { backend, granted, entered, keys, valueOf, etcd, put } = worldOf();
    const lease = await granted();
    const claim = on(lease, 'a', '1');
    const mine = await entered(claim);
    put('a/1a-1', 'written over', '26');
    await expect(answerOf(backend.keep?.([claim], [mine], OWN, WITHIN) ?? NONE)).resolves.toBeUndefined();
    expect(keys()).toEqual(['a|1a-1', 'a/1a-1']);
    expect(valueOf('a/1a-1')).toBe('written over');
    expect(etcd.timeToLive({ ID: '47', keys: true })).toMatchObject({
      grantedTTL: '60',
      keys: [Buffer.from('a/1a-1')],
    });
    expect(etcd.timeToLive({ ID: '26', keys: true }).keys.map(String)).toEqual(['a\0' + '1a-1']);
    await answerOf(backend.revoke(lease, WITHIN));
    expect(keys()).toEqual(['a/1a-1']);
  });

  const several = async (world: ReturnType<typeof worldOf>) => {
    const lease = await world.granted();
    const claims = ['a', 'b'].map((key) => on(lease, key, '1'));
    const answer = await answerOf(world.backend.enqueue(claims, WITHIN, 'plain'));
    const queued = answer.status === 'queued' ? answer.entries.map(({ claim }) => claim) : [];
    return { claims, queued };
  };

  it('keeps those that are still there, of several', async () => {
    const world = worldOf();
    const { claims, queued } = await several(world);
    world.remove('a/1a-1');
    await answerOf(kept(world.backend, claims, queued));
    expect(world.etcd.timeToLive({ ID: '47', keys: true }).keys.map(String)).toEqual(['b/1a-1']);
  });

  it.each([1, 2])('of which none is there any more leaves no lease (%d)', async (count) => {
    const world = worldOf();
    const { claims, queued } = await several(world);
    for (const key of ['a', 'b']) world.remove(`${key}/1a-1`);
    await answerOf(kept(world.backend, claims.slice(0, count), queued.slice(0, count)));
    expect(world.etcd.leases.ids).toEqual(['26']);
  });

  it('asked again, it is the same lease; one that is over is fine, and so are claims that went with theirs', async () => {
    const world = worldOf();
    const { claims, queued } = await several(world);
    await answerOf(kept(world.backend, claims, queued));
    await answerOf(kept(world.backend, claims, queued));
    expect(world.etcd.leases.ids).toEqual(['26', '47']);
    world.etcd.revoke('26');
    await expect(answerOf(kept(world.backend, claims, queued))).resolves.toBeUndefined();
    world.etcd.revoke('47');
    world.next('txn', refusal.leaseNotFound());
    await expect(answerOf(kept(world.backend, claims, queued))).resolves.toBeUndefined();
  });

  it('is told of anything else that fails', async () => {
    const world = worldOf();
    const { claims, queued } = await several(world);
    world.next('leaseGrant', refusal.down());
    expect(await failing(kept(world.backend, claims, queued))).toMatchObject({ retryable: true });
    world.next('txn', refusal.denied());
    expect(await failing(kept(world.backend, claims, queued))).toMatchObject({ retryable: false });
  });

  const kept = (backend: QueueBackend, claims: readonly ClaimRequest[], queued: readonly QueuedClaim[]) =>
    backend.keep?.(claims, queued, OWN, WITHIN) ?? NONE;
});

describe('what is written over a claim', () => {
  it('by its candidate is the value alone, and only over what it knows', async () => {
    const { backend, granted, entered, valueOf, put } = worldOf();
    const lease = await granted();
    const claim = on(lease, 'a', '1', { value: 'one' });
    const mine = await entered(claim);
    expect(valueOf('a/1a-1')).toBe('one');
    expect(await answerOf(backend.proclaim?.(claim, mine, 'two', WITHIN) ?? NONE)).toMatchObject({
      claim: { ...mine, value: 'two', stamp: '3' },
      revision: 3n,
    });
    expect(valueOf('a/1a-1')).toBe('two');
    put('a/1a-1', 'of others', '26');
    const known = { ...mine, stamp: '3' };
    expect(await answerOf(backend.proclaim?.(claim, known, 'three', WITHIN) ?? NONE)).toMatchObject({
      claim: { value: 'of others', stamp: '4', token: mine.token },
      revision: 4n,
    });
    expect(valueOf('a/1a-1')).toBe('of others');
  });

  it('to ask for it stays on its lease; of one that is gone nothing is written', async () => {
    const { backend, granted, entered, valueOf, remove, keys, etcd } = worldOf();
    const lease = await granted();
    const mine = await entered(on(lease, 'a', '1', { kind: 'semaphore', permits: 3 }));
    const revocation = { reason: 'mine', by: 'you', within: 5000 };
    const asking = () => answerOf(backend.others?.ask('a', mine, revocation, WITHIN) ?? NONE);
    expect(await asking()).toMatchObject({ claim: { ...mine, stamp: '3', revocation }, revision: 3n });
    expect(JSON.parse(valueOf('a/1a-1') ?? '')).toMatchObject({ owner: 'me', kind: 'semaphore', permits: 3 });
    expect(etcd.store.get(Buffer.from('a/1a-1'))?.lease).toBe('26');
    remove('a/1a-1');
    expect(await asking()).toEqual({ claim: undefined, revision: 4n });
    expect(keys()).toEqual([]);
  });

  it('is taken out whatever it says, unless it is another one', async () => {
    const { backend, granted, entered, keys, put, remove } = worldOf();
    const lease = await granted();
    const mine = await entered(on(lease, 'a', '1'));
    put('a/1a-1', 'over it');
    const removing = () => answerOf(backend.others?.remove('a', mine, WITHIN) ?? NONE);
    await expect(removing()).resolves.toBeUndefined();
    expect(keys()).toEqual([]);
    put('a/1a-1');
    await removing();
    expect(keys()).toEqual(['a/1a-1']);
    remove('a/1a-1');
  });

  it('that cannot be said in JSON is an error that says of what', async () => {
    const { backend, granted, entered, asked } = worldOf();
    const lease = await granted();
    const mine = await entered(on(lease, 'a', '1'));
    let deep: unknown[] = [];
    for (let i = 0; i < 100_000; i += 1) deep = [deep];
    asked();
    const known = { ...mine, meta: deep as never };
    expect(await failing(backend.others?.ask('a', known, { reason: '', within: 1 }, WITHIN) ?? NONE)).toMatchObject({
      retryable: false,
      message: 'etcd could not ask for "a": the claim cannot be written as JSON.',
    });
    expect(asked()).toEqual([]);
  });
});

describe('an error', () => {
  it('says what could not be done, and may pass', async () => {
    const { backend, granted, entered, way } = worldOf();
    const lease = await granted();
    const claim = on(lease, 'a', '1', { value: 'v' });
    const mine = await entered(claim);
    const both = [claim, on(lease, 'b', '1')];
    way.fate = () => refusal.down();
    const revocation = { reason: '', within: 1 };
    const verbs = {
      'grant a lease': backend.grant(lease, WITHIN),
      'revoke the lease': backend.revoke(lease, WITHIN),
      'audit the lease': backend.audit(lease, WITHIN),
      'queue for "a", "b"': backend.enqueue(both, WITHIN, 'show'),
      'queue for "a"': backend.enqueue([claim], WITHIN, 'try'),
      'release "a"': backend.dequeue([claim], [mine], WITHIN),
      'read what begins with "a/"': backend.queue('a', WITHIN),
      'read what begins with "r/"': backend.queues?.('r/', WITHIN),
      'carry out a transaction': backend.others?.ask('a', mine, revocation, WITHIN),
    };
    for (const [what, verb$] of Object.entries(verbs)) {
      expect(await failing(verb$ ?? NONE)).toMatchObject({
        code: 'BACKEND',
        retryable: true,
        message: expect.stringContaining(
          `etcd could not ${what}: no answer: is etcd running, and are the \`hosts\` of the client right?`,
        ),
      });
    }
    await turns();
  });
});
