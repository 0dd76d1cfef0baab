/**
 * What is told of a lock while it is held and after: events, promises, renewals, the signal.
 */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { VirtualTimeScheduler } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import type { HeldLock, LockEvent, LocksOptions } from '../../src/index.js';
import { lockServer } from '../../src/testing/index.js';
import { SLOW, TIMES, atFrame, letters, serverOf } from '../support/marbles.js';

/** Two clients of a server, in a time that passes when asked to; what the first of them reports. */
const world = (latency = 0, times: LocksOptions = latency === 0 ? TIMES : SLOW) => {
  const scheduler = new VirtualTimeScheduler(undefined, 0);
  const server = lockServer(scheduler, { latency });
  const [locks, others] = [server.client({ ...times, owner: 'me' }), server.client({ ...times, owner: 'they' })];
  const reported: LockEvent[] = [];
  locks.events$.subscribe((event) => reported.push(event));
  const pass = async (ms: number): Promise<void> => {
    scheduler.maxFrames += ms;
    scheduler.schedule(() => undefined, scheduler.maxFrames - scheduler.now());
    scheduler.flush();
    // Promises settle in their own time.
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  const of = (type: LockEvent['type']): LockEvent[] => reported.filter((event) => event.type === type);
  return { server, locks, others, pass, of };
};

/** What has become of a promise so far. */
const fateOf = (promise: Promise<unknown>): { is: string; of?: unknown } => {
  const fate: { is: string; of?: unknown } = { is: 'pending' };
  promise.then(
    (value) => Object.assign(fate, { is: 'resolved', of: value }),
    (error: unknown) => Object.assign(fate, { is: 'rejected', of: error }),
  );
  return fate;
};
const acquired = async ({ locks, pass }: ReturnType<typeof world>, key = 'k'): Promise<HeldLock> => {
  const acquiring = locks.mutex(key).acquire();
  await pass(0);
  return acquiring;
};

describe('the events of a lock', () => {
  it('say how long it was waited for and held, and with which token', async () => {
    const w = world();
    const before = w.others.mutex('k').acquire();
    await w.pass(3);
    const acquiring = w.locks.mutex('k').acquire();
    await w.pass(5);
    await (await before).release();
    const held = await acquiring;
    await w.pass(6);
    await held.release();
    const { fencingToken } = held;
    const lock = { key: 'k', kind: 'mutex', owner: 'me' };
    expect(w.of('queued')).toEqual([{ type: 'queued', ...lock, ahead: 1 }]);
    expect(w.of('acquired')).toEqual([{ type: 'acquired', ...lock, fencingToken, waitedFor: 5 }]);
    expect(w.of('released')).toEqual([{ type: 'released', ...lock, fencingToken, heldFor: 6 }]);
    expect(w.of('lost')).toEqual([]);
  });

  it('say how it was lost', async () => {
    const w = world();
    const { fencingToken } = await acquired(w);
    w.locks.network.partition();
    await w.pass(30);
    const lock = { key: 'k', kind: 'mutex', owner: 'me' };
    const cause = expect.objectContaining({ code: 'BACKEND', message: expect.stringContaining('"renew"') });
    expect(w.of('lost')).toEqual([{ type: 'lost', ...lock, fencingToken, reason: 'expired', heldFor: 10, cause }]);
    expect(w.of('released')).toEqual([]);
  });
});

describe('a ping that nobody answers', () => {
  it('says what its last attempt met', async () => {
    const w = world();
    w.locks.network.partition();
    const pinged = fateOf(w.locks.ping({ within: 9 }));
    await w.pass(10);
    const message = expect.stringMatching(
      /^memory did not answer a ping within 9 ms\. memory did not answer "read \\?"ping/,
    );
    expect(pinged).toMatchObject({ is: 'rejected', of: { code: 'BACKEND', message } });
  });
});

describe('a wait that ends', () => {
  it('in vain tells the server that did not answer, or who holds', async () => {
    const w = world();
    w.locks.network.partition();
    const silent = fateOf(w.locks.mutex('k').acquire({ wait: 1 }));
    await w.pass(1);
    const message = 'memory did not answer within the 1 ms of the wait for "k". `wait` is in milliseconds.';
    expect(silent).toMatchObject({ is: 'rejected', of: { code: 'BACKEND', message, retryable: true } });
    w.locks.network.heal();
    const held = await w.others.mutex('l').acquire();
    const late = fateOf(w.locks.mutex('l').acquire({ wait: 3 }));
    const tried = fateOf(w.locks.mutex('l').acquire({ wait: 0 }));
    await w.pass(3);
    const holders = [{ owner: 'they', fencingToken: held.fencingToken }];
    expect(late).toMatchObject({ is: 'rejected', of: { code: 'LOCK_TIMEOUT', key: 'l', wait: 3, holders } });
    expect(tried).toMatchObject({ is: 'rejected', of: { code: 'ALREADY_LOCKED', key: 'l', holders } });
  });

  it('leaves no listener at the signal', async () => {
    const w = world();
    const stop = new AbortController();
    const held = await w.locks.mutex('k').acquire({ signal: stop.signal });
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
    await held.release();
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
  });
});

describe('a release', () => {
  it('resolves when it is acknowledged, not before', async () => {
    const w = world(1);
    const acquiring = w.locks.mutex('k').acquire();
    await w.pass(4);
    const held = await acquiring;
    const released = fateOf(held.release());
    expect(held.isHeld()).toBe(false);
    await w.pass(1);
    expect(released).toEqual({ is: 'pending' });
    await w.pass(1);
    expect(released).toEqual({ is: 'resolved', of: undefined });
  });

  it('of a lock that its stream has given back resolves, at once when that was acknowledged', async () => {
    const w = world(1);
    let held: HeldLock | undefined;
    const states = w.locks
      .mutex('k')
      .lock$()
      .subscribe((state) => {
        if (state.status === 'held') ({ held } = state);
      });
    await w.pass(4);
    states.unsubscribe();
    const released = fateOf(held?.release() ?? Promise.reject(new Error('not held')));
    await w.pass(1);
    expect(released).toEqual({ is: 'pending' });
    await w.pass(1);
    expect(released).toEqual({ is: 'resolved', of: undefined });
    expect(w.of('released')).toHaveLength(1);
  });

  it('of a lock that its stream has given back long ago resolves at once', async () => {
    const w = world();
    let held: HeldLock | undefined;
    w.locks
      .mutex('k')
      .lock$()
      .subscribe((state) => {
        if (state.status === 'held') ({ held } = state);
      })
      .unsubscribe();
    const states = w.locks
      .mutex('l')
      .lock$()
      .subscribe((state) => {
        if (state.status === 'held') ({ held } = state);
      });
    states.unsubscribe();
    const released = fateOf(held?.release() ?? Promise.reject(new Error('not held')));
    await w.pass(0);
    expect(released).toEqual({ is: 'resolved', of: undefined });
  });

  it('past the deadline is refused, though nobody has told the loss yet', async () => {
    const w = world();
    const held = await acquired(w);
    w.locks.network.partition();
    w.locks.pauseClient(20);
    await w.pass(10);
    expect(held.isHeld()).toBe(false);
    expect(held.remaining()).toBe(0);
    const error: unknown = await held.release().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'LOCK_NOT_OWNED', key: 'k' });
    expect(held.signal.aborted).toBe(false);
    await w.pass(30);
    expect(held.signal.aborted).toBe(true);
    expect(w.of('lost')).toHaveLength(1);
  });

  it('waits for no longer than the lease lasts', async () => {
    const w = world();
    const held = await acquired(w);
    w.locks.network.partition();
    const released = fateOf(held.release());
    await w.pass(9);
    expect(released).toEqual({ is: 'pending' });
    await w.pass(1);
    expect(released).toEqual({ is: 'resolved', of: undefined });
    expect(w.of('lost')).toEqual([]);
  });

  it('hands off when it is asked to, which is what it does unless told otherwise', async () => {
    for (const [options, isAtOnce] of [
      [undefined, true],
      [{}, true],
      [{ handOff: true }, true],
      [{ handOff: false }, false],
    ] as const) {
      const w = world(1);
      const first = w.locks.mutex('k').acquire();
      const second = w.locks.mutex('k').acquire();
      await w.pass(8);
      void (await first).release(options);
      const next = fateOf(second);
      await w.pass(0);
      expect(next.is).toBe(isAtOnce ? 'resolved' : 'pending');
      await w.pass(4);
      expect(next.is).toBe('resolved');
    }
  });

  it('by `await using` does not hand on: nobody knows whether the block threw', async () => {
    const w = world(1);
    const first = w.locks.mutex('k').acquire();
    const second = fateOf(w.locks.mutex('k').acquire());
    await w.pass(8);
    const disposed = fateOf((await first)[Symbol.asyncDispose]());
    await w.pass(0);
    expect([second.is, disposed.is]).toEqual(['pending', 'pending']);
    await w.pass(4);
    expect([second.is, disposed.is]).toEqual(['resolved', 'resolved']);
  });
});

