/**
 * What is followed on an etcd: queues, all below a prefix, markers; from which view on, and until when.
 */
import { describe, expect, it } from '@jest/globals';
import type { Observable } from 'rxjs';
import type { Queue } from '../../src/index.js';
import { refusal } from './double/refusal.js';
import { WITHIN, answerOf, failing, firstOf, on, quiet, shown, worldOf } from './world.js';

function seenOf<T>(source$: Observable<T>) {
  const seen: { values: T[]; error: unknown; isComplete: boolean; stop(): void } = {
    values: [],
    error: undefined,
    isComplete: false,
    stop: () => following.unsubscribe(),
  };
  const following = source$.subscribe({
    next: (value) => seen.values.push(value),
    error: (error: unknown) => (seen.error = error),
    complete: () => (seen.isComplete = true),
  });
  return seen;
}

const idsOf = (queues: readonly Queue[]) => queues.map(({ claims }) => claims.map(({ id }) => id));
const watched = ({ etcd }: ReturnType<typeof worldOf>) =>
  [...etcd.watchStreams].flatMap(({ written }) => written.flatMap(({ create_request: one }) => one ?? []));

describe('a queue', () => {
  it('is told as it is, and with each change, from there on', async () => {
    const world = worldOf();
    const { backend, put, remove } = world;
    put('a/27');
    const seen = seenOf(backend.queue('a', WITHIN));
    await quiet();
    put('a/28');
    put('b/29');
    await quiet();
    remove('a/27');
    await quiet();
    expect(idsOf(seen.values)).toEqual([['27'], ['27', '28'], ['28']]);
    expect(seen.values.map(({ revision }) => revision)).toEqual([2n, 3n, 5n]);
    expect(watched(world)).toMatchObject([
      { start_revision: '3', key: Buffer.from('a/'), range_end: Buffer.from('a0') },
    ]);
    seen.stop();
    expect(world.etcd.watchStreams.size).toBe(0);
  });

  it('misses nothing that happens between its reading and its watch', async () => {
    const { backend, put, way } = worldOf();
    way.fate = ({ method }) => {
      if (method === 'watch') put('a/28');
      return undefined;
    };
    const seen = seenOf(backend.queue('a', WITHIN));
    await quiet();
    expect(idsOf(seen.values)).toEqual([[], ['28']]);
    seen.stop();
  });

  it('is gone on from an earlier view of it, which is not read again', async () => {
    const { backend, put, asked } = worldOf();
    const first = await firstOf(backend.queue('a', WITHIN));
    put('a/27');
    asked();
    const seen = seenOf(backend.queue('a', WITHIN, first));
    await quiet();
    expect(asked().map(({ method }) => method)).toEqual(['watch']);
    expect(idsOf(seen.values)).toEqual([[], ['27']]);
    seen.stop();
    // What was told may be gone on from as well.
    const second = seenOf(backend.queue('a', WITHIN, seen.values[1]));
    await quiet();
    expect(idsOf(second.values)).toEqual([['27']]);
    second.stop();
  });

  it('is gone on from what entering or a refused try has shown', async () => {
    const { backend, granted, asked } = worldOf();
    const lease = await granted();
    const entered = await answerOf(backend.enqueue([on(lease, 'a', '1')], WITHIN, 'show'));
    const refused = await answerOf(backend.enqueue([on(lease, 'a', '2')], WITHIN, 'try'));
    const from = [
      entered.status === 'queued' ? entered.entries[0]?.queue : undefined,
      refused.status === 'refused' ? refused.queues[0] : undefined,
    ];
    for (const view of from) {
      asked();
      const seen = seenOf(backend.queue('a', WITHIN, view));
      await quiet();
      expect(asked().map(({ method }) => method)).toEqual(['watch']);
      expect(idsOf(seen.values)).toEqual([['1a-1']]);
      seen.stop();
    }
  });

  it('of another history, or from nowhere, is read again', async () => {
    const { backend, put, asked, etcd, granted, entered } = worldOf();
    const backup = etcd.backup();
    put('a/27');
    const view = await firstOf(backend.queue('a', WITHIN));
    etcd.restore(backup, '7');
    const lease = await granted();
    await entered(on(lease, 'x', '1'));
    for (const from of [view, { key: 'a', revision: 1n, claims: [] }]) {
      asked();
      const seen = seenOf(backend.queue('a', WITHIN, from));
      await quiet();
      expect(asked().map(({ method }) => method)).toContain('txn');
      expect(idsOf(seen.values).at(-1)).toEqual([]);
      seen.stop();
    }
  });

  it('whose beginning was compacted says so, and one read anew is followed', async () => {
    const { backend, put, etcd } = worldOf();
    const first = await firstOf(backend.queue('a', WITHIN));
    for (const key of ['a/1', 'a/2', 'a/3']) put(key);
    etcd.compact();
    const seen = seenOf(backend.queue('a', WITHIN, first));
    await quiet();
    expect(seen.error).toMatchObject({
      code: 'BACKEND',
      retryable: true,
      message: expect.stringContaining(
        'etcd could not follow the queue: Error: its start was compacted, up to revision 4',
      ),
    });
    expect(etcd.watchStreams.size).toBe(0);
    const again = seenOf(backend.queue('a', WITHIN));
    await quiet();
    expect(idsOf(again.values)).toEqual([['1', '2', '3']]);
    again.stop();
  });

  it.each([
    ['breaks', refusal.down(), 'no answer: is etcd running, and are the `hosts` of the client right?'],
    ['ends', undefined, 'the stream ended'],
  ])('whose stream %s says so, as do all others on it', async (_, error, words) => {
    const { backend, etcd } = worldOf();
    const [a, b] = [seenOf(backend.queue('a', WITHIN)), seenOf(backend.queue('b', WITHIN))];
    await quiet();
    expect(etcd.watchStreams.size).toBe(1);
    for (const stream of etcd.watchStreams) stream.breaks(error);
    for (const { error: told } of [a, b]) {
      expect(told).toMatchObject({ retryable: true, message: expect.stringContaining(words) });
      expect(told).toMatchObject({ message: expect.stringMatching(/^etcd could not follow the queues: /) });
    }
    const again = seenOf(backend.queue('a', WITHIN));
    await quiet();
    expect(again.values).toHaveLength(1);
    again.stop();
  });

  it('whose stream cannot be opened says so', async () => {
    const { backend, next } = worldOf();
    next('watch', refusal.down());
    const seen = seenOf(backend.queue('a', WITHIN));
    await quiet();
    expect(seen.error).toMatchObject({
      retryable: true,
      message: expect.stringContaining('no answer: is etcd running, and are the `hosts` of the client right?'),
    });
  });

  it('that may not be watched any more is told why, and the others go on', async () => {
    const { backend, put, etcd } = worldOf();
    const free = { key: Buffer.from('a'), range_end: Buffer.from('b') };
    const [a, first] = [seenOf(backend.queue('a', WITHIN)), await firstOf(backend.queue('b', WITHIN))];
    await quiet();
    etcd.role = { read: [free], write: [free] };
    const b = seenOf(backend.queue('b', WITHIN, first));
    await quiet();
    expect(b.error).toMatchObject({
      retryable: false,
      message: expect.stringContaining('the user may not read and write'),
    });
    etcd.role = undefined;
    const c = seenOf(backend.queue('c', WITHIN));
    await quiet();
    expect(idsOf(c.values)).toEqual([[]]);
    expect(etcd.watchStreams.size).toBe(1);
    c.stop();
    put('a/1');
    await quiet();
    expect(idsOf(a.values)).toEqual([[], ['1']]);
    a.stop();
  });

  it('is watched in another range after each reading behind a proxy, which merges watches of one range', async () => {
    const world = worldOf();
    world.etcd.givesOwnIds = true;
    const other = seenOf(world.backend.queue('other', WITHIN));
    await quiet();
    for (let n = 0; n < 8; n += 1) {
      const seen = seenOf(world.backend.queue('a', WITHIN));
      await quiet();
      world.put(`a/${String(n)}`);
      await quiet();
      expect(idsOf(seen.values).at(-1)).toContain(String(n));
      seen.stop();
    }
    const starts = watched(world).map(({ key }) => String(key));
    const zeros = Array.from({ length: 7 }, (_, n) => '\0'.repeat(n));
    expect(new Set(starts.filter((start) => start.startsWith('a/')))).toEqual(
      new Set(zeros.map((some) => `a/${some}`)),
    );
    other.stop();
  });

  it('so is all else that is followed behind a proxy: one claim of it, all below a prefix, a marker', async () => {
    const world = worldOf();
    const { backend, put, remove } = world;
    const { markers, queues } = backend;
    if (!markers || !queues) throw new Error('what an etcd has');
    world.etcd.givesOwnIds = true;
    const other = seenOf(backend.queue('other', WITHIN));
    await quiet();
    for (let n = 0; n < 4; n += 1) {
      put('a/1');
      const from = await firstOf(backend.queue('a', WITHIN));
      const seen = [
        seenOf(backend.queue('a', WITHIN, from, from.claims[0])),
        seenOf(queues('a', WITHIN)),
        seenOf(markers.follow('a', WITHIN)),
      ];
      // One after another, since the ids are the proxy's.
      for (let answers = 0; answers < 3; answers += 1) await quiet();
      const before = seen.map(({ values }) => values.length);
      put('a\0done', String(n));
      remove('a/1');
      await quiet();
      expect(seen.map(({ values }, i) => values.length > (before[i] ?? 0))).toEqual([true, true, true]);
      for (const { stop } of seen) stop();
      await quiet();
    }
    const ranges = watched(world).map(({ key, range_end: end }) =>
      [key, end].map((bytes = Buffer.of()) => shown(bytes)).join(' '),
    );
    const rangesOf = (start: RegExp): number => new Set(ranges.filter((range) => start.test(range))).size;
    expect([/^a\/1 /, /^a\|* b$/, /^a\|done /].map((start) => rangesOf(start) > 1)).toEqual([true, true, true]);
    other.stop();
  });

  it('is told no change before the claim that is waited for has left, then read and followed as a whole', async () => {
    const world = worldOf();
    const { backend, put, remove } = world;
    for (const key of ['a/1', 'a/2', 'a/3']) put(key);
    const from = await firstOf(backend.queue('a', WITHIN));
    const until = from.claims[1];
    const seen = seenOf(backend.queue('a', WITHIN, from, until));
    await quiet();
    expect(watched(world)).toMatchObject([{ key: Buffer.from('a/2'), range_end: Buffer.from('a/2\0') }]);
    remove('a/1');
    put('a/20');
    await quiet();
    expect(seen.values).toEqual([from]);
    remove('a/2');
    await quiet();
    put('a/4');
    await quiet();
    expect(idsOf(seen.values.slice(1))).toEqual([
      ['3', '20'],
      ['3', '20', '4'],
    ]);
    seen.stop();
  });

  it.each([
    ['is still there: waited for', 'nothing', ['1', '10', '2', '3']],
    ['has left: the queue is read', 'remove', ['1', '10', '3']],
    ['has been written over: the queue is read', 'put', ['1', '10', '2', '3']],
  ] as const)(
    'of which a claim is waited for, on a server that has changed since it was read, where the claim %s',
    async (_, change, then) => {
      const world = worldOf();
      const { backend, put } = world;
      // The first watch of a client shows that there is no proxy.
      const other = seenOf(backend.queue('other', WITHIN));
      await quiet();
      // Its key begins with that of the claim.
      for (const key of ['a/1', 'a/10', 'a/2', 'a/3']) put(key);
      const from = await firstOf(backend.queue('a', WITHIN));
      const until = from.claims.find(({ id }) => id === '2');
      put('b/1');
      if (change === 'remove') world.remove('a/2');
      if (change === 'put') put('a/2', 'anew');
      const seen = seenOf(backend.queue('a', WITHIN, from, until));
      await quiet();
      expect(watched(world).find(({ key }) => String(key) === 'a/2')).not.toHaveProperty('start_revision');
      expect(idsOf(seen.values)).toEqual([then]);
      expect(seen.values[0] === from).toBe(change === 'nothing');
      seen.stop();
      other.stop();
    },
  );

  it('behind a proxy hears of its own changes, whatever ids it gives', async () => {
    const { backend, put, etcd } = worldOf();
    etcd.givesOwnIds = true;
    const all = ['a', 'b', 'c'].map((key) => seenOf(backend.queue(key, WITHIN)));
    await quiet();
    await quiet();
    for (const key of ['c/1', 'a/2', 'b/3']) put(key);
    await quiet();
    expect(all.map(({ values }) => idsOf(values).at(-1))).toEqual([['2'], ['3'], ['1']]);
    for (const { stop } of all) stop();
    expect(etcd.watchStreams.size).toBe(0);
  });

  it('that nobody follows any more is cancelled on the server, and the others go on', async () => {
    const { backend, put, etcd } = worldOf();
    const [a, b] = [seenOf(backend.queue('a', WITHIN)), seenOf(backend.queue('b', WITHIN))];
    await quiet();
    a.stop();
    await quiet();
    const [stream] = etcd.watchStreams;
    expect(stream?.ids).toHaveLength(1);
    put('b/1');
    await quiet();
    expect(idsOf(b.values)).toEqual([[], ['1']]);
    b.stop();
    expect(stream).toMatchObject({ isEnded: true, isCancelled: true });
  });

  it('of thousands is read page by page, all as it was when the first was read', async () => {
    const { backend, asked, etcd, way } = worldOf();
    const all = Array.from({ length: 4500 }, (_, i) => `a/${String(10_000 + i)}`);
    for (const key of all) etcd.store.put(Buffer.from(key), Buffer.of(), '0', etcd.store.revision + 1n);
    asked();
    way.fate = ({ method }) => {
      if (method === 'range') etcd.store.put(Buffer.from('a/99999'), Buffer.of(), '0', etcd.store.revision + 1n);
      return undefined;
    };
    const queue = await firstOf(backend.queue('a', WITHIN));
    expect(queue).toMatchObject({ revision: 4501n });
    expect(queue.claims.map(({ id }) => `a/${id}`)).toEqual(all);
    expect(asked()).toMatchObject([
      { method: 'txn', request: { success: [{ request_range: { limit: 2000 } }] } },
      { method: 'range', request: { limit: 2000, revision: '4501', key: Buffer.from('a/11999\0') } },
      { method: 'range', request: { limit: 2000, revision: '4501', key: Buffer.from('a/13999\0') } },
    ]);
  });
});

