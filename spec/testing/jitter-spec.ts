/**
 * The memory server behaving like a network: what is sent together arrives in any order, and is answered late.
 */
import { describe, expect, it } from '@jest/globals';
import { VirtualTimeScheduler, mergeMap, range, timer, toArray } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { TestScheduler } from 'rxjs/testing';
import { decorate } from '../../src/backend/decorate.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { withLock } from '../../src/index.js';
import { behindNetwork, lockServer, stateLetters, wholeFrames } from '../../src/testing/index.js';
import { SLOW, TIMES, codes, letters } from '../support/marbles.js';

const KEYS = Array.from({ length: 10 }, (_, i) => String(i));

/** In which order ten claims of one client reach the server, of ten keys and sent in one frame. */
function arrivals(jitter: number, seed?: number): { readonly order: string; readonly until: number } {
  const scheduler = new VirtualTimeScheduler();
  const arrived: string[] = [];
  let until = 0;
  const server = lockServer(scheduler, {
    jitter,
    ...(seed === undefined ? {} : { seed }),
    around: (memory) =>
      decorate(memory, (source$, call) => {
        if (call.verb !== 'enqueue') return source$;
        return timer(0, scheduler).pipe(
          mergeMap(() => {
            arrived.push(...call.args[0].map(({ key }) => key));
            until = scheduler.now();
            return source$;
          }),
        );
      }),
  });
  const locks = server.client({ ttl: 90, safetyMargin: 9 });
  for (const key of KEYS) locks.mutex(key).lock$().subscribe();
  scheduler.maxFrames = 25;
  scheduler.flush();
  return { order: arrived.join(''), until };
}

describe('jitter', () => {
  it('lets the requests of one client reach the server in any order; the seed says in which', () => {
    expect(arrivals(0).order).toBe('0123456789');
    const orders = [1, 2, 3, 4].map((seed) => arrivals(5, seed).order);
    for (const order of orders) expect(Array.from(order).sort()).toEqual(KEYS);
    expect(new Set([...orders, '0123456789']).size).toBe(5);
    expect([1, 2, 3, 4].map((seed) => arrivals(5, seed).order)).toEqual(orders);
    expect(arrivals(5).order).toBe(orders[0]);
  });

  it('of less than a frame stays in that frame', () => {
    const { order, until } = arrivals(1 / 16, 3);
    expect(order).not.toBe('0123456789');
    // The way there and back for the lease, the way there for the claim.
    expect(until).toBeGreaterThan(0);
    expect(until).toBeLessThan(3 / 16);
  });

  it('says who is first of those who ask in one frame, which the memory server alone does not', () => {
    const firstWith = (jitter: number, seed: number): string => {
      const scheduler = new VirtualTimeScheduler(undefined, 20);
      const server = lockServer(scheduler, { jitter, seed });
      const got: string[] = [];
      for (const owner of KEYS) {
        server
          .client({ ...SLOW, owner })
          .mutex('k')
          .lock$({ wait: 0 })
          .subscribe({ next: () => got.push(owner), error: () => undefined });
      }
      scheduler.flush();
      expect(got).toHaveLength(1);
      return got.join();
    };
    const seeds = [1, 2, 3, 4, 5, 6];
    expect(new Set(seeds.map((seed) => firstWith(0, seed)))).toEqual(new Set(['0']));
    expect(new Set(seeds.map((seed) => firstWith(3, seed))).size).toBeGreaterThan(1);
  });

  it(
    'serves those of one `Locks` in the order of their subscriptions all the same',
    marbles((m) => {
      const lock = lockServer(m.scheduler, { jitter: 3, seed: 5 })
        .client({ ...SLOW, ttl: 48 })
        .mutex('k');
      const served$ = range(0, 8).pipe(
        mergeMap((i) => m.cold('a|', { a: i }).pipe(withLock(lock))),
        toArray(),
      );
      served$.subscribe((order) => expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]));
      m.flush();
      expect.assertions(1);
    }),
  );

  it('keeps what a watch tells in order', () => {
    const scheduler = new VirtualTimeScheduler(undefined, 200);
    const memory = memoryBackend({ scheduler });
    const { backend } = behindNetwork(memory, { scheduler, jitter: 9, seed: 2 });
    const revisions: bigint[] = [];
    if ('take' in backend) throw new Error('memory has queues');
    backend.queue('k', 0).subscribe(({ revision }) => revisions.push(revision));
    range(0, 20)
      .pipe(
        mergeMap((i) =>
          timer(i + 10, scheduler).pipe(
            mergeMap(() => memory.grant({ id: String(i), ttl: 500, owner: '', key: undefined }, 0)),
            mergeMap(() => {
              const lease = { id: String(i), ttl: 500, owner: '', key: undefined };
              const claim = { key: 'k', lease, id: 'c', kind: 'mutex', since: new Date(0), meta: undefined } as const;
              return memory.enqueue([claim], 0, 'plain');
            }),
          ),
        ),
      )
      .subscribe();
    scheduler.flush();
    expect(revisions).toHaveLength(21);
    expect(revisions).toEqual([...revisions].sort((a, b) => Number(a - b)));
  });

  it(
    'is begun and ended at any time',
    marbles((m) => {
      const client = lockServer(m.scheduler).client(SLOW);
      client.network.jitter(2);
      m.scheduler.schedule(() => client.network.jitter(0), 10);
      const at = (frame: number) =>
        timer(frame, m.scheduler).pipe(mergeMap(() => letters(client.mutex(String(frame)).lock$({ wait: 0 }))));
      m.expect(at(0), '^---------!').toBeObservable('-----h');
      m.expect(at(11), '^------------!').toBeObservable('-----------h');
    }),
  );
});

describe('wholeFrames', () => {
  const expected = '--h';

  it('compares diagrams whatever happens within a frame', () => {
    const scheduler = new TestScheduler((actual, wanted) => expect(wholeFrames(actual)).toStrictEqual(wanted));
    scheduler.run(({ cold, expectObservable, expectSubscriptions }) => {
      const server = lockServer(scheduler, { jitter: 1 / 16, seed: 7 });
      expectObservable(stateLetters(server.client(TIMES).mutex('k').lock$()), '--^---!').toBe(expected);
      const source = cold('a-|');
      expectObservable(source.pipe(withLock(server.client(TIMES).mutex('l')), codes()), '-^').toBe('-a-|');
      expectSubscriptions(source.subscriptions).toBe('-^-!');
    });
    expect.assertions(3);
  });

  it('changes nothing but frames', () => {
    const notification = { kind: 'N', value: 2.5, error: undefined };
    expect(wholeFrames([{ frame: 1.5, notification }])).toEqual([{ frame: 1, notification }]);
    expect(wholeFrames('no messages')).toBe('no messages');
    expect(wholeFrames([0.5, null])).toEqual([0.5, null]);
  });
});