describe('renewals$', () => {
  it('completes with the release, also for who comes later', async () => {
    const w = world();
    const held = await acquired(w);
    const told: unknown[] = [];
    const listen = (): void => {
      held.renewals$.subscribe({
        next: ({ count }) => told.push(count),
        error: () => told.push('lost'),
        complete: () => told.push('end'),
      });
    };
    listen();
    await w.pass(8);
    const released = held.release();
    expect(told).toEqual([1, 2, 'end']);
    listen();
    expect(told).toEqual([1, 2, 'end', 'end']);
    await released;
  });

  it('completes at once for who comes after the release, though nobody listened before', async () => {
    const w = world();
    const held = await acquired(w);
    await held.release();
    let ends = 0;
    held.renewals$.subscribe({ complete: () => (ends += 1) });
    expect(ends).toBe(1);
  });

  it('errors with the loss, also for who comes later', async () => {
    const w = world();
    const held = await acquired(w);
    const told: unknown[] = [];
    const listen = (): void => {
      held.renewals$.subscribe({ error: (error: unknown) => told.push(error), complete: () => told.push('end') });
    };
    listen();
    w.locks.network.partition();
    await w.pass(10);
    listen();
    expect(told).toHaveLength(2);
    expect(told[0]).toMatchObject({ code: 'LOCK_LOST', key: 'k', reason: 'expired' });
    expect(told[1]).toBe(told[0]);
    expect(held.signal.reason).toBe(told[0]);
  });
});

