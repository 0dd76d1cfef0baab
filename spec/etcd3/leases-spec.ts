/**
 * Leases and their history: granted once, renewed, ended, and worth nothing on another server than before.
 */
import { describe, expect, it } from '@jest/globals';
import { refusal } from './double/refusal.js';
import { LEASE, turns } from './fakes.js';
import { WITHIN, answerOf, failing, on, worldOf } from './world.js';

describe('a lease', () => {
  it('is asked for in whole seconds under the id it was given, and what is granted is told', async () => {
    const { backend, asked, etcd } = worldOf();
    expect(await answerOf(backend.grant({ ...LEASE, ttl: 5001 }, WITHIN))).toEqual({ ttl: 6000 });
    expect(asked()[0]).toEqual({ method: 'leaseGrant', request: { ID: '26', TTL: 6 } });
    expect(etcd.leases.ids).toEqual(['26']);
    expect(await answerOf(backend.grant({ ...LEASE, id: 'ff', ttl: 500 }, WITHIN))).toEqual({ ttl: 2000 });
  });

  it('granted again is renewed, so that what it has to run is counted from now on', async () => {
    const { backend, asked, next, etcd } = worldOf();
    next('leaseGrant', 'unanswered');
    const lost = backend.grant(LEASE, WITHIN).subscribe();
    await turns();
    lost.unsubscribe();
    asked();
    etcd.renew = (id) => ({ header: etcd.header, ID: id, TTL: '4' });
    etcd.timeToLive = (request) => ({
      header: etcd.header,
      ID: String(request.ID),
      TTL: '3',
      grantedTTL: '5',
      keys: [],
    });
    expect(await answerOf(backend.grant(LEASE, WITHIN))).toEqual({ ttl: 3000 });
    expect(asked().map(({ method }) => method)).toEqual(['leaseGrant', 'leaseKeepAlive', 'leaseTimeToLive']);
    // Then claims come in on it.
    expect(await answerOf(backend.enqueue([on(LEASE, 'a', '1')], WITHIN, 'plain'))).toMatchObject({ status: 'queued' });
  });

  it('granted again that ran out meanwhile is an error that may pass, and takes no claims', async () => {
    const { backend, next, etcd, way } = worldOf();
    next('leaseGrant', refusal.leaseKnown());
    expect(await failing(backend.grant(LEASE, WITHIN))).toMatchObject({
      code: 'BACKEND',
      retryable: true,
      message: 'etcd granted a lease that ran out at once.',
    });
    expect(etcd.leases.ids).toEqual([]);
    way.asked.length = 0;
    expect(await answerOf(backend.enqueue([on(LEASE, 'a', '1')], WITHIN, 'show'))).toEqual({ status: 'lease-gone' });
    expect(await answerOf(backend.enqueue([on(LEASE, 'a', '1')], WITHIN, 'try'))).toEqual({ status: 'lease-gone' });
    expect(way.asked).toEqual([]);
  });

  it('that is renewed lasts as long as the server says', async () => {
    const { backend, granted, etcd } = worldOf();
    const lease = await granted();
    expect(await answerOf(backend.renew(lease, WITHIN))).toEqual({ status: 'renewed', ttl: 5000 });
    etcd.revoke('26');
    expect(await answerOf(backend.renew(lease, WITHIN))).toEqual({
      status: 'gone',
      reason: 'session',
      cause: undefined,
    });
  });

  it('is renewed on a stream with one question, hung up once it is answered', async () => {
    const { backend, granted, etcd } = worldOf();
    const lease = await granted();
    const streams: ReturnType<typeof etcd.keepAlive>[] = [];
    const { keepAlive } = etcd;
    etcd.keepAlive = (...args) => {
      const stream = keepAlive.apply(etcd, args);
      streams.push(stream);
      return stream;
    };
    await answerOf(backend.renew(lease, WITHIN));
    expect(streams).toMatchObject([{ written: [{ ID: '26' }], isEnded: true, isCancelled: true }]);
  });

  it('whose renewal is given up before its stream is open leaves no stream, and asks nothing', async () => {
    const { backend, granted, etcd } = worldOf();
    const lease = await granted();
    const { keepAlive } = etcd;
    const streams: ReturnType<typeof etcd.keepAlive>[] = [];
    etcd.keepAlive = (...args) => {
      const stream = keepAlive.apply(etcd, args);
      streams.push(stream);
      return stream;
    };
    backend.renew(lease, WITHIN).subscribe().unsubscribe();
    await turns();
    expect(streams).toMatchObject([{ written: [], isEnded: true, isCancelled: true }]);
  });

  it.each([
    ['breaks', refusal.down(), 'no answer: is etcd running, and are the `hosts` of the client right?'],
    ['ends', undefined, 'etcd could not renew the lease: Error: the stream ended'],
  ])('whose stream %s is not renewed, and that may pass', async (_, error, words) => {
    const { backend, granted, etcd } = worldOf();
    const lease = await granted();
    const renewal = failing(backend.renew(lease, WITHIN));
    await Promise.resolve();
    for (const stream of etcd.renewalStreams) stream.breaks(error);
    expect(await renewal).toMatchObject({ retryable: true, message: expect.stringContaining(words) });
  });

  it('whose stream cannot be opened is not renewed, and that may pass', async () => {
    const { backend, granted, next } = worldOf();
    const lease = await granted();
    next('leaseKeepAlive', refusal.down());
    expect(await failing(backend.renew(lease, WITHIN))).toMatchObject({
      retryable: true,
      message: 'etcd could not renew the lease: no answer: is etcd running, and are the `hosts` of the client right?',
    });
  });

  it('is asked for how long it runs where a proxy may have answered, and not once its server has shown itself', async () => {
    const { backend, granted, asked } = worldOf();
    const lease = await granted();
    asked();
    await answerOf(backend.renew(lease, WITHIN));
    expect(asked()).toEqual([
      { method: 'leaseKeepAlive', request: undefined },
      { method: 'leaseTimeToLive', request: { ID: '26' } },
    ]);
    const following = backend.queue('a', WITHIN).subscribe();
    await turns();
    asked();
    await answerOf(backend.renew(lease, WITHIN));
    expect(asked().map(({ method }) => method)).toEqual(['leaseKeepAlive']);
    following.unsubscribe();
  });

  it('behind a proxy has as long as its server says, and less than a second is an error that may pass', async () => {
    const { backend, granted, etcd } = worldOf();
    etcd.givesOwnIds = true;
    const lease = await granted();
    const following = backend.queue('a', WITHIN).subscribe();
    await turns();
    let left = '3';
    etcd.timeToLive = ({ ID }) => ({ header: etcd.header, ID: String(ID), TTL: left, grantedTTL: '5', keys: [] });
    expect(await answerOf(backend.renew(lease, WITHIN))).toEqual({ status: 'renewed', ttl: 3000 });
    left = '-1';
    expect(await answerOf(backend.renew(lease, WITHIN))).toMatchObject({ status: 'gone', reason: 'session' });
    left = '0';
    expect(await failing(backend.renew(lease, WITHIN))).toMatchObject({
      code: 'BACKEND',
      retryable: true,
      message: 'etcd: the lease is about to run out.',
    });
    following.unsubscribe();
  });

  it('ends, with its claims; one that is gone is fine', async () => {
    const { backend, granted, entered, keys, etcd } = worldOf();
    const lease = await granted();
    await entered(on(lease, 'a', '1'));
    await expect(answerOf(backend.revoke(lease, WITHIN))).resolves.toBeUndefined();
    expect(keys()).toEqual([]);
    expect(etcd.leases.ids).toEqual([]);
    await expect(answerOf(backend.revoke(lease, WITHIN))).resolves.toBeUndefined();
  });
});

