/**
 * Contenders of one `Locks` for the same are served in the order of their subscription.
 */
import { describe, expect, it } from '@jest/globals';
import { switchMap, timer } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { createLocks } from '../../src/index.js';
import type { JsonValue, Lock, Locks, Queue } from '../../src/index.js';
import { createSubscriptionOrder } from '../../src/engine/subscription-order.js';
import { TIMES, atFrame } from '../support/marbles.js';

describe('the order of subscription', () => {
  const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

  it('lists who waits for the same, the oldest first, and nobody else', () => {
    const order = createSubscriptionOrder<object>();
    order.join('k', b);
    order.join('k', a);
    order.join('other', c);
    expect([...order.waiting('k')]).toEqual([b, a]);
    expect([...order.waiting('other')]).toEqual([c]);
    expect([...order.waiting('unknown')]).toEqual([]);
  });

  it('forgets who leaves, and keeps the others in their order', () => {
    const order = createSubscriptionOrder<object>();
    for (const one of [a, b, c]) order.join('k', one);
    order.leave('k', b);
    order.leave('unknown', a);
    expect([...order.waiting('k')]).toEqual([a, c]);
    order.leave('k', a);
    order.leave('k', c);
    order.leave('k', c);
    expect([...order.waiting('k')]).toEqual([]);
    order.join('k', b);
    expect([...order.waiting('k')]).toEqual([b]);
  });
});

describe('two contenders of one client', () => {
  interface Asked {
    readonly meta?: JsonValue;
    readonly value?: string;
  }
  const lockOf = (locks: Locks, { value }: Asked): Lock =>
    value === undefined ? locks.mutex('k') : locks.election('k').candidate(value);

  it.each<[string, Asked, Asked]>([
    ['meta', { meta: 'a' }, { meta: 'b' }],
    ['meta, of which one has none', {}, { meta: 'b' }],
    ['meta, of which the other has none', { meta: 'a' }, {}],
    ['value', { value: 'a' }, { value: 'b' }],
    ['value, of which one has none', {}, { value: 'b' }],
  ])('that ask with another %s each hold with their own, in their order', (_, first, second) => {
    marbles((m) => {
      const { scheduler } = m;
      const memory = memoryBackend({ scheduler });
      // What is sent first arrives last.
      let late = 2;
      const enqueue: typeof memory.enqueue = (...args) =>
        timer((late -= 1), scheduler).pipe(switchMap(() => memory.enqueue(...args)));
      const locks = createLocks({ ...memory, enqueue }, { ...TIMES, random: () => 0, scheduler });
      let queue: Queue | undefined;
      const looking = memory.queue('k', 0).subscribe((view) => (queue = view));
      atFrame(m, 40, () => looking.unsubscribe());
      const held: unknown[] = [];
      for (const [name, asked] of Object.entries({ first, second })) {
        const { meta } = asked;
        const contending = lockOf(locks, asked)
          .lock$(meta === undefined ? {} : { meta })
          .subscribe((state) => {
            if (state.status !== 'held') return;
            const [holder] = queue?.claims ?? [];
            held.push([name, { meta: holder?.meta, value: holder?.value }]);
            atFrame(m, 3, () => contending.unsubscribe());
          });
      }
      m.flush();
      expect(held).toEqual([
        ['first', first],
        ['second', second],
      ]);
    })();
  });

  it(
    'that ask for another key each with a meta do not get what the other one asked for',
    marbles((m) => {
      const { scheduler } = m;
      const memory = memoryBackend({ scheduler });
      const [ours, other] = [1, 2].map(() => createLocks(memory, { ...TIMES, random: () => 0, scheduler }));
      const told: string[] = [];
      const contend = (locks: Locks | undefined, key: string, meta: string, until: number): void => {
        const states = locks
          ?.mutex(key)
          .lock$({ meta })
          .subscribe(({ status, key: of }) => told.push(`${meta}: ${of} ${status}`));
        atFrame(m, until, () => states?.unsubscribe());
      };
      contend(other, 'k', 'the other', 11);
      contend(ours, 'k', 'first', 10);
      contend(ours, 'l', 'second', 10);
      m.flush();
      expect(told).toEqual(['the other: k held', 'first: k waiting', 'second: l held']);
    }),
  );
});
