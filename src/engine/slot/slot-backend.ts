/**
 * Adapts a slot backend to the port of queues. Each claim has a lease of its own, which begins and ends with the slot.
 */
import { map, of } from 'rxjs';
import { slotDefaults } from '../../backend/defaults.js';
import type { WholeQueueBackend } from '../../backend/defaults.js';
import type { LockBackend, SlotBackend } from '../../backend/port.js';

export const isSlotBackend = (backend: LockBackend): backend is SlotBackend => 'take' in backend;

export function asQueueBackend(slots: SlotBackend): WholeQueueBackend {
  const keep = slots.keep?.bind(slots);
  return {
    ...(keep && {
      keep: ([claim], _, { ttl }, timeout) => {
        if (!claim) throw new TypeError('nothing to keep.');
        return keep(claim, ttl, timeout);
      },
    }),
    ...slotDefaults(slots),
    name: slots.name,
    maxClaims: 1,
    near: Infinity,
    queue: (key, timeout, from) => slots.queue(key, timeout, from),
    ...(slots.markers && { markers: slots.markers }),
    grant: ({ ttl }) => of({ ttl: slots.grantedTtl(ttl) }),
    renew: (lease, timeout) => slots.renew(lease, timeout),
    revoke: () => of(undefined),
    // Not needed: each renewal compares the claim, and so finds a deletion.
    audit: () => of(() => true),
    enqueue: ([claim], timeout) => {
      if (!claim) throw new TypeError('nothing to queue.');
      return slots.take(claim, timeout).pipe(
        map((answer) => {
          const { queue } = answer;
          if (answer.status === 'refused') return { status: 'refused', queues: [queue] } as const;
          const { claim } = answer;
          return { status: 'queued', revision: queue.revision, entries: [{ claim, queue }] } as const;
        }),
      );
    },
    dequeue: ([claim], _, timeout) => {
      if (!claim) throw new TypeError('nothing to release.');
      return slots.release(claim, timeout).pipe(map(() => ({ successor: 'unknown' })));
    },
  };
}
