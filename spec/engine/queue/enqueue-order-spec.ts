/**
 * Claims that wait for others of the same `Locks` to be answered, and leave at the very moment in which they may go.
 */
import { describe, expect, it } from '@jest/globals';
import { switchMap, timer } from 'rxjs';
import type { Subscription } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { createEnqueueOrder } from '../../../src/engine/queue/enqueue-order.js';
import { createLocks } from '../../../src/index.js';
import type { ClaimRequest, Lock } from '../../../src/index.js';
import { TIMES, atFrame } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

/** A client whose claims arrive a frame after they were sent; which keys were queued for, and which were followed. */
const clientOf = (m: Marbles) => {
  const memory = memoryBackend({ scheduler: m.scheduler });
  const queued: string[] = [];
  const followed: string[] = [];
  const slow = {
    ...memory,
    enqueue: (...args: Parameters<typeof memory.enqueue>) => {
      queued.push(args[0].map(({ key }: ClaimRequest) => key).join('+'));
      return timer(1, m.scheduler).pipe(switchMap(() => memory.enqueue(...args)));
    },
    queue: (...args: Parameters<typeof memory.queue>) => (followed.push(args[0]), memory.queue(...args)),
  };
  const locks = createLocks(slow, { ...TIMES, random: () => 0, scheduler: m.scheduler });
  const contending = new Map<string, Subscription>();
  const contend = (frame: number, name: string, lock: Lock, meta?: string): void =>
    atFrame(m, frame, () => contending.set(name, lock.lock$({ meta }).subscribe({ error: () => undefined })));
  /** A try whose refusal makes the user give up another one. */
  const tryAndGiveUp = (frame: number, lock: Lock, name: string): void =>
    atFrame(m, frame, () => {
      lock.lock$({ wait: 0 }).subscribe({ error: () => contending.get(name)?.unsubscribe() });
    });
  const close = (frame: number): void => atFrame(m, frame, () => void locks.close());
  return { locks, queued, followed, contend, tryAndGiveUp, close };
};

describe('the order in which claims are sent', () => {
  it(
    'sends nothing for a claim that left while an earlier one was let go',
    marbles((m) => {
      const { locks, queued, contend, tryAndGiveUp, close } = clientOf(m);
      const [a, b] = [locks.mutex('a'), locks.mutex('b')];
      contend(0, 'holder', a);
      contend(2, 'both', locks.all(a, b));
      tryAndGiveUp(2, a, 'waiter');
      contend(2, 'waiter', b);
      close(6);
      m.flush();
      expect(queued).toEqual(['a', 'a+b']);
    }),
  );

  it(
    'does not follow a claim that left as its answer came',
    marbles((m) => {
      const { locks, queued, followed, contend, tryAndGiveUp, close } = clientOf(m);
      const a = locks.mutex('a');
      contend(0, 'holder', a);
      contend(2, 'waiter', a, 'its own');
      tryAndGiveUp(2, a, 'waiter');
      // A holder is followed later.
      atFrame(m, 4, () => expect(followed).toEqual([]));
      close(6);
      m.flush();
      expect(queued).toEqual(['a', 'a']);
    }),
  );
});

describe('claims that are under way', () => {
  const order = () => {
    const { join, leave } = createEnqueueOrder();
    const sent: string[] = [];
    const claimOf = (name: string, shape: string | undefined, ...keys: string[]) => {
      const enqueuer = { keys, shape, admitted: () => void sent.push(name) };
      join(enqueuer);
      return enqueuer;
    };
    return { claimOf, leave, news: () => sent.splice(0) };
  };

  it('travel together where they ask for the same, and nothing else does before the last of them is answered', () => {
    const { claimOf, leave, news } = order();
    const [a, b] = [claimOf('a', 'x', 'k'), claimOf('b', 'x', 'k')];
    claimOf('other', 'y', 'k');
    claimOf('overtaker', 'x', 'k');
    expect(news()).toEqual(['a', 'b']);
    leave(a);
    expect(news()).toEqual([]);
    leave(b);
    expect(news()).toEqual(['other']);
  });

  it('are not forgotten when one of them is answered', () => {
    const { claimOf, leave, news } = order();
    const [a, b] = [claimOf('a', 'x', 'k'), claimOf('b', 'x', 'k')];
    leave(a);
    claimOf('other', 'y', 'k');
    expect(news()).toEqual(['a', 'b']);
    leave(b);
    expect(news()).toEqual(['other']);
  });

  it('and are tries travel alone', () => {
    const { claimOf, leave, news } = order();
    const first = claimOf('first', undefined, 'k');
    claimOf('second', undefined, 'k');
    expect(news()).toEqual(['first']);
    leave(first);
    expect(news()).toEqual(['second']);
  });

  it('let go of one claim at a time where each asks for something else', () => {
    const { claimOf, leave, news } = order();
    const first = claimOf('first', 'x', 'k');
    const second = claimOf('second', 'y', 'k');
    claimOf('third', 'z', 'k');
    leave(first);
    expect(news()).toEqual(['first', 'second']);
    leave(second);
    expect(news()).toEqual(['third']);
  });

  it('hold up a claim on several keys until each of these is free', () => {
    const { claimOf, leave, news } = order();
    const [a, b, c] = ['a', 'b', 'c'].map((key) => claimOf(key, 'x', key));
    claimOf('all', 'y', 'a', 'b', 'c');
    news();
    for (const one of [a, b]) if (one) leave(one);
    expect(news()).toEqual([]);
    if (c) leave(c);
    expect(news()).toEqual(['all']);
  });
});