describe('use', () => {
  it('settles as its body, after the release', async () => {
    const w = world(1);
    const failed = new Error('failed');
    const good = fateOf(w.locks.mutex('k').use(() => 'good'));
    await w.pass(4);
    await w.pass(1);
    expect(good.is).toBe('pending');
    await w.pass(1);
    expect(good).toEqual({ is: 'resolved', of: 'good' });
    const bad = fateOf(w.locks.mutex('k').use(() => Promise.reject(failed)));
    const thrown = fateOf(
      w.locks.mutex('l').use(() => {
        throw failed;
      }),
    );
    await w.pass(2);
    await w.pass(1);
    expect([bad.is, thrown.is]).toEqual(['pending', 'pending']);
    await w.pass(1);
    expect([bad, thrown]).toEqual([
      { is: 'rejected', of: failed },
      { is: 'rejected', of: failed },
    ]);
  });

  it('hands off after a body that was done, not after one that failed', async () => {
    for (const [body, isAtOnce] of [
      [() => Promise.resolve(), true],
      [() => Promise.reject(new Error('failed')), false],
    ] as const) {
      const w = world(1);
      const first = fateOf(w.locks.mutex('k').use(body));
      const second = fateOf(w.locks.mutex('k').acquire());
      await w.pass(4);
      // Both are in: the body of the first is over, its release is under way.
      await w.pass(0);
      expect(second.is).toBe(isAtOnce ? 'resolved' : 'pending');
      await w.pass(4);
      expect([first.is, second.is]).toEqual([isAtOnce ? 'resolved' : 'rejected', 'resolved']);
    }
  });

  it('does not begin the body where the lock was lost before it could', async () => {
    const w = world();
    let hasRun = false;
    const running = fateOf(w.locks.mutex('k').use(() => (hasRun = true)));
    w.locks.network.partition();
    // All in one turn: the promise of the lock has been settled, and nobody has heard of it yet.
    await w.pass(30);
    expect(running).toMatchObject({ is: 'rejected', of: { code: 'LOCK_LOST' } });
    expect(hasRun).toBe(false);
  });

  it('tells what a body did too late as an event: its outcome, and why it failed', async () => {
    const w = world();
    const failed = new Error('too late');
    let fail: (reason: Error) => void = () => undefined;
    const running = fateOf(w.locks.mutex('k').use(() => new Promise((_, reject) => (fail = reject))));
    await w.pass(1);
    w.locks.network.partition();
    await w.pass(9);
    expect(running).toMatchObject({ is: 'rejected', of: { code: 'LOCK_LOST' } });
    fail(failed);
    await w.pass(0);
    const lock = { key: 'k', kind: 'mutex', owner: 'me', fencingToken: expect.any(BigInt) };
    expect(w.of('late-result')).toEqual([{ type: 'late-result', ...lock, outcome: 'rejected', cause: failed }]);
  });

  it('tells the loss where the body was done only after the deadline, before anybody knew', async () => {
    const w = world();
    let finish: (value: string) => void = () => undefined;
    const running = fateOf(w.locks.mutex('k').use(() => new Promise<string>((resolve) => (finish = resolve))));
    await w.pass(1);
    w.locks.network.partition();
    w.locks.pauseClient(20);
    await w.pass(11);
    finish('late');
    await w.pass(0);
    expect(running.is).toBe('pending');
    expect(w.of('late-result')).toMatchObject([{ key: 'k', outcome: 'resolved' }]);
    await w.pass(20);
    expect(running).toMatchObject({ is: 'rejected', of: { code: 'LOCK_LOST' } });
  });
});

