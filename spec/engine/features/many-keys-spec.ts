/**
 * Locks of many keys: how often they say where they stand, what they were asked meanwhile, what they ask the server.
 */
import { describe, expect, it } from '@jest/globals';
import { delay, delayWhen, of, timer } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { createLocks, withLock } from '../../../src/index.js';
import type { EnqueueMode, Locks, QueueBackend } from '../../../src/index.js';
import { SLOW, TIMES, atFrame, codes, letters, serverOf } from '../../support/marbles.js';
import { reportsOf } from '../../support/passing.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const allOf = (locks: Locks, ...keys: readonly string[]) => locks.all(...keys.map((key) => locks.mutex(key)));

/** A client whose requests to queue are seen; `change` is what its server does in another way. */
const clientOf = (m: Marbles, change: (memory: QueueBackend) => Partial<QueueBackend> = () => ({})) => {
  const { scheduler } = m;
  const memory = memoryBackend({ scheduler });
  const modes: EnqueueMode[] = [];
  const enqueue: typeof memory.enqueue = (claims, within, mode) => {
    modes.push(mode);
    return memory.enqueue(claims, within, mode);
  };
  const options = { ...TIMES, random: () => 0, scheduler };
  const locks = createLocks({ ...memory, enqueue, ...change(memory) }, options);
  return { locks, other: createLocks(memory, options), modes };
};

/** Somebody looks at these keys for 40 frames, so that the client follows them. */
const follow = (m: Marbles, locks: Locks, ...keys: readonly string[]): void => {
  for (const key of keys) {
    const looking = locks.mutex(key).ownership$().subscribe();
    atFrame(m, 40, () => looking.unsubscribe());
  }
};

