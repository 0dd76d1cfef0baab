/**
 * A server with slots, as the engine sees it: a lease for each claim, which exists as soon as the slot is taken, and
 * ends with it.
 */
import { map, of } from 'rxjs';
import type { LockBackend, QueueBackend, SlotBackend } from '../../backend/port.js';

export const isSlotBackend = (backend: LockBackend): backend is SlotBackend => 'take' in backend;

export function asQueueBackend(slots: SlotBackend): QueueBackend {
  return {
    name: slots.name,
    notes: slots.notes,
    maxClaims: 1,
    objection: (spec) => slots.objection(spec),
    queue: (key, timeout, from) => slots.queue(key, timeout, from),
    probe: (timeout) => slots.probe(timeout),
    ...(slots.markers && { markers: slots.markers }),
    close: () => slots.close(),
    grant: ({ ttl }) => of({ ttl: slots.grantedTtl(ttl) }),
    renew: (lease, timeout) => slots.renew(lease, timeout),
    revoke: () => of(undefined),
    // A renewal compares the claim, and so it finds out by itself.
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