describe('a server that was restored from a backup', () => {
  it('has other leases than those of before, be they granted in that very moment', async () => {
    const { backend, granted, etcd, put } = worldOf();
    const lease = await granted();
    const backup = etcd.backup();
    for (const key of ['x', 'y', 'z']) put(key);
    await answerOf(backend.enqueue([on(lease, 'a', '1')], WITHIN, 'show'));
    etcd.restore(backup);
    expect(await answerOf(backend.renew(lease, WITHIN))).toMatchObject({
      status: 'gone',
      reason: 'session',
      cause: {
        code: 'BACKEND',
        retryable: true,
        message:
          'etcd is not the same server as before: its revision was 5 and is 1, as after a restore from a backup. All ' +
          'locks are lost, and fencing tokens may repeat: reset every service that compares them.',
      },
    });
    expect(await answerOf(backend.enqueue([on(lease, 'a', '2')], WITHIN, 'plain'))).toEqual({ status: 'lease-gone' });
    const next = await granted({ id: '2b' });
    expect(await answerOf(backend.renew(next, WITHIN))).toMatchObject({ status: 'renewed' });
    expect(await answerOf(backend.enqueue([on(next, 'a', '3')], WITHIN, 'plain'))).toMatchObject({ status: 'queued' });
  });

  it('is told by a cluster of another id, and all that is followed breaks', async () => {
    const { backend, granted, etcd } = worldOf();
    const lease = await granted();
    const told: unknown[] = [];
    backend.queue('a', WITHIN).subscribe({ error: (error: unknown) => told.push(error) });
    await turns();
    etcd.clusterId = '9';
    expect(await answerOf(backend.renew(lease, WITHIN))).toMatchObject({
      status: 'gone',
      cause: { message: expect.stringContaining('its cluster was 14841639068965178418 and is 9') },
    });
    expect(told).toMatchObject([{ message: expect.stringContaining('not the same server as before') }]);
    expect(etcd.watchStreams.size).toBe(0);
  });

  it('has no lease whose first grant was not answered', async () => {
    const { backend, granted, etcd, next, put } = worldOf();
    const other = await granted({ id: 'aa' });
    next('leaseGrant', 'unanswered');
    const lost = backend.grant(LEASE, WITHIN).subscribe();
    await turns();
    lost.unsubscribe();
    const backup = etcd.backup();
    put('x');
    await answerOf(backend.enqueue([on(other, 'a', '1')], WITHIN, 'plain'));
    await answerOf(backend.grant(LEASE, WITHIN));
    etcd.restore(backup);
    expect(await answerOf(backend.renew(LEASE, WITHIN))).toMatchObject({ status: 'gone', reason: 'session' });
  });

  it('is not one whose member is only behind: the leader is asked', async () => {
    const { backend, granted, entered, etcd, asked } = worldOf();
    const lease = await granted();
    await entered(on(lease, 'a', '1'));
    const { renew } = etcd;
    etcd.renew = (id) => ({ ...renew.call(etcd, id), header: { ...etcd.header, revision: '1' } });
    const following = backend.queue('a', WITHIN).subscribe();
    await turns();
    asked();
    expect(await answerOf(backend.renew(lease, WITHIN))).toEqual({ status: 'renewed', ttl: 5000 });
    expect(asked()).toEqual([
      { method: 'leaseKeepAlive', request: undefined },
      { method: 'txn', request: { success: [{ request_txn: {} }] } },
    ]);
    following.unsubscribe();
  });
});

describe('an audit', () => {
  it('says which claims hang on the lease', async () => {
    const { backend, granted, entered, asked } = worldOf();
    const lease = await granted();
    const mine = await entered(on(lease, 'a', '1'));
    asked();
    const isThere = await answerOf(backend.audit(lease, WITHIN));
    expect(isThere('a', mine)).toBe(true);
    expect(isThere('b', mine)).toBe(false);
    expect(isThere('a', { ...mine, id: 'other' })).toBe(false);
    expect(asked()).toEqual([{ method: 'leaseTimeToLive', request: { ID: '26', keys: true } }]);
  });

  it('of more names than an answer carries says of none that it is there; any other error is told', async () => {
    const { backend, granted, entered, next } = worldOf();
    const lease = await granted();
    const mine = await entered(on(lease, 'a', '1'));
    next('leaseTimeToLive', refusal.tooLarge());
    const isThere = await answerOf(backend.audit(lease, WITHIN));
    expect(isThere('a', mine)).toBe(false);
    next('leaseTimeToLive', refusal.down());
    expect(await failing(backend.audit(lease, WITHIN))).toMatchObject({ code: 'BACKEND', retryable: true });
  });
});