describe('close', () => {
  it('resolves when all is given back, and ends the events', async () => {
    const w = world(1);
    const acquiring = w.locks.mutex('k').acquire();
    await w.pass(4);
    await acquiring;
    let isComplete = false;
    w.locks.events$.subscribe({ complete: () => (isComplete = true) });
    const closed = fateOf(w.locks.close());
    expect(w.locks.close()).toBe(w.locks.close());
    await w.pass(1);
    expect([closed.is, isComplete]).toEqual(['pending', false]);
    await w.pass(1);
    expect([closed.is, isComplete]).toEqual(['resolved', true]);
  });

  it('waits two seconds for a server that is silent, then leaves the rest to the ttl', async () => {
    const w = world(0, { ttl: 9000 });
    await acquired(w);
    w.locks.network.partition();
    const closed = fateOf(w.locks.close());
    await w.pass(1999);
    expect(closed.is).toBe('pending');
    await w.pass(1);
    expect(closed.is).toBe('resolved');
  });
});

describe('who is told to stop in its own first word', () => {
  it(
    'neither holds nor waits: a signal aborted in the event of another',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const stop = new AbortController();
      atFrame(m, 2, () => stop.abort('stop'));
      m.expect(letters(a.mutex('k').lock$({ signal: stop.signal, wait: 9 }))).toBeObservable('h-#', undefined, 'stop');
      m.expect(letters(a.mutex('k').lock$({ signal: stop.signal })), '---^').toBeObservable('---#', undefined, 'stop');
      m.expect(letters(a.mutex('k').lock$({ wait: 3 })), '----^-----!').toBeObservable('----h');
    }),
  );
});
