/**
 * The rounds of a contender where a key has one slot: when it asks for the slot, and what it is told meanwhile.
 */
import { describe, expect, it } from '@jest/globals';
import {
  EMPTY,
  NEVER,
  ReplaySubject,
  VirtualTimeScheduler,
  concat,
  config,
  defer,
  delay,
  finalize,
  map,
  mergeMap,
  of,
  take,
  throwError,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { decorate } from '../../../src/backend/decorate.js';
import type { WholeSlotBackend } from '../../../src/backend/defaults.js';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import type { ClaimState } from '../../../src/engine/claim-state.js';
import { OwnSessions } from '../../../src/engine/sessions.js';
import { createLocalQueue } from '../../../src/engine/slot/local-queue.js';
import { asQueueBackend } from '../../../src/engine/slot/slot-backend.js';
import { SlotClaim } from '../../../src/engine/slot/slot-claim.js';
import { BackendError, createLocks } from '../../../src/index.js';
import type { LockEvent, Locks, LockState, Queue, SlotBackend, TakeResult } from '../../../src/index.js';
import { engineOf, locksRuntimeOf } from '../../support/engines.js';
import { TIMES } from '../../support/marbles.js';
import { onePlace } from '../../support/one-place.js';
import { fateOf, reportsOf } from '../../support/passing.js';

type Parts = (slots: WholeSlotBackend) => Partial<SlotBackend>;

const outage = (): BackendError => new BackendError('no route.', { retryable: true });
const emptyAt = (revision: bigint): Queue => ({ key: 'k', revision, claims: [] });

/** One server of slots, in a time that passes when asked to; each request as its client, its verb and its time. */
const world = () => {
  const scheduler = new VirtualTimeScheduler(undefined, 0);
  const memory = memoryBackend({ scheduler });
  const sent: string[] = [];
  /** A client to which the server is as given. */
  const client = (owner: string, parts: Parts = () => ({})): Locks => {
    const slots = onePlace(memory);
    const backend = decorate(
      { ...slots, ...(memory.markers && { markers: memory.markers }), ...parts(slots) },
      (answer$, { verb }) =>
        defer(() => {
          sent.push(`${owner} ${verb} ${String(scheduler.now())}`);
          return answer$;
        }),
    );
    return createLocks(backend, { ...TIMES, owner, random: () => 0, scheduler });
  };
  const pass = async (ms: number): Promise<void> => {
    scheduler.maxFrames += ms;
    scheduler.schedule(() => undefined, scheduler.maxFrames - scheduler.now());
    scheduler.flush();
    for (let turn = 0; turn < 40; turn += 1) await Promise.resolve();
  };
  return { scheduler, memory, client, pass, sent, of: (verb: string) => sent.filter((one) => one.includes(verb)) };
};

/** Contends; each other state than before by its name with who holds, and the end. */
const contends = (locks: Locks, options = {}) => {
  const told: string[] = [];
  const subscription = locks
    .mutex('k')
    .lock$(options)
    .subscribe({
      next: (state: LockState) => {
        const owners = state.status === 'waiting' ? state.holders.map(({ owner }) => owner) : [];
        const now = [state.status, ...owners].join(' ');
        if (told.at(-1) !== now) told.push(now);
      },
      error: (error: unknown) => told.push(error instanceof Error ? error.message : 'something else'),
      complete: () => told.push('complete'),
    });
  return { told, stop: () => subscription.unsubscribe() };
};

describe('where a key has one slot', () => {
  it('who stands behind another one of its Locks does not ask for it, also when that one gives up, until it is free', async () => {
    const w = world();
    const [a, b] = [w.client('a'), w.client('b')];
    const holder = contends(a);
    await w.pass(1);
    const [first, second] = [contends(b), contends(b)];
    await w.pass(4);
    first.stop();
    await w.pass(3);
    expect(w.of('take')).toEqual(['a take 0', 'b take 1']);
    holder.stop();
    await w.pass(3);
    expect(w.of('take')).toEqual(['a take 0', 'b take 1', 'b take 9']);
    expect([first.told, second.told]).toEqual([['waiting a'], ['waiting a', 'held']]);
    second.stop();
  });

  it('who waits has no lease: nothing is renewed but what is held', async () => {
    const w = world();
    const [holder, waiter] = [contends(w.client('a')), contends(w.client('b'))];
    await w.pass(10);
    expect(w.of('renew')).toEqual(['a renew 4', 'a renew 8']);
    waiter.stop();
    holder.stop();
  });

  it('who leaves as it is told that it waits is gone: it watches nothing, and asks no more', async () => {
    const w = world();
    let watches = 0;
    const holder = contends(w.client('a'));
    const b = w.client('b', (slots) => ({
      take: (...asked) => slots.take(...asked).pipe(delay(1, w.scheduler)),
      queue: (...asked) => defer(() => ((watches += 1), slots.queue(...asked))).pipe(finalize(() => (watches -= 1))),
    }));
    const states: string[] = [];
    b.mutex('k')
      .lock$()
      .pipe(take(1))
      .subscribe(({ status }) => states.push(status));
    await w.pass(10);
    expect([states, watches]).toEqual([['waiting'], 0]);
    holder.stop();
    await w.pass(10);
    expect(w.of('take')).toEqual(['a take 0', 'b take 0']);
  });

  it('who is ended by what it hears of the server does not ask again', async () => {
    const w = world();
    const takes = [throwError(outage), of<TakeResult>({ status: 'refused', queue: emptyAt(1n) })];
    const b = w.client('b', (slots) => ({
      take: (...asked) => takes.shift() ?? slots.take(...asked),
      // Whether the first attempt arrived is not known, so it is taken back.
      release: () => throwError(outage),
    }));
    let outages = 0;
    b.events$.subscribe(({ type }) => {
      if (type !== 'disconnected') return;
      outages += 1;
      if (outages === 2) waiter.stop();
    });
    const waiter = contends(b);
    await w.pass(20);
    expect(outages).toBeGreaterThan(1);
    expect(w.of('take')).toEqual(['b take 0', 'b take 1']);
  });

  it('what a round left behind is taken out while the next one holds, and lets nobody else ask', async () => {
    const w = world();
    const holder = contends(w.client('a'));
    const isOut = new ReplaySubject<void>(1);
    let takes = 0;
    let releases = 0;
    const b = w.client('b', (slots) => ({
      take: (...asked) => ((takes += 1), takes === 1 ? NEVER : slots.take(...asked)),
      release: (...asked) => {
        releases += 1;
        return holder.told.includes('over') ? slots.release(...asked) : isOut.pipe(take(1));
      },
    }));
    const [first, second] = [contends(b), contends(b)];
    await w.pass(8);
    holder.stop();
    await w.pass(4);
    expect(first.told).toEqual(['waiting a', 'held']);
    const asked = takes;
    expect(releases).toBeGreaterThan(0);
    isOut.next();
    await w.pass(6);
    expect([takes, second.told.at(-1)]).toEqual([asked, 'waiting b']);
    holder.told.push('over');
    first.stop();
    await w.pass(0);
    expect([takes, second.told.at(-1)]).toEqual([asked + 1, 'held']);
    second.stop();
  });
});

describe('a server of slots that does not answer', () => {
  const SILENT: Partial<SlotBackend> = { take: () => NEVER, renew: () => NEVER, queue: () => NEVER };

  it('before it has ever answered ends the contention when the lease would have run out, with what was asked', async () => {
    const w = world();
    const b = w.client('b', () => SILENT);
    const reports = reportsOf(b);
    const { told } = contends(b);
    await w.pass(9);
    expect(told).toEqual([]);
    await w.pass(1);
    expect(told).toEqual([
      'memory did not answer "renew" within 2 ms. Is the server up, and are hosts and firewall right?',
    ]);
    expect(reports.map(({ type }) => type)).not.toContain('requeued');
  });

  it('any more does not: the contender goes on, and holds once there is an answer', async () => {
    const w = world();
    let isUp = true;
    const b = w.client('b', (slots) => ({
      take: (...asked) => {
        if (isUp) return of<TakeResult>({ status: 'refused', queue: emptyAt(1n) });
        return w.scheduler.now() < 15 ? NEVER : slots.take(...asked);
      },
      renew: (...asked) => (w.scheduler.now() < 15 ? NEVER : slots.renew(...asked)),
    }));
    const reports = reportsOf(b);
    const { told, stop } = contends(b);
    isUp = false;
    for (let ms = 0; ms < 45; ms += 1) await w.pass(1);
    expect(told).toEqual(['held']);
    expect(reports.find(({ type }) => type === 'requeued')).toMatchObject({
      key: 'k',
      owner: 'b',
      cause: { name: 'ClaimLost', reason: 'expired', cause: { code: 'BACKEND' } },
    });
    stop();
  });

  it('for good, by a refusal, ends the contention with that', async () => {
    const w = world();
    const refused = new BackendError('the disk is full.', { retryable: false });
    const { told } = contends(w.client('b', () => ({ take: () => throwError(() => refused) })));
    await w.pass(0);
    expect(told).toEqual(['the disk is full.']);
  });
});

describe('what is seen of a slot', () => {
  it('before the refusal is no news: nobody asks again for a slot that was free then', async () => {
    const w = world();
    const holder = contends(w.client('a'));
    const b = w.client('b', ({ queue }) => ({ queue: (...asked) => concat(of(emptyAt(0n)), queue(...asked)) }));
    const waiter = contends(b);
    await w.pass(5);
    expect(w.of('take')).toEqual(['a take 0', 'b take 0']);
    expect(waiter.told).toEqual(['waiting a']);
    holder.stop();
    await w.pass(2);
    expect(waiter.told.at(-1)).toBe('held');
    waiter.stop();
  });

  it('may be nothing for a while: who waits hears of no error and asks for nothing, then goes on', async () => {
    const { onUnhandledError } = config;
    const unhandled: unknown[] = [];
    config.onUnhandledError = (error: unknown) => void unhandled.push(error);
    try {
      const w = world();
      const holder = contends(w.client('a'));
      const b = w.client('b', ({ queue }) => ({
        queue: (...asked) => (w.scheduler.now() < 5 ? throwError(outage) : queue(...asked)),
      }));
      const waiter = contends(b);
      for (let ms = 0; ms < 9; ms += 1) await w.pass(1);
      expect(waiter.told).toEqual(['waiting a']);
      expect(w.of('take')).toEqual(['a take 0', 'b take 0']);
      holder.stop();
      await w.pass(2);
      expect(waiter.told.at(-1)).toBe('held');
      waiter.stop();
      await new Promise((resolve) => setTimeout(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      config.onUnhandledError = onUnhandledError;
    }
  });

  it('may be nothing when the one before gives up: the next one asks then, after a pause', async () => {
    const w = world();
    const holder = contends(w.client('a'));
    const b = w.client('b', () => ({ queue: () => NEVER }));
    const [first, second] = [contends(b), contends(b)];
    await w.pass(5);
    first.stop();
    await w.pass(0);
    expect(w.of('take')).toEqual(['a take 0', 'b take 0']);
    await w.pass(1);
    expect(w.of('take')).toEqual(['a take 0', 'b take 0', 'b take 6']);
    expect(second.told).toEqual(['waiting a']);
    second.stop();
    holder.stop();
  });

  it('need not be the latest: the slot that one of its Locks gave back is asked for at once', async () => {
    const w = world();
    const b = w.client('b', ({ queue }) => ({ queue: (...asked) => concat(queue(...asked).pipe(take(1)), NEVER) }));
    const [first, second] = [contends(b), contends(b)];
    await w.pass(3);
    expect(second.told).toEqual(['waiting b']);
    first.stop();
    await w.pass(0);
    expect(w.of('take')).toEqual(['b take 0', 'b take 3']);
    expect(second.told).toEqual(['waiting b', 'held']);
    second.stop();
  });

  it('says of a slot that was lost and not given back that it is free for all: the next one pauses as they do', async () => {
    const w = world();
    const b = w.client('b', ({ renew }) => ({
      renew: (...asked) =>
        w.scheduler.now() < 8 ? renew(...asked) : of({ status: 'gone', reason: 'deleted' } as const),
    }));
    const [first, second] = [contends(b), contends(b)];
    await w.pass(8);
    expect(first.told.at(-1)).toMatch(/^Lost "k": its claim was deleted/);
    expect(w.of('take')).toEqual(['b take 0']);
    await w.pass(1);
    expect(w.of('take')).toEqual(['b take 0', 'b take 9']);
    second.stop();
  });
});

describe('a claim in its slot', () => {
  it('is asked back: its holder is told by whom', async () => {
    const w = world();
    const asks = createLocks(w.memory, { ...TIMES, owner: 'admin', random: () => 0, scheduler: w.scheduler });
    const b = w.client('b');
    const reports = reportsOf(b);
    const reasons: unknown[] = [];
    const holding = b
      .mutex('k')
      .lock$()
      .pipe(mergeMap((state) => (state.status === 'held' ? state.held.revocation$ : EMPTY)))
      .subscribe(({ reason, by }) => reasons.push({ reason, by }));
    await w.pass(5);
    const asked = fateOf(asks.mutex('k').revoke({ reason: 'upgrade', within: 100 }));
    await w.pass(1);
    expect(reasons).toEqual([{ reason: 'upgrade', by: 'admin' }]);
    expect(reports.map(({ type }) => type)).toContain('revocation');
    holding.unsubscribe();
    await w.pass(5);
    expect(asked.is).toBe('resolved');
  });

  it('may be behind another one by then: it waits in its slot until that one has left', async () => {
    const w = world();
    const plain = createLocks(w.memory, { ...TIMES, owner: 'plain', random: () => 0, scheduler: w.scheduler });
    const holder = contends(plain);
    const b = w.client('b', () => ({
      take: (claim, timeout) =>
        w.memory.grant(claim.lease, timeout).pipe(
          mergeMap(() => w.memory.enqueue([claim], timeout, 'show')),
          map((answer): TakeResult => {
            const entry = answer.status === 'queued' ? answer.entries[0] : undefined;
            if (!entry?.queue) throw new Error('not in its slot');
            return { status: 'taken', claim: entry.claim, queue: entry.queue };
          }),
        ),
    }));
    const waiter = contends(b);
    await w.pass(5);
    expect(waiter.told).toEqual(['waiting plain']);
    holder.stop();
    await w.pass(0);
    expect(waiter.told).toEqual(['waiting plain', 'held']);
    expect(w.of('take')).toEqual(['b take 0']);
    waiter.stop();
  });

  it('is what a marker is written over: what is done once on slots is done once', async () => {
    const w = world();
    const run = (owner: string) =>
      fateOf(
        w
          .client(owner)
          .once('k', { keep: 100 })
          .run(() => owner),
      );
    const first = run('a');
    await w.pass(1);
    const second = run('b');
    await w.pass(1);
    expect([first, second]).toEqual([
      { is: 'resolved', of: 'a' },
      { is: 'resolved', of: 'a' },
    ]);
    expect(w.of('markers.write')).toEqual(['a markers.write 1']);
  });

  it('that a marker found gone is lost at once, and no renewal is awaited', async () => {
    const w = world();
    const b = w.client('b', () => {
      if (!w.memory.markers) throw new Error('memory has markers');
      return { markers: { ...w.memory.markers, write: () => of('gone') } };
    });
    const reports = reportsOf(b);
    const ran = fateOf(b.once('k', { keep: 100 }).run(() => 'b'));
    await w.pass(1);
    expect(ran).toMatchObject({ is: 'rejected', of: { code: 'LOCK_LOST', key: 'k', reason: 'deleted' } });
    expect(reports.find(({ type }: LockEvent) => type === 'lost')).toMatchObject({
      key: 'k',
      reason: 'deleted',
      heldFor: 1,
    });
    expect(w.of('renew')).toEqual([]);
  });
});

describe('a server of slots that leaves out what it may', () => {
  it('holds and frees a slot, and says that it cannot keep one', async () => {
    const w = world();
    const { keep, ...bare } = onePlace(w.memory);
    expect(keep).toBeDefined();
    const lock = createLocks(bare, { ...TIMES, random: () => 0, scheduler: w.scheduler }).mutex('k');
    await expect(lock.acquire({ atLeast: 50 })).rejects.toThrow(
      'memory cannot keep a lock after its release. Leave it out, and hold the lock for that long.',
    );
    const acquired = lock.acquire();
    await w.pass(1);
    const released = fateOf((await acquired).release());
    await w.pass(1);
    const next = fateOf(lock.use(() => 'next', { wait: 0 }));
    await w.pass(1);
    expect([released.is, next]).toEqual(['resolved', { is: 'resolved', of: 'next' }]);
  });
});

describe('a server of slots as one of queues', () => {
  const lease = { id: '1', ttl: 12, owner: 'a', key: 'k' };
  const claim = { key: 'k', kind: 'mutex', lease, id: '1', since: new Date(0), meta: undefined } as const;
  const adapted = () => asQueueBackend(onePlace(memoryBackend({ scheduler: new VirtualTimeScheduler() })));
  const answersOf = (verb: 'enqueue' | 'dequeue' | 'audit') => {
    const backend = adapted();
    const answers: unknown[] = [];
    backend.enqueue([claim], 1, 'plain').subscribe((answer) => verb === 'enqueue' && answers.push(answer));
    backend.audit(lease, 1).subscribe((isThere) => {
      if (verb === 'audit')
        answers.push(
          isThere('k', {
            id: '1-1',
            token: 2n,
            stamp: '2',
            kind: 'mutex',
            owner: 'a',
            since: undefined,
            meta: undefined,
          }),
        );
    });
    backend.dequeue([claim], undefined, 1).subscribe((answer) => verb === 'dequeue' && answers.push(answer));
    return answers;
  };

  it('does not know who is next, and finds each claim where it was: its renewal tells of a loss', () => {
    expect(answersOf('enqueue')).toMatchObject([{ status: 'queued', entries: [{ claim: { owner: 'a' } }] }]);
    expect(answersOf('dequeue')).toEqual([{ successor: 'unknown' }]);
    expect(answersOf('audit')).toEqual([true]);
  });

  it.each<[string, () => unknown]>([
    ['nothing to keep.', () => adapted().keep?.([], [], lease, 1)],
    ['nothing to queue.', () => adapted().enqueue([], 1, 'plain')],
    ['nothing to release.', () => adapted().dequeue([], undefined, 1)],
  ])('asked about no claim it says so: %s', (message, ask) => {
    expect(ask).toThrow(new TypeError(message));
  });
});

describe('a claim between two tries', () => {
  it('has no lease, no token and no name on the server, and leaves once', () => {
    const scheduler = new TestScheduler(() => undefined);
    const memory = memoryBackend({ scheduler });
    const slots = asQueueBackend(onePlace(memory));
    const engine = engineOf(scheduler, { backend: slots });
    const runtime = locksRuntimeOf(scheduler, { backend: slots, sessions: new OwnSessions(engine) });
    const localQueue = createLocalQueue();
    const make = () => {
      const told: ClaimState['status'][] = [];
      const options = {
        specs: [{ key: 'k', kind: 'mutex' }],
        isTry: false,
        shape: undefined,
        meta: undefined,
      } as const;
      const claim = new SlotClaim(runtime, localQueue, options, ({ status }) => told.push(status));
      const known = () => [claim.session?.lease.key, claim.token, claim.queued?.claim.key, claim.ids];
      return { claim, told, known };
    };
    const [first, second] = [make(), make()];
    expect(first.known()).toEqual([undefined, undefined, undefined, []]);
    first.claim.begin();
    second.claim.begin();
    const [key, token, queued, ids] = first.known();
    expect([key, token, queued, ids]).toEqual(['k', expect.any(BigInt), 'k', [expect.stringMatching(/^[0-9a-f]+-/)]]);
    expect(second.known()).toEqual([undefined, undefined, undefined, []]);
    expect(() => second.claim.isGone()).not.toThrow();
    second.claim.leave(false);
    second.claim.leave(false);
    expect(second.told.filter((status) => status === 'left')).toEqual(['left']);
    first.claim.leave(false);
    first.claim.leave(false);
    expect(first.told).toEqual(['first', 'left']);
  });
});
