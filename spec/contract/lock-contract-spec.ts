/**
 * What every backend must do, on a real server in real time. The rules of time have their proof in virtual time, in
 * the marble specs; here is what only a server can show.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  NEVER,
  ReplaySubject,
  concat,
  defer,
  filter,
  firstValueFrom,
  ignoreElements,
  lastValueFrom,
  map,
  of,
  share,
  shareReplay,
  take,
  takeWhile,
  tap,
  throwError,
  timer,
  toArray,
} from 'rxjs';
import type { Observable } from 'rxjs';
import {
  AlreadyLockedError,
  InvalidOptionError,
  LockLostError,
  LockNotOwnedError,
  LockTimeoutError,
  LocksClosedError,
  createLocks,
  usingLock,
  withLock,
} from '../../src/index.js';
import type {
  HeldLock,
  Lease,
  EnqueueResult,
  QueueBackend,
  QueuedClaim,
  LockEvent,
  LockState,
  Locks,
  LocksOptions,
  Ownership,
} from '../../src/index.js';
import { behindNetwork } from '../../src/testing/index.js';
import { asQueueBackend, isSlotBackend } from '../../src/engine/slot/slot-backend.js';
import { CONTENDERS, queueNow } from './backends.js';
import type { Server } from './backends.js';

jest.setTimeout(60_000);

describe.each(CONTENDERS)('the contract on $name', ({ start, fifo, ttl: TTL }) => {
  let server: Server;
  let admin: QueueBackend;
  const clients: Locks[] = [];
  let keys = 0;
  let key: string;

  const client = (options: LocksOptions = {}, backend = server.backend()): Locks => {
    const locks = createLocks(backend, { ttl: TTL, ...options });
    clients.push(locks);
    return locks;
  };
  const holderOf = async (locks: Locks): Promise<HeldLock> => locks.mutex(key).acquire();
  const queued = (locks: Locks): Promise<unknown> =>
    firstValueFrom(locks.events$.pipe(filter((event) => event.type === 'queued')));
  const claims = async (): Promise<number> => (await queueNow(admin, key)).claims.length;
  /** Follows the key until nobody is in its queue. */
  const empty = (): Promise<unknown> =>
    firstValueFrom(admin.queue(key, 5000).pipe(filter((queue) => queue.claims.length === 0)));

  beforeAll(async () => {
    server = await start();
    const backend = server.backend();
    admin = isSlotBackend(backend) ? asQueueBackend(backend) : backend;
  });
  afterAll(async () => {
    admin.close();
    await server.stop();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((locks) => locks.close()));
    // Whatever a test did, nothing is left on the server.
    expect(await claims()).toBe(0);
  });
  const fresh = (): string => (key = `contract/${(keys += 1)}`);

  it('one holds, the next waits and gets it when the first gives it back', async () => {
    fresh();
    const [a, b] = [client(), client()];
    const held = await holderOf(a);
    const waiting = queued(b);
    const second = holderOf(b);
    await waiting;
    expect(held.isHeld()).toBe(true);
    await held.release();
    const next = await second;
    expect(next.isHeld()).toBe(true);
    expect(held.isHeld()).toBe(false);
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken);
  });

  it('clients with one owner label exclude each other, and so do subscriptions of one client', async () => {
    fresh();
    const [a, b] = [client({ owner: 'same' }), client({ owner: 'same' })];
    await holderOf(a);
    await expect(b.mutex(key).acquire({ wait: 0 })).rejects.toBeInstanceOf(AlreadyLockedError);
    await expect(a.mutex(key).acquire({ wait: 0 })).rejects.toBeInstanceOf(AlreadyLockedError);
  });

  it('a try names the holder and leaves no trace', async () => {
    fresh();
    const held = await holderOf(client({ owner: 'the holder' }));
    const error: unknown = await client()
      .mutex(key)
      .acquire({ wait: 0 })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AlreadyLockedError);
    expect(error).toMatchObject({
      code: 'ALREADY_LOCKED',
      key,
      holders: [{ owner: 'the holder', fencingToken: held.fencingToken }],
    });
    await held.release();
    expect(await claims()).toBe(0);
  });

  it('a wait ends in a timeout that names the holder, and the waiter is withdrawn', async () => {
    fresh();
    const held = await holderOf(client({ owner: 'the holder' }));
    const error: unknown = await client()
      .mutex(key)
      .acquire({ wait: 1000 })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LockTimeoutError);
    expect(error).toMatchObject({ code: 'LOCK_TIMEOUT', key, wait: 1000, holders: [{ owner: 'the holder' }] });
    await held.release();
    await empty();
  });

  it('a hundred cycles through ten contenders: one at a time, tokens growing', async () => {
    fresh();
    let inside = 0;
    const tokens: bigint[] = [];
    const work = (held: HeldLock): Observable<number> =>
      defer(() => {
        inside += 1;
        expect(inside).toBe(1);
        tokens.push(held.fencingToken);
        return timer(1).pipe(tap(() => (inside -= 1)));
      });
    const runs = Array.from({ length: 10 }, () => {
      const lock = client().mutex(key);
      return lastValueFrom(concat(...Array.from({ length: 10 }, () => usingLock(lock, work))));
    });
    await Promise.all(runs);
    expect(tokens).toHaveLength(100);
    expect([...tokens].sort((x, y) => (x < y ? -1 : 1))).toEqual(tokens);
    expect(new Set(tokens).size).toBe(100);
  });

  it('serves those of one client in the order of their coming', async () => {
    fresh();
    const held = await holderOf(client());
    const locks = client();
    const lock = locks.mutex(key);
    const served: number[] = [];
    const all: Promise<void>[] = [];
    for (const place of [0, 1, 2, 3, 4, 5, 6, 7]) {
      const waiting = queued(locks);
      all.push(lock.use(() => void served.push(place)));
      await waiting;
    }
    await held.release();
    await Promise.all(all);
    expect(served).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  if (!fifo) {
    it('says at the call which kinds of lock it cannot have, and what to use', async () => {
      const locks = client();
      const refusal = expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(/etcd v3/) });
      const several = (): unknown => locks.all(locks.mutex('a'), locks.mutex('b'));
      for (const make of [
        () => locks.semaphore('k', 2),
        () => locks.readLock('k'),
        () => locks.writeLock('k'),
        several,
      ]) {
        expect(make).toThrow(refusal);
      }
      await expect(locks.mutex('k').revoke({ reason: 'no room for it' })).rejects.toEqual(refusal);
    });
  }

  if (fifo) {
    it('serves in the order of coming', async () => {
      fresh();
      const held = await holderOf(client());
      const served: number[] = [];
      const all: Promise<unknown>[] = [];
      for (const place of [1, 2, 3, 4, 5]) {
        const locks = client();
        const inLine = queued(locks);
        all.push(
          lastValueFrom(
            of(place).pipe(
              tap((one) => served.push(one)),
              withLock(locks.mutex(key)),
            ),
          ),
        );
        await inLine;
      }
      await held.release();
      await Promise.all(all);
      expect(served).toEqual([1, 2, 3, 4, 5]);
    });

    it('what an observer is told first is not older than its question', async () => {
      fresh();
      const [a, b] = [client(), client()].map((locks) => locks.semaphore(key, 2));
      if (!a || !b) throw new Error('there are two');
      const holds = [];
      for (let round = 0; round < 20; round += 1) {
        const first = await a.acquire();
        const second = await b.acquire();
        // Whoever asks among the holders knows of its own claim, and must not take that for all there is.
        const state = await firstValueFrom(a.ownership$());
        holds.push(state.status === 'held' ? state.holders.length : state.status);
        await Promise.all([first.release(), second.release()]);
      }
      expect(holds).toEqual(holds.map(() => 2));
    });

    it('a semaphore is held by so many clients, the next one gets the place of the first who goes', async () => {
      fresh();
      const [a, b, c] = [client(), client(), client()].map((locks) => ({ locks, lock: locks.semaphore(key, 2) }));
      if (!a || !b || !c) throw new Error('there are three');
      const [first, second] = [await a.lock.acquire(), await b.lock.acquire()];
      const waiting = queued(c.locks);
      const third = c.lock.acquire();
      await waiting;
      const state = await firstValueFrom(a.lock.ownership$().pipe(filter((one) => one.status === 'held')));
      expect(state).toMatchObject({ waiting: 1, holders: [{ kind: 'semaphore' }, { kind: 'semaphore' }] });
      await second.release();
      expect([first.isHeld(), (await third).isHeld()]).toEqual([true, true]);
    });

    it('a reader holds beside readers, and behind a writer that waits for them', async () => {
      fresh();
      const [a, b, writer, late] = [client(), client(), client(), client()];
      const readers = [await a.readLock(key).acquire(), await b.readLock(key).acquire()];
      const writing = queued(writer);
      const written = writer.writeLock(key).acquire();
      await writing;
      const behind = queued(late);
      const read = late.readLock(key).acquire();
      await behind;
      await Promise.all(readers.map((held) => held.release()));
      const held = await written;
      await expect(client().readLock(key).acquire({ wait: 0 })).rejects.toBeInstanceOf(AlreadyLockedError);
      await held.release();
      expect((await read).fencingToken).toBeGreaterThan(held.fencingToken);
    });

    it('several keys are held all or none, in whatever order they are named', async () => {
      fresh();
      const [a, b] = [client(), client()];
      const both = a.all(a.mutex(`${key}/x`), a.mutex(`${key}/y`));
      const reverse = b.all(b.mutex(`${key}/y`), b.semaphore(`${key}/x`, 2), b.readLock(`${key}/z`));
      for (let round = 0; round < 10; round += 1) {
        const running = [both, reverse].map((lock) =>
          lock.use((held) => {
            expect(held.keys.length).toBeGreaterThan(1);
          }),
        );
        await Promise.all(running);
      }
      const held = await both.acquire();
      await expect(b.mutex(`${key}/y`).acquire({ wait: 0 })).rejects.toBeInstanceOf(AlreadyLockedError);
      await held.release();
      for (const part of ['x', 'y', 'z']) expect((await queueNow(admin, `${key}/${part}`)).claims).toEqual([]);
    });

    it('several keys are lost together, and what is left of them is given back', async () => {
      fresh();
      const locks = client({ ttl: 10_000 });
      const [x, y] = [`${key}/x`, `${key}/y`];
      const held = await locks.all(locks.mutex(x), locks.mutex(y)).acquire();
      const lost = firstValueFrom(held.renewals$.pipe(filter(() => false))).catch((error: unknown) => error);
      await server.deleteHolder(x);
      expect(await lost).toMatchObject({ code: 'LOCK_LOST', reason: 'deleted' });
      expect((await client().mutex(y).acquire()).isHeld()).toBe(true);
    });

    it('a holder is asked by another client, and gives way', async () => {
      fresh();
      const held = await holderOf(client({ ttl: 10_000 }));
      const asked = firstValueFrom(held.revocation$);
      const waiting = client();
      const inLine = queued(waiting);
      const next = waiting.mutex(key).acquire();
      await inLine;
      const [holder] = await client({ owner: 'ops' }).mutex(key).revoke({ reason: 'drain' });
      expect(holder?.fencingToken).toBe(held.fencingToken);
      expect(await asked).toMatchObject({ reason: 'drain', by: 'ops', within: Infinity });
      expect((await queueNow(admin, key)).claims[0]?.revocation).toMatchObject({ reason: 'drain', by: 'ops' });
      expect(held.isHeld()).toBe(true);
      await held.release();
      expect((await next).isHeld()).toBe(true);
    });

    it('a lock is taken from its holder, who is told by whom and why; so are all keys of several', async () => {
      fresh();
      const locks = client({ ttl: 10_000 });
      const [x, y] = [`${key}/x`, `${key}/y`];
      const held = await locks.all(locks.mutex(x), locks.semaphore(y, 1)).acquire();
      const [loser] = await client({ owner: 'ops' }).mutex(x).revoke({ reason: 'drain', within: 0 });
      expect(loser?.fencingToken).toBe(held.fencingToken);
      expect(held.isHeld()).toBe(false);
      expect(held.signal.reason).toMatchObject({
        code: 'LOCK_LOST',
        reason: 'revoked',
        revocation: { reason: 'drain', by: 'ops', within: 0 },
      });
      expect((await client().mutex(y).acquire()).isHeld()).toBe(true);
    });

    it('tells a waiter how many are ahead', async () => {
      fresh();
      const first = await holderOf(client());
      const [b, c] = [client(), client()];
      const inLine = queued(b);
      const second = b.mutex(key).acquire();
      await inLine;
      const states$ = c
        .mutex(key)
        .lock$()
        .pipe(
          map((state) => (state.status === 'waiting' ? state.ahead : 'held')),
          share({ connector: () => new ReplaySubject(3) }),
        );
      const seen = (state: number | string): Promise<unknown> =>
        firstValueFrom(states$.pipe(filter((one) => one === state)));
      const all = firstValueFrom(states$.pipe(take(3), toArray()));
      await seen(2);
      await first.release();
      // Two events that come together are one view: it is told of those that it was shown.
      await seen(1);
      await (await second).release();
      expect(await all).toEqual([2, 1, 'held']);
    });
  }

  it('withLock completes only when another can take the lock at once', async () => {
    fresh();
    const [a, b] = [client(), client()];
    for (let round = 0; round < 20; round += 1) {
      await lastValueFrom(of(round).pipe(withLock(a.mutex(key))));
      await (await b.mutex(key).acquire({ wait: 0 })).release();
    }
  });

  it('withLock passes the error of the source on, after the release', async () => {
    fresh();
    const failure = new Error('from the source');
    const run = lastValueFrom(throwError(() => failure).pipe(withLock(client().mutex(key))));
    await expect(run).rejects.toBe(failure);
    expect(await claims()).toBe(0);
  });

  it('a subscription that ends at any moment leaves nothing behind', async () => {
    fresh();
    const locks = client();
    const holder = await holderOf(client());
    for (const moment of [undefined, 0, 0, 1, 1, 2, 3, 5, 8]) {
      const contender = locks.mutex(key).lock$().subscribe();
      if (moment !== undefined) await lastValueFrom(timer(moment));
      contender.unsubscribe();
    }
    await holder.release();
    await empty();
    for (const moment of [undefined, 0, 0, 1, 1, 2, 3, 5, 8]) {
      const contender = locks.mutex(key).lock$().subscribe();
      if (moment !== undefined) await lastValueFrom(timer(moment));
      contender.unsubscribe();
    }
    await empty();
  });

  it('an aborted signal withdraws a waiter and releases a holder', async () => {
    fresh();
    const reason = new Error('enough');
    const [holding, waiting] = [new AbortController(), new AbortController()];
    const b = client();
    const first = lastValueFrom(client().mutex(key).lock$({ signal: holding.signal }).pipe(ignoreElements()));
    await firstValueFrom(
      b
        .mutex(key)
        .ownership$()
        .pipe(filter((state) => state.status === 'held')),
    );
    const inLine = queued(b);
    const second = b.mutex(key).acquire({ signal: waiting.signal });
    await inLine;
    waiting.abort(reason);
    await expect(second).rejects.toBe(reason);
    holding.abort(reason);
    await expect(first).rejects.toBe(reason);
    await empty();
  });

  it('a renewed lock outlives its ttl, and its deadline moves on', async () => {
    fresh();
    const held = await holderOf(client());
    const before = held.validUntil;
    const renewal = await firstValueFrom(held.renewals$.pipe(filter(({ count }) => count === 4)));
    expect(renewal.validUntil).toBe(held.validUntil);
    expect(held.validUntil - before).toBeGreaterThan(TTL);
    expect(held.isHeld()).toBe(true);
    await expect(client().mutex(key).acquire({ wait: 0 })).rejects.toBeInstanceOf(AlreadyLockedError);
  });

  it('a holder cut off from the server has lost before the next one holds', async () => {
    fresh();
    const { backend, network } = behindNetwork(server.backend());
    const a = client({}, backend);
    const held = await holderOf(a);
    const b = client();
    const inLine = queued(b);
    const next = holderOf(b);
    await inLine;
    const order: string[] = [];
    const lost = new Promise<unknown>((resolve) => {
      held.signal.addEventListener('abort', () => {
        order.push('lost');
        resolve(held.signal.reason);
      });
    });
    network.partition();
    await next.then(() => order.push('next'));
    expect(await lost).toMatchObject({ code: 'LOCK_LOST', key, reason: 'expired', fencingToken: held.fencingToken });
    expect(order).toEqual(['lost', 'next']);
    expect(held.isHeld()).toBe(false);
    await expect(held.release()).rejects.toBeInstanceOf(LockNotOwnedError);
    network.heal();
  });

  it('a claim deleted by hand is lost at once, and the body is stopped first', async () => {
    fresh();
    const order: string[] = [];
    let held: HeldLock | undefined;
    const body = usingLock(client().mutex(key), (taken) => {
      held = taken;
      taken.signal.addEventListener('abort', () => order.push('signal'));
      return concat(of('started'), NEVER).pipe(tap({ unsubscribe: () => order.push('stopped') }));
    });
    const ended = new Promise<unknown>((resolve) => {
      body.subscribe({
        next: () => void server.deleteHolder(key),
        error: (error: unknown) => {
          order.push('error');
          resolve(error);
        },
      });
    });
    expect(await ended).toMatchObject({ code: 'LOCK_LOST', reason: 'deleted' });
    expect(order).toEqual(['stopped', 'signal', 'error']);
    expect(held?.isHeld()).toBe(false);
  });

  it('a claim written over by hand is lost at once', async () => {
    fresh();
    const { overwriteHolder } = server;
    if (!overwriteHolder) return;
    const held = await holderOf(client());
    const lost = new Promise((resolve) => {
      held.signal.addEventListener('abort', () => resolve(held.signal.reason));
    });
    await overwriteHolder(key);
    expect(await lost).toBeInstanceOf(LockLostError);
    await server.deleteHolder(key).catch(() => undefined);
  });

  it('an observer sees who holds, without contending', async () => {
    fresh();
    const states$ = client()
      .mutex(key)
      .ownership$()
      .pipe(take(3), shareReplay({ bufferSize: 3, refCount: false }));
    // A state that came and went before the next look at it would not be told.
    const until = (status: Ownership['status']): Promise<unknown> =>
      firstValueFrom(states$.pipe(filter((state) => state.status === status)));
    const done = lastValueFrom(states$.pipe(toArray()));
    await until('free');
    const held = await client({ owner: 'seen' }).mutex(key).acquire();
    await until('held');
    await held.release();
    const seen = await done;
    expect(seen.map(({ status }) => status)).toEqual(['free', 'held', 'free']);
    expect(seen[1]).toMatchObject({
      key,
      holders: [{ owner: 'seen', kind: 'mutex', fencingToken: held.fencingToken }],
    });
  });

  it('an observer of many sees all below a prefix, and each change; or is told at once that he cannot', async () => {
    const prefix = `${fresh()}/`;
    const [observer, locks] = [client(), client({ owner: 'seen' })];
    if (!admin.queues) return expect(() => observer.watchAll$(prefix)).toThrow(InvalidOptionError);
    const first = await locks.mutex(`${prefix}a`).acquire();
    const nested = await locks.mutex(`${prefix}a/b`).acquire();
    const outside = await locks.mutex(prefix.slice(0, -1)).acquire();
    const told: string[] = [];
    const all$ = observer.watchAll$(prefix);
    const seen$ = all$.pipe(
      tap(({ all, changed }) => {
        const names = changed.map(({ key: name, status }) => `${status} ${name.slice(prefix.length)}`);
        told.push(`${all.size}: ${names.sort().join(', ')}`);
      }),
    );
    const done = lastValueFrom(seen$.pipe(takeWhile(({ all }) => all.size > 0)), { defaultValue: undefined });
    await firstValueFrom(all$.pipe(filter(({ all }) => all.size === 2)));
    await outside.release();
    await first.release();
    await nested.release();
    await done;
    expect(told).toEqual(['2: held a, held a/b', '1: free a', '0: free a/b']);
  });

  it('close() stops holders and waiters, releases, withdraws, and refuses what comes later', async () => {
    fresh();
    const a = client();
    const stream: LockState[] = [];
    const acquired = firstValueFrom(a.events$.pipe(filter((event) => event.type === 'acquired')));
    const first = lastValueFrom(
      a
        .mutex(key)
        .lock$()
        .pipe(tap((state) => stream.push(state))),
    );
    first.catch(() => undefined);
    await acquired;
    const inLine = queued(a);
    const second = a.mutex(key).acquire();
    second.catch(() => undefined);
    await inLine;
    await a.close();
    await expect(first).rejects.toBeInstanceOf(LocksClosedError);
    await expect(second).rejects.toBeInstanceOf(LocksClosedError);
    await expect(a.mutex(key).acquire()).rejects.toBeInstanceOf(LocksClosedError);
    expect(stream.map(({ status }) => status)).toEqual(['held']);
    expect(await claims()).toBe(0);
  });

  it('use() settles as its body does, after the release', async () => {
    fresh();
    const locks = client();
    const events: LockEvent['type'][] = [];
    locks.events$.subscribe(({ type }) => events.push(type));
    expect(await locks.mutex(key).use((held) => Promise.resolve(held.key))).toBe(key);
    await expect(
      locks.mutex(key).use(() => {
        throw new Error('from the body');
      }),
    ).rejects.toThrow('from the body');
    expect(await claims()).toBe(0);
    expect(events.filter((type) => type === 'acquired' || type === 'released')).toEqual([
      'acquired',
      'released',
      'acquired',
      'released',
    ]);
  });

  describe('at the port', () => {
    const lease = (id: string): Lease => ({ id, ttl: TTL, owner: 'port', key });
    const claimOf = (of: Lease, id: string) =>
      ({ key, lease: of, id, kind: 'mutex', since: new Date(), meta: undefined }) as const;

    const claimIn = (answer: EnqueueResult): QueuedClaim => {
      const entry = answer.status === 'queued' ? answer.entries[0] : undefined;
      if (!entry) throw new Error(`not queued: ${answer.status}`);
      return entry.claim;
    };

    it('a lease granted twice is one lease', async () => {
      fresh();
      const mine = lease('1000000000000001');
      const first = await lastValueFrom(admin.grant(mine, 2000));
      expect(first.ttl).toBeGreaterThanOrEqual(TTL);
      // What it has still to run may be told in whole seconds.
      const again = await lastValueFrom(admin.grant(mine, 2000));
      expect(first.ttl - again.ttl).toBeLessThanOrEqual(1000);
      await lastValueFrom(admin.revoke(mine, 2000));
      await lastValueFrom(admin.revoke(mine, 2000));
    });

    it('a claim entered twice is one claim, and only its own token takes it out', async () => {
      fresh();
      const mine = lease('1000000000000002');
      await lastValueFrom(admin.grant(mine, 2000));
      const claim = claimOf(mine, '0');
      const first = await lastValueFrom(admin.enqueue([claim], 2000, 'show'));
      const again = await lastValueFrom(admin.enqueue([claim], 2000, 'show'));
      const [before, after] = [claimIn(first), claimIn(again)];
      expect(after.token).toBe(before.token);
      expect(await claims()).toBe(1);
      await lastValueFrom(admin.dequeue([claim], [before], 2000));
      await lastValueFrom(admin.dequeue([claim], [before], 2000));
      expect(await claims()).toBe(0);
      await lastValueFrom(admin.revoke(mine, 2000));
    });

    if (fifo) {
      it('a claim that is withdrawn unanswered cannot come in later', async () => {
        fresh();
        const mine = lease('1000000000000003');
        await lastValueFrom(admin.grant(mine, 2000));
        const claim = claimOf(mine, '0');
        await lastValueFrom(admin.dequeue([claim], undefined, 2000));
        await expect(lastValueFrom(admin.enqueue([claim], 2000, 'show'))).rejects.toMatchObject({
          code: 'BACKEND',
          retryable: false,
        });
        expect(await claims()).toBe(0);
        await lastValueFrom(admin.revoke(mine, 2000));
      });

      it('a claim that leaves says whether the next one is still there, and an audit which ones are', async () => {
        fresh();
        const mine = lease('1000000000000005');
        await lastValueFrom(admin.grant(mine, 2000));
        const [a, b] = [claimOf(mine, '0'), claimOf(mine, '1')];
        const first = await lastValueFrom(admin.enqueue([a], 2000, 'show'));
        const second = await lastValueFrom(admin.enqueue([b], 2000, 'plain'));
        const [before, successor] = [claimIn(first), claimIn(second)];
        expect(first).toMatchObject({ entries: [{ queue: { claims: [before] } }] });
        expect(second).toMatchObject({ entries: [{ queue: undefined }] });
        expect(await lastValueFrom(admin.dequeue([a], [before], 2000, successor))).toEqual({ successor: 'there' });
        expect(await lastValueFrom(admin.dequeue([a], [before], 2000, successor))).toEqual({ successor: 'there' });
        const revocation = { reason: 'x', within: Infinity };
        await lastValueFrom(admin.others?.ask(key, successor, revocation, 2000) ?? of(undefined));
        expect(await lastValueFrom(admin.dequeue([a], [before], 2000, successor))).toEqual({ successor: 'there' });
        const isThere = await lastValueFrom(admin.audit(mine, 2000));
        expect([isThere(key, before), isThere(key, successor)]).toEqual([false, true]);
        await lastValueFrom(admin.dequeue([b], [successor], 2000));
        expect(await lastValueFrom(admin.dequeue([a], [before], 2000, successor))).toEqual({ successor: 'gone' });
        await lastValueFrom(admin.revoke(mine, 2000));
      });

      it('a renewal or a claim on a lease that is gone says so', async () => {
        fresh();
        const none = lease('1000000000000004');
        expect(await lastValueFrom(admin.renew(none, 2000))).toMatchObject({ status: 'gone' });
        expect(await lastValueFrom(admin.enqueue([claimOf(none, '0')], 2000, 'show'))).toEqual({
          status: 'lease-gone',
        });
      });
    }
  });
});
