/**
 * What a backend may leave out, and what the engine does then.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, concat, concatMap, defer, distinctUntilChanged, map, take } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { decorate } from '../../src/backend/decorate.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { createLocks } from '../../src/index.js';
import type { Lock, QueueBackend } from '../../src/index.js';
import { behindNetwork } from '../../src/testing/index.js';
import { TIMES, atFrame, letters } from '../support/marbles.js';
import { onePlace } from '../support/one-place.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

/** What no queue backend can do without. */
const least = (m: Marbles): QueueBackend => {
  const { name, grant, renew, revoke, enqueue, dequeue, queue } = memoryBackend({ scheduler: m.scheduler });
  return { name, grant, renew, revoke, enqueue, dequeue, queue };
};
const locksOn = (m: Marbles, backend: QueueBackend) =>
  createLocks(backend, { ...TIMES, random: () => 0, scheduler: m.scheduler });

describe('a backend that left out all it may', () => {
  it(
    'has locks of all kinds, which are handed over, and closes',
    marbles((m) => {
      const backend = least(m);
      const [a, b] = [locksOn(m, backend), locksOn(m, backend)];
      m.expect(letters(a.mutex('k').lock$()), '          ^--!').toBeObservable('h--');
      m.expect(letters(b.mutex('k').lock$()), '          -^---!').toBeObservable('-w-h-');
      m.expect(letters(b.semaphore('s', 2).lock$()), '   ^-!').toBeObservable('h-');
      atFrame(m, 9, () => void a.close());
    }),
  );

  it(
    'takes one key at a time',
    marbles((m) => {
      const locks = locksOn(m, least(m));
      const both = (): Lock => locks.all(locks.mutex('a'), locks.mutex('b'));
      expect(both).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    }),
  );

  it(
    'tells a holder of a deletion whose event got lost: its queue is read again once in one to two ttl',
    marbles((m) => {
      const backend = least(m);
      // The first view, and then nothing more.
      const deaf: QueueBackend = {
        ...backend,
        queue: (...asked) => concat(backend.queue(...asked).pipe(take(1)), NEVER),
      };
      m.expect(letters(locksOn(m, deaf).mutex('k').lock$()), '^ 39ms !').toBeObservable(
        'h 19ms #',
        undefined,
        'LOCK_LOST deleted',
      );
      const removed$ = defer(() => backend.queue('k', 1)).pipe(
        take(1),
        concatMap(({ claims: [claim] }) => {
          const [lease = '', id = ''] = claim?.id.split('-') ?? [];
          const ofLease = { id: lease, ttl: 0, owner: '', key: undefined };
          const request = { key: 'k', lease: ofLease, id, kind: 'mutex', since: new Date(), meta: undefined } as const;
          return backend.dequeue([request], claim && [claim], 1);
        }),
      );
      atFrame(m, 9, () => removed$.subscribe());
    }),
  );

  it(
    'is probed all the same where something is put around it: a network that is cut is noticed',
    marbles((m) => {
      const { backend, network } = behindNetwork(least(m), { scheduler: m.scheduler });
      const locks = createLocks(backend, { ...TIMES, random: () => 0, scheduler: m.scheduler });
      const seen$ = locks
        .mutex('k')
        .ownership$()
        .pipe(
          map(({ status }) => status.slice(0, 1)),
          distinctUntilChanged(),
        );
      atFrame(m, 5, () => network.partition());
      atFrame(m, 20, () => network.heal());
      m.expect(seen$, '^ 39ms !').toBeObservable('f 9ms u 9ms f');
    }),
  );

  it(
    'is what it was where it left out nothing',
    marbles(() => {
      const memory = memoryBackend();
      expect(Object.keys(decorate(memory, (answer$) => answer$)).sort()).toEqual(Object.keys(memory).sort());
    }),
  );
});

describe('a backend with slots that left out all it may', () => {
  it(
    'has mutexes, and says of other locks what to do',
    marbles((m) => {
      const {
        name,
        grantedTtl,
        take: takeSlot,
        renew,
        release,
        queue,
      } = onePlace(memoryBackend({ scheduler: m.scheduler }));
      const slots = { name, grantedTtl, take: takeSlot, renew, release, queue };
      const locks = createLocks(slots, { ...TIMES, random: () => 0, scheduler: m.scheduler });
      m.expect(letters(locks.mutex('k').lock$()), '^--!').toBeObservable('h--');
      expect(() => locks.semaphore('k', 2)).toThrow(/one slot for each key: use mutex\(\)/);
      expect(() => locks.readLock('k')).toThrow(/use mutex\(\)/);
    }),
  );
});
