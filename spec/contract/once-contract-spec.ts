/**
 * What one of a fleet does for all, on every backend, on a real server in real time. The rules of time have their proof
 * in virtual time.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { NEVER, Subject, concat, defer, filter, firstValueFrom, lastValueFrom, map, take, tap, toArray } from 'rxjs';
import type { Observable } from 'rxjs';
import { decorate } from '../../src/backend/decorate.js';
import type { BackendCall } from '../../src/backend/decorate.js';
import { LockLostError, RunFailedError, RunResultError, createLocks, runOnce } from '../../src/index.js';
import type { LockBackend, Locks, LocksOptions, Once } from '../../src/index.js';
import { asQueueBackend, isSlotBackend } from '../../src/engine/slot/slot-backend.js';
import { CONTENDERS, queueNow } from './backends.js';
import type { Server } from './backends.js';
import { failureOf, inLine } from '../support/waiting.js';

jest.setTimeout(60_000);

const DAY = 24 * 3600_000;

/** The protocol is one for all servers of a kind; how 3.4 and proxies differ, the contract of locks tells. */
const SERVERS = CONTENDERS.filter(({ name }) => !/3\.4 behind|v2 of etcd 3\.4/.test(name));

describe.each(SERVERS)('once, on $name', ({ start, ttl, name }) => {
  let server: Server;
  let keys = 0;
  let key: string;
  const clients: Locks[] = [];

  const client = (backend: LockBackend = server.backend(), options: LocksOptions = {}): Locks => {
    const locks = createLocks(backend, { ttl, ...options });
    clients.push(locks);
    return locks;
  };
  const once = <T = string>(locks = client(), keep = DAY): Once<T> => locks.once<T>(key, { keep });
  const never = (): Observable<never> =>
    defer(() => {
      throw new Error('it was run again');
    });
  const claims = async (): Promise<number> => {
    const backend = server.backend();
    const admin = isSlotBackend(backend) ? asQueueBackend(backend) : backend;
    const { claims } = await queueNow(admin, key);
    admin.close?.();
    return claims.length;
  };

  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((locks) => locks.close()));
    // The marker is no claim, but where a key has room for one value.
    if (!name.includes('v2')) expect(await claims()).toBe(0);
  });
  beforeEach(() => {
    keys += 1;
    key = `once/${String(keys)}`;
  });

  it('what is marked already stays so when it is marked again, and its lock stays held', async () => {
    const one = once<string | boolean>(client(undefined, { owner: 'a' }));
    const ran = await one.run(async (held) => {
      await lastValueFrom(one.mark$(held, 'first'), { defaultValue: undefined });
      await lastValueFrom(one.mark$(held, 'second'), { defaultValue: undefined });
      // What a mark takes back, it takes back in the background. Another claim comes after that.
      const others = client().mutex(`${key}-other`);
      await (await others.acquire()).release();
      return held.isHeld();
    });
    expect(ran).toBe(true);
    expect(await firstValueFrom(one.result$)).toMatchObject({ value: 'first' });
  });

  it('one runs, who waits gets its last value, and who comes late, with who did it and when', async () => {
    const work = new Subject<string>();
    const a = client(undefined, { owner: 'a' });
    const began = Date.now();
    const running = new Promise<void>((begun) => {
      void lastValueFrom(
        runOnce(once(a), () => {
          begun();
          return work;
        }),
      );
    });
    await running;
    const b = client();
    const waiting = inLine(b);
    const waited = lastValueFrom(runOnce(once(b), never).pipe(toArray()));
    await waiting;
    work.next('first');
    work.next('last');
    work.complete();
    expect(await waited).toEqual(['last']);
    const late = client();
    expect(await lastValueFrom(runOnce(once(late), never).pipe(toArray()))).toEqual(['last']);
    expect(await once(late).run(() => 'again')).toBe('last');
    const result = await firstValueFrom(once(late).result$);
    expect(result).toMatchObject({ key, outcome: 'completed', value: 'last', by: 'a', reason: undefined });
    expect(result?.at?.getTime()).toBeGreaterThanOrEqual(began - 1);
    expect(typeof result?.fencingToken).toBe('bigint');
    expect(JSON.stringify(result)).toContain('"value":"last"');
  });

  it('it is kept for so long, seen to go, and run again after that', async () => {
    const watching = client();
    const seen: (string | undefined)[] = [];
    const gone = lastValueFrom(
      once(watching).result$.pipe(
        map((result) => result?.value),
        tap((value) => seen.push(value)),
        filter((value) => value === undefined && seen.includes('A')),
        take(1),
      ),
    );
    expect(await once(client(), 1000).run(() => 'A')).toBe('A');
    await gone;
    expect(seen.filter((value, i) => i === 0 || value !== seen[i - 1])).toEqual([undefined, 'A', undefined]);
    expect(await once(client()).run(() => 'B')).toBe('B');
  });

  it('who runs it goes away: the next one runs it', async () => {
    const a = client();
    const running = new Promise<unknown>((begun) => {
      runOnce(once(a), () => {
        begun(undefined);
        return NEVER;
      }).subscribe({ error: () => undefined });
    });
    await running;
    const b = client();
    const waiting = inLine(b);
    const next = once(b).run(() => 'B');
    await waiting;
    await a.close();
    expect(await next).toBe('B');
  });

  it('a failure is not done, unless it counts', async () => {
    const failed = once(client()).run(() => Promise.reject(new Error('no disk')));
    expect(await failureOf(failed)).toEqual(new Error('no disk'));
    const counted = once(client(undefined, { owner: 'a' })).run(() => Promise.reject(new Error('no disk')), {
      failures: 'count',
    });
    expect(await failureOf(counted)).toEqual(new Error('no disk'));
    const told = await failureOf(once(client()).run(() => 'B'));
    expect(told).toBeInstanceOf(RunFailedError);
    expect(told).toMatchObject({ by: 'a', reason: 'no disk' });
  });

  it('who runs it loses its claim: it gets the loss, nothing is marked, the next one runs it', async () => {
    const a = once(client());
    const failure = failureOf(
      a.run(async (held) => {
        await server.deleteHolder(key);
        await new Promise((aborted) => held.signal.addEventListener('abort', aborted));
        return 'A';
      }),
    );
    expect(await failure).toBeInstanceOf(LockLostError);
    expect(await firstValueFrom(a.result$)).toBeUndefined();
    expect(await once(client()).run(() => 'B')).toBe('B');
  });

  it('the answer to the marker gets lost, twice: it is ours all the same', async () => {
    let lost = 0;
    const isMark = ({ verb }: BackendCall): boolean => verb === 'markers.write';
    const backend = decorate(server.backend(), (source$, call) =>
      isMark(call)
        ? defer(() => {
            lost += 1;
            return lost <= 2 ? concat(source$.pipe(filter(() => false)), NEVER) : source$;
          })
        : source$,
    );
    expect(await once(client(backend)).run(() => 'A')).toBe('A');
    expect(lost).toBe(3);
    expect(await once(client()).run(() => 'B')).toBe('A');
  });

  it('64 KB get to the others as they are, more is an error at the runner', async () => {
    const [a, b] = [client(), client()];
    const value = { text: `ü${'x'.repeat(65_490)}`, list: [1, null, true] };
    expect(await once<unknown>(a).run(() => value)).toBe(value);
    expect(await once<unknown>(b).run(never)).toEqual(value);
    key = `once/large/${String(keys)}`;
    const tooLarge = failureOf(once<unknown>(a).run(() => [value, value]));
    expect(await tooLarge).toBeInstanceOf(RunResultError);
    expect(await once(b).run(() => 'B')).toBe('B');
  });

  it('a run without a value is done, too', async () => {
    expect(await once<unknown>(client()).run(() => undefined)).toBeUndefined();
    expect(await once(client()).run(() => 'again')).toBeUndefined();
    expect(await firstValueFrom(once(client()).result$)).toMatchObject({ outcome: 'completed', value: undefined });
  });

  it('a run that never ends is lost when atMost is over: the next one runs it', async () => {
    let hanging: Promise<unknown> | undefined;
    await new Promise<void>((begun) => {
      const never = (): Promise<never> => {
        begun();
        return new Promise(() => undefined);
      };
      hanging = failureOf(once(client()).run(never, { atMost: 300 }));
    });
    const next = once(client()).run(() => 'B', { atMost: 10_000 });
    expect(await hanging).toMatchObject({ code: 'LOCK_LOST', reason: 'overdue' });
    expect(await next).toBe('B');
  });

  it('1,000 in four processes wait for one result: it is run once, and asks as much as four would', async () => {
    const asked: string[] = [];
    const counted = (): LockBackend =>
      decorate(server.backend(), (source$, { verb }) =>
        defer(() => {
          // The others come with the time that passes.
          const isForTime = ['renew', 'probe', 'audit'].includes(verb);
          // Memory answers at once: there is nothing under way that could be shared.
          if (!isForTime && (name !== 'memory' || verb !== 'markers.read')) asked.push(verb);
          return source$;
        }),
      );
    // So many in one process may take it longer than the shortest lease.
    const fleet = Array.from({ length: 4 }, () => client(counted(), { ttl: 30_000 }));
    const othersWait = fleet.map(inLine);
    const runs: string[] = [];
    const work = new Subject<string>();
    const running = new Subject<void>();
    const begun = firstValueFrom(running);
    const all = fleet.flatMap((locks, i) =>
      Array.from({ length: 250 }, () =>
        lastValueFrom(
          runOnce(once(locks), () => {
            runs.push(`client ${String(i)}`);
            running.next();
            return work;
          }),
        ),
      ),
    );
    // Each process has one that waits, the one that runs it, too.
    await Promise.all([begun, ...othersWait]);
    work.next('A');
    work.complete();
    expect(new Set(await Promise.all(all))).toEqual(new Set(['A']));
    expect(runs).toHaveLength(1);
    await Promise.all(fleet.map((locks) => locks.close()));
    expect(asked.filter((verb) => ['enqueue', 'take'].includes(verb)).length).toBeLessThanOrEqual(
      name.includes('v2') ? 40 : 8,
    );
    expect(asked.length).toBeLessThanOrEqual(100);
  });
});
