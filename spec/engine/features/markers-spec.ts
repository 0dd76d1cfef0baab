/**
 * The marker that says that work is done: how it is written, read and followed, on servers that refuse or keep silent.
 */
import { describe, expect, it } from '@jest/globals';
import {
  NEVER,
  Observable,
  Subject,
  VirtualTimeScheduler,
  concat,
  config,
  defer,
  lastValueFrom,
  of,
  throwError,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { createMarkerWatches } from '../../../src/engine/features/marker-watches.js';
import { BackendError, createLocks, runOnce } from '../../../src/index.js';
import type { Locks, MarkerView, Markers, OnceResult, QueueBackend } from '../../../src/index.js';
import { engineOf } from '../../support/engines.js';
import { TIMES } from '../../support/marbles.js';
import { fateOf } from '../../support/passing.js';

const refusal = (): BackendError => new BackendError('the disk is full.', { retryable: false });
const outage = (): BackendError => new BackendError('no route.', { retryable: true });
const REFUSED = {
  code: 'BACKEND',
  message: '"k" was run, and could not be marked as done, so the next process runs it again: the disk is full.',
  retryable: false,
  outcome: 'none',
  cause: { message: 'the disk is full.' },
};
const fails = (error: () => BackendError) => (): Observable<never> => throwError(error);

/** One client whose markers are kept as given, in a time that passes when asked to; all that is sent for a marker. */
const world = (parts: Partial<Markers> = {}, backendParts: Partial<QueueBackend> = {}) => {
  const scheduler = new VirtualTimeScheduler(undefined, 0);
  const memory = memoryBackend({ scheduler });
  if (!memory.markers) throw new Error('memory has markers');
  const sent: string[] = [];
  const markers = { ...memory.markers, ...parts };
  const write: Markers['write'] = (mark, timeout) => {
    sent.push(`write ${String(scheduler.now())}`);
    return markers.write(mark, timeout);
  };
  const withdraw: Markers['withdraw'] = (mark, timeout) => {
    sent.push(`withdraw ${String(scheduler.now())}`);
    return markers.withdraw(mark, timeout);
  };
  const backend: QueueBackend = { ...memory, ...backendParts, markers: { ...markers, write, withdraw } };
  const client = (): Locks => createLocks(backend, { ...TIMES, owner: 'me', random: () => 0, scheduler });
  const pass = async (ms: number): Promise<void> => {
    scheduler.maxFrames += ms;
    scheduler.schedule(() => undefined, scheduler.maxFrames - scheduler.now());
    scheduler.flush();
    for (let turn = 0; turn < 40; turn += 1) await Promise.resolve();
  };
  const locks = client();
  const now = (): number => scheduler.now();
  return { locks, client, once: locks.once('k', { keep: KEEP }), sent, pass, now };
};

const KEEP = 1000;
const COUNT = { failures: 'count' } as const;

describe('a run whose marker', () => {
  it('is refused is told at once that the next process runs it again, and takes nothing back', async () => {
    const w = world({ write: fails(refusal) });
    const ran = fateOf(w.once.run(() => 'A'));
    await w.pass(0);
    expect(ran).toMatchObject({ is: 'rejected', of: REFUSED });
    await w.pass(50);
    expect(w.sent).toEqual(['write 0']);
    const streamed = fateOf(lastValueFrom(runOnce(w.once, () => of('A'))));
    await w.pass(0);
    expect(streamed).toMatchObject({ is: 'rejected', of: REFUSED });
    // That the marker was refused is no failure of the work.
    const counted = fateOf(w.once.run(() => 'A', COUNT));
    await w.pass(0);
    expect(counted).toMatchObject({ is: 'rejected', of: REFUSED });
    expect(w.sent).toHaveLength(3);
  });

  it('is refused, of a failure that counts, ends with that failure', async () => {
    const w = world({ write: fails(refusal) });
    const failure = new Error('no disk');
    const ran = fateOf(w.once.run(() => Promise.reject(failure), COUNT));
    await w.pass(0);
    const streamed = fateOf(lastValueFrom(runOnce(w.once, () => throwError(() => failure), COUNT)));
    await w.pass(0);
    expect([ran, streamed]).toEqual([
      { is: 'rejected', of: failure },
      { is: 'rejected', of: failure },
    ]);
    expect(w.sent).toHaveLength(2);
  });

  it('is there already has its own value, and takes back what it prepared', async () => {
    const revoked: number[] = [];
    const revoke: QueueBackend['revoke'] = ({ ttl }) => defer(() => of(void revoked.push(ttl)));
    const w = world({ write: () => of('taken') }, { revoke });
    const ran = fateOf(w.once.run(() => 'A'));
    await w.pass(0);
    expect(ran).toEqual({ is: 'resolved', of: 'A' });
    expect([w.sent, revoked.filter((ttl) => ttl === KEEP)]).toEqual([['write 0'], [KEEP]]);
  });

  it('is written takes nothing back', async () => {
    const w = world();
    const ran = fateOf(w.once.run(() => 'A'));
    await w.pass(0);
    await w.pass(5);
    expect(ran).toEqual({ is: 'resolved', of: 'A' });
    expect(w.sent).toEqual(['write 0']);
  });

  it('is not answered is asked again for one ttl, and then taken back for one more', async () => {
    const w = world({ write: () => NEVER, withdraw: fails(outage) });
    const ran = fateOf(w.once.run(() => 'A'));
    await w.pass(0);
    for (let ms = 0; ms < 60; ms += 1) await w.pass(1);
    const message = expect.stringMatching(
      /^"k" was run, .* runs it again: memory did not answer "mark \\?"k\\?" as done" within 2 ms\. Is the server up/,
    );
    expect(ran).toMatchObject({ is: 'rejected', of: { code: 'BACKEND', message, retryable: true } });
    const writes = [0, 3, 6, 9, 12].map((ms) => `write ${String(ms)}`);
    const withdrawals = Array.from({ length: 11 }, (_, i) => `withdraw ${String(14 + i)}`);
    expect(w.sent).toEqual([...writes, ...withdrawals]);
  });

  it('meets an outage is asked again within one ttl, not after', async () => {
    const w = world({ write: fails(outage), withdraw: () => of(undefined) });
    const ran = fateOf(w.once.run(() => 'A'));
    await w.pass(0);
    for (let ms = 0; ms < 30; ms += 1) await w.pass(1);
    expect(ran).toMatchObject({ is: 'rejected', of: { code: 'BACKEND', retryable: true, outcome: 'unknown' } });
    expect(w.sent).toEqual([...Array.from({ length: 13 }, (_, i) => `write ${String(i)}`), 'withdraw 12']);
  });

  it('may not be taken back is not asked again to be', async () => {
    const w = world({ write: () => of('gone'), withdraw: fails(refusal) });
    fateOf(w.once.run(() => 'A'));
    await w.pass(0);
    await w.pass(50);
    expect(w.sent).toEqual(['write 0', 'withdraw 0']);
  });

  it('comes too late is not written: the lock is no longer held', async () => {
    const w = world({ write: () => of('gone') });
    let marked = {};
    w.once.turn$().subscribe({
      next: (state) => {
        if (state.status === 'held') marked = fateOf(lastValueFrom(w.once.mark$(state.held, 'x')));
      },
      error: () => undefined,
    });
    await w.pass(1);
    const message = '"k" is no longer held, so it is not marked as done.';
    expect(marked).toMatchObject({ is: 'rejected', of: { code: 'LOCK_NOT_OWNED', key: 'k', message } });
  });

  it('would be under a lock that has ended has the loss of that lock as its error, or is not owned', async () => {
    const w = world();
    const [ofOther, lost] = [w.locks.mutex('other').acquire({ atMost: 3 }), w.locks.mutex('k').acquire({ atMost: 3 })];
    await w.pass(5);
    const released = w.locks.mutex('k').acquire();
    await w.pass(1);
    void (await released).release();
    await w.pass(1);
    const fates = [];
    for (const held of [ofOther, lost, released]) {
      fates.push(fateOf(lastValueFrom(w.once.mark$(await held, 'x'))));
    }
    await w.pass(1);
    const message =
      '"k" is not held by the given lock, so it is not marked as done. Give the held lock that turn$() emitted.';
    const notOwned = { is: 'rejected', of: { code: 'LOCK_NOT_OWNED', key: 'k', message } };
    expect(fates).toMatchObject([notOwned, { is: 'rejected', of: { code: 'LOCK_LOST', reason: 'overdue' } }, notOwned]);
  });
});

describe('once.run()', () => {
  it('without a function says what to give', async () => {
    const { once } = world();
    await expect(once.run('x' as never)).rejects.toMatchObject({
      message: expect.stringMatching(/body.*give a function that does the work, and the options after it\./),
    });
    expect(() => runOnce(once, 'x' as never)).toThrow(/project.*give a function that makes the stream to be run/);
  });

  it('that skips resolves without a value', async () => {
    const w = world();
    const running = fateOf(w.once.run(() => new Promise(() => undefined)));
    await w.pass(1);
    const skipped = fateOf(
      w
        .client()
        .once('k', { keep: 1000 })
        .run(() => 'B', { onBusy: 'skip' }),
    );
    await w.pass(5);
    expect([running.is, skipped]).toEqual(['pending', { is: 'resolved', of: undefined }]);
  });

  it('marks nothing once its body has given the lock back', async () => {
    const w = world();
    const ran = fateOf(
      w.once.run(async (held) => {
        await held.release();
        return 'A';
      }),
    );
    await w.pass(5);
    expect(w.sent).toEqual([]);
    expect(ran.is).toBe('resolved');
  });

  it('that counts failures counts a value that cannot be kept for the others', async () => {
    const w = world();
    const ran = fateOf(w.once.run(() => 1n, COUNT));
    await w.pass(1);
    expect(ran).toMatchObject({ is: 'rejected', of: { code: 'RUN_RESULT' } });
    const other = fateOf(
      w
        .client()
        .once('k', { keep: 1000 })
        .run(() => 'B'),
    );
    await w.pass(1);
    expect(other).toMatchObject({ is: 'rejected', of: { code: 'RUN_FAILED', key: 'k', by: 'me' } });
  });
});

const AT = '2020-01-02T03:04:05.000Z';
const view = (revision: bigint, value?: string, token = revision): MarkerView => ({
  key: 'k',
  revision,
  marker: value === undefined ? undefined : { token, value },
});

/** Results as they come; each as its value. */
const valuesOf = (result$: Observable<OnceResult<unknown> | undefined>) => {
  const values: unknown[] = [];
  const subscription = result$.subscribe({
    next: (result) => values.push(result?.value),
    error: (error: unknown) => values.push(error),
    complete: () => values.push('complete'),
  });
  return { values, stop: () => subscription.unsubscribe() };
};
const json = (value: string): string => JSON.stringify({ value });

describe('a marker', () => {
  const unknown = {
    key: 'k',
    outcome: 'completed',
    value: undefined,
    reason: undefined,
    by: 'unnamed',
    at: undefined,
    fencingToken: undefined,
  };
  it.each<[string, object]>([
    ['done by hand', {}],
    ['', {}],
    ['null', {}],
    ['7', {}],
    ['"text"', {}],
    ['[1]', {}],
    ['{}', {}],
    ['{"by":7,"at":7,"token":7,"failed":7}', {}],
    ['{"at":"yesterday","token":"-1"}', {}],
    ['{"token":"12x"}', {}],
    ['{"token":"x12"}', {}],
    ['{"token":["12"]}', {}],
    ['{"token":"123456789012345678901"}', {}],
    ['{"token":"12"}', { fencingToken: 12n }],
    [`{"by":"b","at":"${AT}","token":"1","value":[1]}`, { by: 'b', at: new Date(AT), fencingToken: 1n, value: [1] }],
    ['{"by":"b","failed":"no disk"}', { by: 'b', outcome: 'failed', reason: 'no disk' }],
    ['{"failed":""}', { outcome: 'failed', reason: '' }],
  ])('that says %s is read as far as it can be', (text, known) => {
    const { once } = world({ read: () => of(view(1n, text)), follow: () => NEVER });
    const results: unknown[] = [];
    once.result$.subscribe((result) => results.push(result)).unsubscribe();
    expect(results).toEqual([{ ...unknown, ...known }]);
  });

  it('is told once, and a view that is not newer is not told', async () => {
    const views = new Subject<MarkerView>();
    const w = world({ read: () => of(view(3n, json('a'))), follow: () => views });
    const { values } = valuesOf(w.once.result$);
    for (const one of [view(2n, json('old')), view(3n, json('same'), 9n), view(4n, json('a'), 3n), view(5n, json('b'))])
      views.next(one);
    await w.pass(0);
    expect(values).toEqual(['a', 'b']);
    void w.locks.close();
    await w.pass(0);
    expect(values).toEqual(['a', 'b', 'complete']);
    expect(valuesOf(w.once.result$).values).toEqual(['complete']);
  });

  it('that is not told by the server errors with what was asked', async () => {
    const w = world({ read: () => NEVER });
    const { values } = valuesOf(w.once.result$);
    await w.pass(200);
    const message = expect.stringMatching(/^memory did not answer "ask whether \\?"k\\?" is done" within 2 ms\./);
    expect(values).toMatchObject([{ code: 'BACKEND', message }]);
  });

  it('is read once for all who ask while a read is under way, and not for those who left', () => {
    const reads: Subject<MarkerView>[] = [];
    const left: number[] = [];
    const read = (): Observable<MarkerView> =>
      new Observable((subscriber) => {
        const answer = new Subject<MarkerView>();
        const i = reads.push(answer);
        const listening = answer.subscribe(subscriber);
        return () => {
          listening.unsubscribe();
          left.push(i);
        };
      });
    const w = world({ read, follow: () => NEVER });
    const [a, b, c, d] = [1, 2, 3, 4].map(() => valuesOf(w.once.result$));
    expect(reads).toHaveLength(1);
    d?.stop();
    a?.stop();
    expect([left, reads.length]).toEqual([[1], 2]);
    reads[1]?.next(view(1n, json('x')));
    expect([a, b, c, d].map((one) => one?.values)).toEqual([[], ['x'], ['x'], []]);
    expect(reads).toHaveLength(2);
    const [e, f] = [valuesOf(w.once.result$), valuesOf(w.once.result$)];
    e.stop();
    f.stop();
    expect([left, reads.length]).toEqual([[1, 2, 3, 4], 4]);
  });

  it('is read to the end for those who still ask, though one who asked with them has left', () => {
    const reads: Subject<MarkerView>[] = [];
    const read = (): Observable<MarkerView> => {
      const answer = new Subject<MarkerView>();
      reads.push(answer);
      return answer;
    };
    const w = world({ read, follow: () => NEVER });
    const [first, left, stays] = [1, 2, 3].map(() => valuesOf(w.once.result$));
    reads[0]?.next(view(1n, json('x')));
    expect(reads).toHaveLength(2);
    left?.stop();
    reads[1]?.next(view(2n, json('y')));
    expect([first, left, stays].map((one) => one?.values)).toEqual([['x'], [], ['y']]);
    expect(reads).toHaveLength(2);
    first?.stop();
    stays?.stop();
  });

  it('is told by the first answer to a read: who asked meanwhile gets an answer of their own', () => {
    const late = new Subject<MarkerView>();
    let meanwhile = (): void => undefined;
    let reads = 0;
    const read = (): Observable<MarkerView> =>
      defer(() => {
        reads += 1;
        if (reads > 1) return late;
        meanwhile();
        return of(view(1n, json('x')), view(2n, json('again')));
      });
    const w = world({ read, follow: () => NEVER });
    const asked: ReturnType<typeof valuesOf>[] = [];
    meanwhile = () => void asked.push(valuesOf(w.once.result$));
    const first = valuesOf(w.once.result$);
    expect([first.values, asked.map(({ values }) => values), reads]).toEqual([['x'], [[]], 2]);
    late.next(view(3n, json('y')));
    expect([first.values, asked.map(({ values }) => values), reads]).toEqual([['x'], [['y']], 2]);
    for (const one of [first, ...asked]) one.stop();
  });

  it('that is told twice by one read is told once, and the second answer is no error', async () => {
    const { onUnhandledError } = config;
    const unhandled: unknown[] = [];
    config.onUnhandledError = (error: unknown) => void unhandled.push(error);
    try {
      const w = world({ read: () => of(view(1n, json('x')), view(2n, json('again'))), follow: () => NEVER });
      const { values, stop } = valuesOf(w.once.result$);
      await new Promise((resolve) => setTimeout(resolve));
      expect([values, unhandled]).toEqual([['x'], []]);
      stop();
    } finally {
      config.onUnhandledError = onUnhandledError;
    }
  });

  it('is followed anew now and then, and when the server did not answer a probe, in case a change was not told', async () => {
    const begun: number[] = [];
    let isSilent = false;
    let now = (): number => 0;
    const w = world(
      { read: () => of(view(1n)), follow: () => defer(() => (begun.push(now()), concat(of(view(1n)), NEVER))) },
      { probe: () => (isSilent ? NEVER : of(undefined)) },
    );
    now = w.now;
    const { values, stop } = valuesOf(w.once.result$);
    for (let ms = 0; ms < 30; ms += 1) await w.pass(1);
    // In the first round of the patrol, four ms apart, that is a ttl after it was read.
    expect(begun).toEqual([0, 12, 24]);
    isSilent = true;
    for (let ms = 0; ms < 5; ms += 1) await w.pass(1);
    // The probe of 32 is given up at 34; a pause of one.
    isSilent = false;
    expect(begun).toEqual([0, 12, 24, 35]);
    expect(values).toEqual([undefined]);
    stop();
  });

  it('is followed by one watch, until nobody follows it', () => {
    const watches: string[] = [];
    const views = new Subject<MarkerView>();
    let now = view(1n);
    const follow = (): Observable<MarkerView> =>
      new Observable((subscriber) => {
        watches.push('begin');
        const listening = views.subscribe(subscriber);
        return () => {
          listening.unsubscribe();
          watches.push('end');
        };
      });
    const w = world({ read: () => of(now), follow });
    const a = valuesOf(w.once.result$);
    views.next(view(5n, json('x')));
    // Read from a server that is behind.
    now = view(3n);
    const b = valuesOf(w.once.result$);
    expect(b.values).toEqual([undefined, 'x']);
    a.stop();
    const c = valuesOf(w.once.result$);
    views.next(view(6n, json('y')));
    expect([b.values.at(-1), c.values.at(-1), watches]).toEqual(['y', 'y', ['begin']]);
    b.stop();
    c.stop();
    expect(watches).toEqual(['begin', 'end']);
    const d = valuesOf(w.once.result$);
    expect([d.values, watches]).toEqual([[undefined], ['begin', 'end', 'begin']]);
    d.stop();
  });

  it('of before a watch broke is not told to who asks after it', () => {
    let watch = new Subject<MarkerView>();
    const w = world({ read: () => of(view(1n)), follow: () => (watch = new Subject()) });
    const early = valuesOf(w.once.result$);
    watch.next(view(5n, json('x')));
    watch.error(outage());
    const late = valuesOf(w.once.result$);
    expect([early.values, late.values]).toEqual([[undefined, 'x'], [undefined]]);
    early.stop();
    late.stop();
  });
});

describe('the watches of the markers of a closed `Locks`', () => {
  it('begin no more', () => {
    const scheduler = new TestScheduler(() => undefined);
    const runtime = engineOf(scheduler);
    const { markers } = memoryBackend({ scheduler });
    if (!markers) throw new Error('memory has markers');
    let watches = 0;
    const follow: Markers['follow'] = () => defer(() => ((watches += 1), of(view(9n, json('x')))));
    const resync = { add: () => (watches += 1), stop: () => undefined };
    const marked = createMarkerWatches(runtime, resync, { ...markers, follow });
    marked.stop();
    const told: unknown[] = [];
    const following = marked.follow$('k', view(1n)).subscribe((now) => told.push(now));
    expect([told, watches]).toEqual([[], 0]);
    following.unsubscribe();
  });
});

describe('a ping', () => {
  it('is refused at once, and asked again during an outage for as long as it may take', async () => {
    let asked = 0;
    let error = refusal;
    const queue = (): Observable<never> => {
      asked += 1;
      return throwError(error);
    };
    const w = world({}, { queue });
    const refused = fateOf(w.locks.ping({ within: 9 }));
    await w.pass(0);
    expect([refused, asked]).toMatchObject([{ is: 'rejected', of: { message: 'the disk is full.' } }, 1]);
    error = outage;
    const late = fateOf(w.locks.ping({ within: 9 }));
    await w.pass(30);
    const message = 'memory did not answer a ping within 9 ms. no route.';
    expect(late).toMatchObject({
      is: 'rejected',
      of: { code: 'BACKEND', message, retryable: true, cause: { message: 'no route.' } },
    });
    expect(asked).toBeGreaterThan(2);
  });
});