describe('all below a prefix', () => {
  it('is told at once, then each queue that has changed', async () => {
    const world = worldOf();
    const { backend, put, remove } = world;
    for (const key of ['r/a/1', 'r/a/2', 'r/b/c/3', 'r|x', 'ra/4', 'r/5']) put(key.replace('|', '\0'));
    const seen = seenOf(backend.queues?.('r/', WITHIN) ?? failingNow());
    await quiet();
    const shownNow = () =>
      seen.values.splice(0).map((queues) => queues.map(({ key, claims }) => [key, ...claims.map(({ id }) => id)]));
    expect(shownNow()).toEqual([
      [
        ['r/a', '1', '2'],
        ['r/b/c', '3'],
      ],
    ]);
    put('r/d/9');
    await quiet();
    remove('r/a/1');
    await quiet();
    remove('r/b/c/3');
    await quiet();
    expect(shownNow()).toEqual([[['r/d', '9']], [['r/a', '2']], [['r/b/c']]]);
    // Of one that had ended, only what came since.
    put('r/b/c/4');
    await quiet();
    world.etcd.txn({ success: ['r/d/9', 'r/a/7'].map((key) => ({ request_put: { key: Buffer.from(key) } })) });
    await quiet();
    expect(shownNow()).toEqual([
      [['r/b/c', '4']],
      [
        ['r/d', '9'],
        ['r/a', '2', '7'],
      ],
    ]);
    put('r/6');
    await quiet();
    expect(shownNow()).toEqual([[]]);
    seen.stop();
  });

  it('of no prefix is all there is', async () => {
    const { backend, put } = worldOf();
    put('a/1');
    put('z/1');
    const seen = seenOf(backend.queues?.('', WITHIN) ?? failingNow());
    await quiet();
    expect(seen.values).toMatchObject([[{ key: 'a' }, { key: 'z' }]]);
    put('zz/1');
    await quiet();
    expect(seen.values[1]).toMatchObject([{ key: 'zz', claims: [{ id: '1' }] }]);
    seen.stop();
  });

  it('goes on from its last change where the watch is made anew', async () => {
    const { backend, put, etcd } = worldOf();
    const seen = seenOf(backend.queues?.('r/', WITHIN) ?? failingNow());
    await quiet();
    put('r/a/1');
    await quiet();
    etcd.breakStreams();
    expect(seen.error).toMatchObject({ retryable: true });
    const again = seenOf(backend.queues?.('r/', WITHIN) ?? failingNow());
    await quiet();
    expect(again.values).toMatchObject([[{ key: 'r/a', claims: [{ id: '1' }] }]]);
    again.stop();
  });
});

