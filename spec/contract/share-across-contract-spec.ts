/**
 * What one of a fleet subscribes to for all, on every backend that has elections, on a real server in real time.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { EMPTY, NEVER, Observable, Subject, concat, filter, firstValueFrom, from, of, throwError } from 'rxjs';
import { RunFailedError, createLocks, shareAcross } from '../../src/index.js';
import type { Locks } from '../../src/index.js';
import { failureOf, inLine } from '../support/waiting.js';
import { CONTENDERS } from './backends.js';
import type { Server } from './backends.js';

jest.setTimeout(60_000);

/** On v2 there are no elections. */
const SERVERS = CONTENDERS.filter(({ name }) => !/v2|3\.4 behind/.test(name));

describe.each(SERVERS)('shareAcross, on $name', ({ start, ttl }) => {
  let server: Server;
  let names = 0;
  let name: string;
  const open: Locks[] = [];
  const client = (owner?: string): Locks => {
    const locks = createLocks(server.backend(), { ttl, owner });
    open.push(locks);
    return locks;
  };

  /** A subscriber of the fleet: all that it was told, and when it was told a value. */
  const subscriber = <T>(source: Observable<T>, locks = client()) => {
    const seen: T[] = [];
    const news = new Subject<T>();
    let end: unknown = 'none';
    const ended = new Promise<unknown>((resolve) => {
      const over = (how: unknown): void => {
        end = how;
        resolve(how);
      };
      source.pipe(shareAcross(locks.election(name))).subscribe({
        next: (value) => {
          seen.push(value);
          news.next(value);
        },
        error: over,
        complete: () => over('completed'),
      });
    });
    const told = (value: T): Promise<unknown> =>
      seen.includes(value) ? Promise.resolve() : firstValueFrom(news.pipe(filter((one) => one === value)));
    return { seen, told, ended, end: () => end };
  };

  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    await Promise.all(open.splice(0).map((locks) => locks.close()));
  });
  beforeEach(() => {
    names += 1;
    name = `shared/${names}`;
  });

  it('one subscribes, all get the values, who comes late the latest', async () => {
    let subscribed = 0;
    const source = new Subject<number>();
    const counted = new Observable<number>((subscriber) => {
      subscribed += 1;
      return source.subscribe(subscriber);
    });
    const a = subscriber(concat(of(0), counted));
    await a.told(0);
    const b = subscriber(counted);
    await b.told(0);
    source.next(1);
    await Promise.all([a.told(1), b.told(1)]);
    const late = subscriber(counted);
    await late.told(1);
    expect([subscribed, late.seen]).toEqual([1, [1]]);
  });

  it('of a burst each gets the last one, and none an older one after a newer one', async () => {
    const source = new Subject<number>();
    const a = subscriber(concat(of(-1), source));
    await a.told(-1);
    const all = [a, ...Array.from({ length: 3 }, () => subscriber<number>(NEVER))];
    await Promise.all(all.map((one) => one.told(-1)));
    for (let i = 0; i < 200; i += 1) source.next(i);
    await Promise.all(all.map((one) => one.told(199)));
    for (const { seen } of all) expect(seen).toEqual([...seen].sort((x, y) => x - y));
  });

  it('the next one subscribes when it goes away, or is lost with its session', async () => {
    const first = client('first');
    const a = subscriber(concat(of('a'), NEVER), first);
    await a.told('a');
    const second = client();
    const queued = inLine(second);
    const b = subscriber(concat(of('b'), NEVER), second);
    // Of two processes the one comes first whose request does.
    await queued;
    const c = subscriber(concat(of('c'), NEVER));
    await Promise.all([b.told('a'), c.told('a')]);
    await first.close();
    await Promise.all([b.told('b'), c.told('b')]);
    expect(a.end()).toMatchObject({ code: 'LOCKS_CLOSED' });
    await server.deleteHolder(name);
    await Promise.all([b.told('c'), c.told('c')]);
    expect([b.end(), c.end()]).toEqual(['none', 'none']);
  });

  it('its completion and its error are those of all', async () => {
    const source = new Subject<string>();
    const a = subscriber(concat(from(['x']), source));
    await a.told('x');
    const b = subscriber<string>(NEVER);
    await b.told('x');
    source.complete();
    expect(await Promise.all([a.ended, b.ended])).toEqual(['completed', 'completed']);

    name += '/again';
    const failing = new Subject<string>();
    const c = subscriber(concat(from(['y']), failing), client('leader'));
    await c.told('y');
    const d = subscriber<string>(concat(EMPTY, NEVER));
    await d.told('y');
    const error = new Error('the feed is gone');
    failing.error(error);
    expect(await c.ended).toBe(error);
    expect(await d.ended).toBeInstanceOf(RunFailedError);
    expect(await d.ended).toMatchObject({ message: expect.stringContaining('the feed is gone') });
  });

  it('what JSON cannot carry is an error at the leader', async () => {
    const circular: { self?: unknown } = {};
    circular.self = circular;
    const shared = from<unknown[]>([circular]).pipe(shareAcross<unknown>(client().election(name)));
    expect(await failureOf(firstValueFrom(shared))).toMatchObject({ code: 'RUN_RESULT' });
    const failed = throwError(() => new Error('at once')).pipe(shareAcross(client().election(name)));
    expect(await failureOf(firstValueFrom(failed))).toMatchObject({ message: 'at once' });
  });
});
