/**
 * What two threads share, and what follows from it by two clocks of which one stands still while the machine sleeps.
 */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SharedMemory } from '../../src/backends/etcd3/renewal-worker/memory.js';
import { RenewedUntil } from '../../src/backends/etcd3/renewal-worker/renewed-until.js';

describe('the shared memory', () => {
  it('gives back what was put into it, in the other thread', () => {
    const year = 366 * 24 * 60 * 60 * 1000;
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 20 * year, noNaN: true }),
        fc.integer({ min: 1, max: 86_400 }),
        fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        fc.array(fc.boolean(), { maxLength: 62 }),
        (sentAt, ttl, newest, direct) => {
          const ours = new SharedMemory();
          ours.answered({ sentAt, ttl });
          ours.newest = newest;
          ours.direct = direct;
          ours.aliveAt = sentAt;
          const theirs = new SharedMemory(ours.buffer);
          expect(theirs.renewal).toEqual({ sentAt: Math.floor(sentAt), ttl });
          expect(theirs.newest).toBe(newest);
          expect(direct.map((_, place) => theirs.isDirect(place))).toEqual(direct);
          expect(theirs.aliveAt).toBeCloseTo(sentAt, 2);
        },
      ),
    );
  });

  it('has no renewal before there was one, and shortens a ttl that it has no room for', () => {
    const memory = new SharedMemory();
    expect(memory.renewal).toBeUndefined();
    memory.answered({ sentAt: 5, ttl: 2 ** 20 });
    expect(memory.renewal).toEqual({ sentAt: 5, ttl: 2 ** 17 - 1 });
  });
});

describe('until when the lease is kept', () => {
  /** A machine that runs, sleeps, or renews from its other thread; and what is known after each step. */
  const steps = fc.array(
    fc.record({
      run: fc.integer({ min: 0, max: 5000 }),
      sleep: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60_000 })),
      then: fc.constantFrom('renew', 'alive', 'nothing'),
    }),
    { minLength: 1, maxLength: 12 },
  );

  it('is never said to be later than the server keeps it, whatever the machine does', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 2, max: 30 }), (all, ttl) => {
        let [real, slept] = [1000, 0];
        let kept = -Infinity;
        const memory = new SharedMemory();
        const until = new RenewedUntil(memory, { now: () => real + 77 }, () => real - slept);
        until.rebase();
        for (const { run, sleep, then } of all) {
          real += run + sleep;
          slept += sleep;
          if (then === 'alive') until.rebase();
          if (then === 'renew') {
            memory.answered({ sentAt: real - slept, ttl });
            kept = real + 77 + ttl * 1000;
          }
          expect(until.now ?? -Infinity).toBeLessThanOrEqual(kept);
        }
      }),
    );
  });

  it('is the ttl from the send on, where the machine did not sleep', () => {
    let now = 1000;
    const memory = new SharedMemory();
    const until = new RenewedUntil(memory, { now: () => now + 77 }, () => now);
    until.rebase();
    now = 3000;
    memory.answered({ sentAt: now, ttl: 5 });
    expect(until.now).toBe(3000 + 77 + 5000);
    // And stays so when the thread renews by itself again.
    until.rebase();
    now = 4000;
    expect(until.now).toBe(3000 + 77 + 5000);
  });

  it('is not known of a renewal that was sent before the thread renewed by itself', () => {
    let now = 1000;
    const memory = new SharedMemory();
    const until = new RenewedUntil(memory, { now: () => now }, () => now);
    until.rebase();
    now = 2000;
    until.rebase();
    memory.answered({ sentAt: 1999, ttl: 5 });
    expect(until.now).toBeUndefined();
  });
});
