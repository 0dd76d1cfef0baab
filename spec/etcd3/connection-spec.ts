/**
 * Many watches on one stream, whatever ids the server gives them.
 */
import { describe, expect, it } from '@jest/globals';
import { Observable, Subject, of, take } from 'rxjs';
import type { DuplexStream } from '../../src/backends/etcd3/client/duplex.js';
import type { WatchRequest, WatchResponse } from '../../src/backends/etcd3/connection.js';
import { QUEUE } from '../../src/backends/etcd3/views.js';
import { createWatches } from '../../src/backends/etcd3/watches.js';
import type { Queue } from '../../src/index.js';
import { FakeStream, stored, turns } from './fakes.js';

const viewOf = (key: string): Queue => ({ key, revision: 4n, claims: [] });
const put = (key: string, revision = 5) => ({ type: 'Put', kv: stored(key, '', revision) }) as const;

interface Seen {
  readonly queues: Queue[];
  error: unknown;
  unsubscribe(): void;
}

async function opened(isDirect = true) {
  const streams: FakeStream[] = [];
  const failures: number[] = [];
  const kept: boolean[] = [];
  const clock = { at: 0, now: () => clock.at };
  const open = () => {
    const stream = new FakeStream();
    streams.push(stream);
    return {
      open: () => Promise.resolve(stream as unknown as DuplexStream<WatchRequest, WatchResponse>),
      failed: () => failures.push(streams.length),
      keepsIds: (does: boolean) => kept.push(does),
    };
  };
  const watches = createWatches(open, () => isDirect, clock);
  const follow = (key: string): Seen => {
    const result: Seen = { queues: [], error: undefined, unsubscribe: () => following.unsubscribe() };
    const following = watches.follow(QUEUE, viewOf(key)).subscribe({
      next: (queue) => result.queues.push(queue),
      error: (error: unknown) => (result.error = error),
    });
    return result;
  };
  const first = follow('first');
  await turns();
  const [stream] = streams;
  if (!stream) throw new Error('no stream');
  return { watches, follow, first, stream, streams, failures, kept, clock };
}

const creations = ({ written }: FakeStream) => written.flatMap(({ create_request: one }) => one ?? []);
const cancelled = ({ written }: FakeStream) => written.flatMap(({ cancel_request: one }) => one?.watch_id ?? []);