describe('a marker', () => {
  const OWN = { id: '2f', ttl: 60_000, owner: 'me', key: 'a' };

  async function held() {
    const world = worldOf();
    const { markers } = world.backend;
    if (!markers) throw new Error('no markers');
    const lease = await world.granted();
    const claim = on(lease, 'a', '1');
    const mine = await world.entered(claim);
    return { ...world, markers, request: { claim, mine, lease: OWN, value: 'all done' } };
  }

  it('is written beside the name on a lease of its own, seen, and found again by its lease', async () => {
    const { markers, request, keys, etcd } = await held();
    expect(await answerOf(markers.read('a', WITHIN))).toEqual({ key: 'a', revision: 2n, marker: undefined });
    expect(await answerOf(markers.write(request, WITHIN))).toBe('written');
    expect(keys()).toEqual(['a|done', 'a/1a-1']);
    expect(etcd.timeToLive({ ID: '47', keys: true })).toMatchObject({
      grantedTTL: '60',
      keys: [Buffer.from('a\0done')],
    });
    expect(await answerOf(markers.write(request, WITHIN))).toBe('written');
    expect(await answerOf(markers.read('a', WITHIN))).toEqual({
      key: 'a',
      revision: 3n,
      marker: { token: 3n, value: 'all done' },
    });
  });

  it('of another is not written over, and without our claim none is written', async () => {
    const { markers, request, valueOf, put, remove } = await held();
    put('a\0done', 'theirs');
    expect(await answerOf(markers.write(request, WITHIN))).toBe('taken');
    remove('a/1a-1');
    expect(await answerOf(markers.write(request, WITHIN))).toBe('gone');
    put('a/1a-1');
    expect(await answerOf(markers.write(request, WITHIN))).toBe('gone');
    expect(valueOf('a\0done')).toBe('theirs');
  });

  it('of a claim of another history is not written, nor is a lease granted for it', async () => {
    const { backend, markers, request, etcd, asked, keys } = await held();
    etcd.clusterId = '7';
    await answerOf(backend.renew(request.claim.lease, WITHIN));
    asked();
    expect(await answerOf(markers.write(request, WITHIN))).toBe('lease-gone');
    expect(asked()).toEqual([]);
    expect(keys()).toEqual(['a/1a-1']);
  });

  it('of a claim whose history ends while its lease is granted is not written', async () => {
    const { markers, request, etcd, keys } = await held();
    etcd.clusterId = '7';
    expect(await answerOf(markers.write(request, WITHIN))).toBe('lease-gone');
    expect(keys()).toEqual(['a/1a-1']);
  });

  it('that is withdrawn takes our claim and its lease along, unless it is written', async () => {
    const first = await held();
    await answerOf(first.markers.write(first.request, WITHIN));
    await answerOf(first.markers.withdraw(first.request, WITHIN));
    expect(first.etcd.leases.ids).toEqual(['26', '47']);
    expect(first.keys()).toContain('a|done');
    const second = await held();
    second.next('txn', 'lost');
    second.markers.write(second.request, WITHIN).subscribe();
    await quiet();
    expect(second.etcd.leases.ids).toEqual(['26', '47']);
    await answerOf(second.markers.withdraw(second.request, WITHIN));
    expect(second.keys()).toEqual([]);
    expect(second.etcd.leases.ids).toEqual(['26']);
    expect(await answerOf(second.markers.write(second.request, WITHIN))).toBe('gone');
  });

  it('is followed: written, written over, gone', async () => {
    const { markers, put, remove } = await held();
    const seen = seenOf(markers.follow('a', WITHIN));
    await quiet();
    for (const change of [
      () => put('a\0done', 'x'),
      () => put('a/9'),
      () => put('a\0done', 'y'),
      () => remove('a\0done'),
    ]) {
      change();
      await quiet();
    }
    expect(seen.values).toEqual([
      { key: 'a', revision: 2n, marker: undefined },
      { key: 'a', revision: 3n, marker: { token: 3n, value: 'x' } },
      { key: 'a', revision: 5n, marker: { token: 3n, value: 'y' } },
      { key: 'a', revision: 6n, marker: undefined },
    ]);
    seen.stop();
  });

  it('whose lease cannot be granted is an error', async () => {
    const { markers, request, next } = await held();
    next('leaseGrant', refusal.down());
    expect(await failing(markers.write(request, WITHIN))).toMatchObject({ retryable: true });
  });
});