describe('a lock of many keys', () => {
  /** Others hold the first `blocked` of its 20 keys and let them go one after the other, from frame 2 on. */
  const standing = (m: Marbles, blocked: number): string[] => {
    const server = serverOf(m);
    const [ours, other] = [server.client(TIMES), server.client(TIMES)];
    const keys = Array.from({ length: 20 }, (_, i) => `k${String(i)}`);
    keys.slice(0, blocked).forEach((key, i) => {
      const held = other.mutex(key).lock$().subscribe();
      atFrame(m, 2 + i, () => held.unsubscribe());
    });
    const told: string[] = [];
    const lock = allOf(ours, ...keys).lock$();
    const waiting = lock.subscribe((state) => {
      const where =
        state.status === 'waiting' ? `${String(state.ahead)} ahead, ${String(state.holders.length)} hold` : 'held';
      told.push(`${String(m.scheduler.now())}: ${where}`);
    });
    atFrame(m, 40, () => waiting.unsubscribe());
    m.flush();
    return told;
  };

  it(
    'says each change while 16 of them or fewer are in the way',
    marbles((m) => {
      const expected = Array.from({ length: 16 }, (_, i) => `${String(i + 1)}: 1 ahead, ${String(16 - i)} hold`);
      expect(standing(m, 16)).toEqual(['0: 1 ahead, 16 hold', ...expected.slice(1), '17: held']);
    }),
  );

  it(
    'says how it stands once it is in, and not each change while more than 16 of them are in the way',
    marbles((m) => {
      const told = standing(m, 20);
      expect(told.slice(0, 3)).toEqual(['0: 1 ahead, 20 hold', '5: 1 ahead, 16 hold', '6: 1 ahead, 15 hold']);
      expect(told.slice(-2)).toEqual(['20: 1 ahead, 1 hold', '21: held']);
      expect(told).toHaveLength(18);
    }),
  );

  it(
    'of which 17 are in the way tells of the first that is let go, since 16 are left',
    marbles((m) => {
      expect(standing(m, 17).slice(0, 3)).toEqual([
        '0: 1 ahead, 17 hold',
        '2: 1 ahead, 16 hold',
        '3: 1 ahead, 15 hold',
      ]);
    }),
  );

  it(
    'says after as many changes as there are keys in the way that they are in the way still',
    marbles((m) => {
      const server = serverOf(m);
      const [ours, other] = [server.client(TIMES), server.client(TIMES)];
      const keys = Array.from({ length: 18 }, (_, i) => `k${String(i)}`);
      // Two others stand at each key, and both must go.
      const held = [0, 1].map(() => keys.map((key) => other.mutex(key).lock$().subscribe()));
      keys.forEach((_, i) => atFrame(m, 2 + i, () => held[1]?.[i]?.unsubscribe()));
      const told: string[] = [];
      const waiting = allOf(ours, ...keys)
        .lock$()
        .subscribe((state) => {
          if (state.status === 'waiting') told.push(`${String(m.scheduler.now())}: ${String(state.ahead)} ahead`);
        });
      atFrame(m, 40, () => [waiting, ...held.flat()].forEach((one) => one.unsubscribe()));
      m.flush();
      expect(told).toEqual(['0: 2 ahead', '19: 1 ahead']);
    }),
  );

  it(
    'does not hold before it knows how it stands at each of them, however often it hears of another',
    marbles((m) => {
      const { locks, other, modes } = clientOf(m, (memory) => ({
        // What changes at `y` is heard of late.
        queue: (key, ...asked) =>
          memory.queue(key, ...asked).pipe(delayWhen((_, n) => (n > 0 && key === 'y' ? timer(6, m.scheduler) : of(0)))),
      }));
      // Both are watched, so the answer need not show them.
      follow(m, locks, 'x', 'y');
      m.expect(letters(other.mutex('x').lock$()), '-^---!').toBeObservable('-h');
      m.expect(letters(allOf(locks, 'x', 'y').lock$()), '---^--------!').toBeObservable('---------h');
      m.flush();
      expect(modes).toEqual(['plain']);
    }),
  );

  it.each<[string, readonly string[], EnqueueMode]>([
    ['each of them is followed anyway', ['x', 'y'], 'plain'],
    ['one of them is not followed', ['x'], 'show'],
    ['none of them is followed', [], 'show'],
  ])('asks the server to show its queues unless all are followed: where %s', (_, followed, mode) => {
    marbles((m) => {
      const { locks, modes } = clientOf(m);
      follow(m, locks, ...followed);
      m.expect(letters(allOf(locks, 'x', 'y').lock$()), '-^--!').toBeObservable('-h');
      m.flush();
      expect(modes).toEqual([mode]);
    })();
  });

  it(
    'hears of a request to release once it holds, though that came while another of its keys was in the way',
    marbles((m) => {
      const server = serverOf(m);
      const [ours, other] = [server.client({ ...TIMES, owner: 'ours' }), server.client(TIMES)];
      m.expect(letters(other.mutex('y').lock$()), '    ^---------!').toBeObservable('h');
      m.expect(letters(allOf(ours, 'x', 'y').lock$()), '-^-------------!').toBeObservable('-w--------h');
      atFrame(m, 5, () => void other.mutex('x').revoke({ reason: 'mine' }));
      const reports = reportsOf(ours);
      const asked: unknown[] = [];
      ours.events$.subscribe((event) => {
        if (event.type === 'revocation')
          asked.push({ at: m.scheduler.now(), key: event.key, reason: event.revocation.reason });
      });
      m.flush();
      expect(asked).toEqual([{ at: 10, key: 'x + y', reason: 'mine' }]);
      expect(reports.map(({ type }) => type).filter((type) => type !== 'renewed')).toEqual([
        'queued',
        'acquired',
        'revocation',
        'released',
      ]);
    }),
  );

  it(
    'is not handed on within the client: who waits for one of them holds when the release is acknowledged',
    marbles((m) => {
      const locks = serverOf(m, { latency: 1 }).client(SLOW);
      const done$ = of('a').pipe(delay(6, m.scheduler), withLock(allOf(locks, 'k', 'l')), codes());
      m.expect(done$).toBeObservable('                                   ----------a-|');
      m.expect(letters(locks.mutex('k').lock$()), '-----^---------!').toBeObservable('-------w----h---');
      m.expect(letters(locks.mutex('l').lock$()), '-----^---------!').toBeObservable('-------w----h---');
    }),
  );
});

describe('a try', () => {
  it(
    'beside our own that leave room for it is made, and one for which they leave none is refused by name, unasked',
    marbles((m) => {
      const { locks, modes } = clientOf(m);
      const lock = locks.semaphore('k', 2);
      const refused: unknown[] = [];
      m.expect(letters(lock.lock$({ wait: 0 })), ' ^----!').toBeObservable('h');
      m.expect(letters(lock.lock$({ wait: 0 })), '-^---!').toBeObservable('-h');
      atFrame(m, 2, () => lock.lock$({ wait: 0 }).subscribe({ error: (error: unknown) => refused.push(error) }));
      m.flush();
      expect(refused).toMatchObject([
        { code: 'ALREADY_LOCKED', key: 'k', holders: [{ fencingToken: 2n }, { fencingToken: 3n }] },
      ]);
      expect(modes).toEqual(['try', 'try']);
    }),
  );
});