describe('a stream of watches', () => {
  it('begins behind what is known, under an id that no server gives by itself', async () => {
    const { stream } = await opened();
    const [one] = creations(stream);
    expect(one).toMatchObject({ key: Buffer.from('first/'), range_end: Buffer.from('first0'), start_revision: '5' });
    expect(one?.watch_id).toBeGreaterThan(2 ** 40);
  });

  it('asks for all at once where the server keeps to the ids asked for, and takes its answers in any order', async () => {
    const { stream, follow, first, kept } = await opened();
    const [second, third] = [follow('second'), follow('third')];
    expect(creations(stream)).toHaveLength(1);
    stream.creates();
    expect(first.queues).toHaveLength(1);
    const [, a = '', b = ''] = creations(stream).map(({ watch_id }) => String(watch_id));
    stream.says({ created: true, watch_id: b });
    expect([second.queues.length, third.queues.length]).toEqual([0, 1]);
    stream.says({ created: true, watch_id: a });
    expect(second.queues).toHaveLength(1);
    expect(kept).not.toContain(false);
  });

  it('asks one by one behind a proxy, whose ids are its own, and tells each its own events', async () => {
    const { stream, follow, first, kept } = await opened();
    const [second, third] = [follow('second'), follow('third')];
    for (const id of [0, 1, 2]) {
      expect(creations(stream)).toHaveLength(id + 1);
      stream.creates(id);
    }
    expect(kept).toEqual([false, false, false]);
    stream.says({ watch_id: '1', events: [put('second/7e57')] });
    expect([first, second, third].map(({ queues }) => queues.at(-1)?.claims.length)).toEqual([0, 1, 0]);
    second.unsubscribe();
    expect(cancelled(stream)).toEqual([1]);
  });

  it('breaks, and says so, when it is told of a key that is not watched there', async () => {
    const { stream, first, failures } = await opened();
    stream.creates();
    const [one] = creations(stream);
    stream.says({ watch_id: String(one?.watch_id), events: [put('other/7e57')] });
    expect(first.queues).toHaveLength(1);
    expect(first.error).toMatchObject({ retryable: true, message: expect.stringContaining('other/7e57') });
    expect(failures).toHaveLength(1);
    expect(stream.isEnded).toBe(true);
  });

  it('breaks when it is told of a watch for which nobody asked, or answered one twice', async () => {
    const a = await opened();
    a.stream.creates();
    a.stream.says({ watch_id: '0', events: [put('first/7e57')] });
    expect(a.first.error).toMatchObject({ message: expect.stringContaining('which was not asked for') });
    const b = await opened();
    const second = b.follow('second');
    b.stream.creates(0);
    b.stream.creates(0);
    expect(second.error).toMatchObject({ message: expect.stringContaining('which was not asked for') });
  });

  it('cancels on the server what nobody follows any more, before its answer and after', async () => {
    const { stream, follow } = await opened();
    stream.creates();
    const [second, third] = [follow('second'), follow('third')];
    second.unsubscribe();
    stream.creates();
    stream.creates();
    third.unsubscribe();
    const [, a, b] = creations(stream).map(({ watch_id }) => watch_id);
    expect(cancelled(stream)).toEqual([a, b]);
    // What was under way is heard out.
    stream.says({ watch_id: String(b), events: [put('third/7e57')] });
    stream.says({ watch_id: String(b), canceled: true });
    expect(stream.isEnded).toBe(false);
  });

  it('is hung up when nobody follows anything, and another one is opened for whoever comes then', async () => {
    const { stream, streams, first, follow } = await opened();
    stream.creates();
    first.unsubscribe();
    expect(stream.isEnded).toBe(true);
    follow('again');
    await turns();
    expect(streams).toHaveLength(2);
  });

  it('tells the one that is refused, and goes on for the others', async () => {
    const { stream, follow, first } = await opened();
    stream.creates();
    const second = follow('second');
    stream.says({ created: true, canceled: true, watch_id: '-1', cancel_reason: 'permission denied' });
    expect(second.error).toMatchObject({ retryable: false });
    expect(first.error).toBeUndefined();
    expect(stream.isEnded).toBe(false);
  });

  it('of a token that is no longer taken goes on with what is watched there, and takes nothing more', async () => {
    const { stream, streams, follow, first, watches } = await opened();
    stream.creates();
    const second = follow('second');
    const [, refused] = creations(stream);
    stream.says({
      created: true,
      canceled: true,
      watch_id: String(refused?.watch_id),
      cancel_reason: 'rpc error: code = Unauthenticated desc = etcdserver: invalid auth token',
    });
    expect(second.error).toMatchObject({ retryable: true });
    const third = follow('third');
    await turns();
    expect(streams).toHaveLength(2);
    streams[1]?.creates();
    expect(third.queues).toHaveLength(1);
    stream.says({ watch_id: String(creations(stream)[0]?.watch_id), events: [put('first/1a-0')] });
    expect(first.queues).toHaveLength(2);
    let isAnswered = false;
    watches.probe(100).subscribe(() => (isAnswered = true));
    streams[1]?.creates();
    expect(isAnswered).toBe(false);
    stream.creates();
    expect(isAnswered).toBe(true);
  });

  it('that breaks tells all, and moves to another endpoint', async () => {
    const { stream, follow, first, failures } = await opened();
    stream.creates();
    const second = follow('second');
    stream.emit('error', new Error('cut'));
    expect([first.error, second.error]).toMatchObject([{ retryable: true }, { retryable: true }]);
    expect(failures).toEqual([1]);
  });
});