describe('a probe', () => {
  it('is answered where the stream is, and at once where there is none', async () => {
    const world = worldOf();
    await expect(answerOf(world.backend.probe(WITHIN))).resolves.toBeUndefined();
    const seen = seenOf(world.backend.queue('a', WITHIN));
    await quiet();
    await expect(answerOf(world.backend.probe(WITHIN))).resolves.toBeUndefined();
    await quiet();
    expect(watched(world).map(({ key }) => (key ? shown(Buffer.from(key)) : ''))).toEqual([
      'a/',
      expect.stringMatching(/^a\/\|probe-\d+$/),
    ]);
    expect([...world.etcd.watchStreams].map(({ ids }) => ids.length)).toEqual([1]);
    for (const stream of world.etcd.watchStreams) stream.isSilent = true;
    const silent = seenOf(world.backend.probe(WITHIN));
    await quiet();
    expect(silent.isComplete).toBe(false);
    seen.stop();
    expect(silent.isComplete).toBe(true);
  });

  it('ends in the error that the stream broke with', async () => {
    const { backend, etcd } = worldOf();
    const seen = seenOf(backend.queue('a', WITHIN));
    await quiet();
    for (const stream of etcd.watchStreams) stream.isSilent = true;
    const probe = failing(backend.probe(WITHIN));
    etcd.breakStreams();
    expect(await probe).toMatchObject({ code: 'BACKEND', retryable: true });
    expect(seen.error).toMatchObject({ code: 'BACKEND' });
  });
});

const failingNow = () => {
  throw new Error('no such verb');
};