describe('what is watched from now on', () => {
  /** A queue that is read when the spec says so, on a stream that has shown whose ids it uses. */
  async function fresh({ isDirect = true, known }: { isDirect?: boolean; known?: bigint } = {}) {
    const world = await opened(isDirect);
    const { stream, watches } = world;
    stream.creates(isDirect ? undefined : 0);
    const reads: Subject<Queue>[] = [];
    const read$ = new Observable<Queue>((subscriber) => {
      const answer = new Subject<Queue>();
      reads.push(answer);
      return answer.subscribe(subscriber);
    });
    const at = (revision: bigint, ...ids: string[]): Queue => {
      const entered = ids.map((id, i) => put(`a/${id}`, i + 1));
      return { ...QUEUE.applied(viewOf('a'), entered), revision };
    };
    const seen: string[] = [];
    const following = watches
      .followFromNow(QUEUE, { key: 'a', revision: 0n, claims: [] }, read$, known === undefined ? undefined : at(known))
      .subscribe({
        next: ({ revision, claims }) => seen.push([String(revision), ...claims.map(({ id }) => id)].join(' ')),
        error: (error: unknown) => seen.push(String(error)),
      });
    const [, one] = creations(stream);
    const changes = (...events: ReturnType<typeof put>[]): void =>
      stream.says({ watch_id: String(isDirect ? one?.watch_id : 1), events });
    /** The answer to the latest reading. */
    const answers = (view: Queue): void => reads.at(-1)?.next(view);
    return { ...world, reads, at, seen, following, changes, answers };
  }

  it('has no past, and is read meanwhile', async () => {
    const { stream, reads, at, seen, answers, changes } = await fresh();
    expect(creations(stream)[1]).not.toHaveProperty('start_revision');
    expect(reads).toHaveLength(1);
    answers(at(7n, '1'));
    expect(seen).toEqual(['7 1']);
    stream.creates(undefined, '7');
    changes(put('a/2', 8));
    expect(seen).toEqual(['7 1', '8 1 2']);
    expect(reads).toHaveLength(1);
  });

  it('that has begun after it was read is read again: what was between was told to nobody', async () => {
    const { stream, reads, at, seen, answers, changes } = await fresh();
    answers(at(7n));
    stream.creates(undefined, '8');
    expect(reads).toHaveLength(2);
    changes(put('a/3', 9));
    answers(at(9n, '2', '3'));
    expect(seen).toEqual(['7', '9 2 3']);
  });

  it('is told no change twice: those that what is read has are left out, those after it are not', async () => {
    const { stream, at, seen, answers, changes } = await fresh();
    stream.creates(undefined, '6');
    changes(put('a/1', 7));
    changes(put('a/2', 8), put('a/3', 9));
    expect(seen).toEqual([]);
    answers(at(8n, '1', '2'));
    expect(seen).toEqual(['8 1 2', '9 1 2 3']);
    // A member behind the others tells late what the reading has.
    changes(put('a/1', 7));
    changes(put('a/2', 8), put('a/4', 10));
    expect(seen.slice(2)).toEqual(['10 1 2 3 4']);
  });

  it('and is known is not read where nothing has changed since, and is where the server has gone on', async () => {
    const same = await fresh({ known: 7n });
    same.stream.creates(undefined, '7');
    expect([same.reads.length, same.seen]).toEqual([0, ['7']]);
    const later = await fresh({ known: 7n });
    later.stream.creates(undefined, '8');
    expect([later.reads.length, later.seen]).toEqual([1, []]);
    later.answers(later.at(8n, '1'));
    expect(later.seen).toEqual(['8 1']);
  });

  it('ends with whichever fails, and leaves nothing', async () => {
    const unread = await fresh();
    unread.reads[0]?.error(new Error('not read'));
    expect(unread.seen).toEqual(['Error: not read']);
    unread.stream.creates();
    expect(cancelled(unread.stream)).toEqual([creations(unread.stream)[1]?.watch_id]);
    const unwatched = await fresh();
    unwatched.answers(unwatched.at(7n));
    unwatched.stream.creates(undefined, '7');
    unwatched.stream.emit('error', new Error('cut'));
    expect(unwatched.seen).toEqual(['7', expect.stringContaining('cut')]);
    expect(unwatched.reads.map(({ observed }) => observed)).toEqual([false]);
    const left = await fresh();
    left.following.unsubscribe();
    expect(left.reads.map(({ observed }) => observed)).toEqual([false]);
  });

  it.each<[string, (stream: FakeStream, watch_id: string) => void, number]>([
    [
      'on a stream whose token has expired',
      (stream, watch_id) =>
        stream.says({ created: true, canceled: true, watch_id, cancel_reason: 'invalid auth token' }),
      2,
    ],
    ['whose stream breaks before it has begun', (stream) => stream.emit('error', new Error('cut')), 2],
    ['by a server that does not tell where it begins', (stream) => stream.creates(undefined, '0'), 1],
    ['by a server without a header', (stream, watch_id) => stream.says({ header: null, created: true, watch_id }), 1],
  ])('%s is read, and watched from there', async (_, answer, streamCount) => {
    const { stream, streams, reads, at, seen, answers, first } = await fresh();
    answer(stream, String(creations(stream)[1]?.watch_id));
    expect(reads.map(({ observed }) => observed)).toEqual([false, true]);
    answers(at(7n, '1'));
    await turns();
    expect(seen).toEqual(['7 1']);
    expect(streams).toHaveLength(streamCount);
    expect(streams.flatMap(creations).at(-1)).toMatchObject({ key: Buffer.from('a/'), start_revision: '8' });
    // What was begun and is of no use is cancelled.
    expect(cancelled(stream)).toHaveLength(streamCount === 1 ? 1 : 0);
    first.unsubscribe();
  });

  it('whose readings stay older than its beginning is watched from the last of them', async () => {
    const { stream, reads, at, seen, answers } = await fresh();
    answers(at(7n));
    stream.creates(undefined, '9');
    answers(at(7n));
    answers(at(7n));
    expect([reads.length, seen]).toEqual([3, ['7', '7']]);
    expect(creations(stream).at(-1)).toMatchObject({ key: Buffer.from('a/'), start_revision: '8' });
  });

  it('and read by who has no stream yet is read first: it may be content with that', async () => {
    const { watches, streams, first } = await opened();
    first.unsubscribe();
    const read$ = of<Queue>({ ...viewOf('a'), revision: 7n });
    const seen: Queue[] = [];
    watches
      .followFromNow(QUEUE, viewOf('a'), read$)
      .pipe(take(1))
      .subscribe((view) => seen.push(view));
    expect([seen.length, streams.length]).toEqual([1, 1]);
    watches.followFromNow(QUEUE, viewOf('a'), read$).subscribe();
    expect(streams).toHaveLength(2);
  });

  it('is read first behind a proxy, which does not tell where a watch begins, and watched from there', async () => {
    const { stream, at, seen, answers, changes, reads } = await fresh({ isDirect: false });
    expect(creations(stream)).toHaveLength(1);
    answers(at(7n));
    expect(creations(stream)[1]).toMatchObject({ start_revision: '8' });
    stream.creates(1, '9');
    changes(put('a/1', 8));
    expect(seen).toEqual(['7', '8 1']);
    expect(reads).toHaveLength(1);
    const known = await fresh({ isDirect: false, known: 7n });
    expect(creations(known.stream)[1]).toMatchObject({ start_revision: '8' });
    expect(known.reads).toHaveLength(0);
  });
});

describe('a probe', () => {
  it('asks for one more watch inside of what is watched, and ends it as soon as it is answered', async () => {
    const { watches, stream } = await opened();
    stream.creates();
    let answers = 0;
    watches.probe(1000).subscribe(() => (answers += 1));
    const one = creations(stream).at(-1);
    expect(one?.key.toString()).toMatch(/^first\//);
    stream.creates();
    expect(answers).toBe(1);
    expect(cancelled(stream)).toEqual([one?.watch_id]);
  });

  it('given up after its time breaks the stream, sooner it does not', async () => {
    const { watches, stream, first, failures, clock } = await opened();
    stream.creates();
    watches.probe(1000).subscribe().unsubscribe();
    expect(first.error).toBeUndefined();
    const late = watches.probe(1000).subscribe();
    clock.at += 1000;
    late.unsubscribe();
    expect(first.error).toMatchObject({ message: expect.stringContaining('silent') });
    expect(failures).toHaveLength(1);
  });

  it('ends with the last watch, so that the next one hears nothing of it', async () => {
    const { watches, stream, first } = await opened();
    stream.creates();
    let answers = 0;
    watches.probe(1000).subscribe(() => (answers += 1));
    first.unsubscribe();
    expect(answers).toBe(1);
  });

  it('is answered at once where nothing is watched', () => {
    const nobody = (): never => {
      throw new Error('nobody is to be asked');
    };
    const watches = createWatches(nobody, () => true);
    let answers = 0;
    watches.probe(1000).subscribe(() => (answers += 1));
    expect(answers).toBe(1);
  });
});
