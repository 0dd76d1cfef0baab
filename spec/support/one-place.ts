/**
 * A server whose keys have one slot, as etcd v2: a lease carries one claim, and who comes later is refused.
 */
import { concat, ignoreElements, map, mergeMap, of, take } from 'rxjs';
import type { Observable } from 'rxjs';
import { queueDefaults } from '../../src/backend/defaults.js';
import type { WholeSlotBackend } from '../../src/backend/defaults.js';
import type { ClaimRequest, QueueBackend, QueuedClaim, TakeResult } from '../../src/index.js';

export function onePlace(memory: QueueBackend): WholeSlotBackend {
  const { name, renew, queue } = memory;
  const { objection, notes, probe, close } = queueDefaults(memory);
  const put = (claim: ClaimRequest, timeout: number): Observable<TakeResult> =>
    memory.grant(claim.lease, timeout).pipe(
      mergeMap(() => memory.enqueue([claim], timeout, 'show')),
      map((answer) => {
        const entry = answer.status === 'queued' ? answer.entries[0] : undefined;
        if (!entry?.queue) throw new Error('not in its slot');
        taken.set(claim.lease.id, entry.claim);
        return { status: 'taken', claim: entry.claim, queue: entry.queue };
      }),
    );
  /** As they were let in. */
  const taken = new Map<string, QueuedClaim>();
  return {
    ...{ name, objection, notes, renew, queue, probe, close },
    keep: (claim, ttl, timeout) => {
      const mine = taken.get(claim.lease.id);
      const lease = { ...claim.lease, id: `${claim.lease.id}0`, ttl };
      return (mine && memory.keep?.([claim], [mine], lease, timeout)) ?? of(undefined);
    },
    grantedTtl: (asked) => asked,
    take: (claim, timeout) =>
      queue(claim.key, timeout).pipe(
        take(1),
        mergeMap((view): Observable<TakeResult> => {
          const isOurs = view.claims.every(({ id }) => id === `${claim.lease.id}-${claim.id}`);
          return isOurs ? put(claim, timeout) : of({ status: 'refused', queue: view });
        }),
      ),
    release: (claim, timeout) =>
      concat(memory.dequeue([claim], undefined, timeout).pipe(ignoreElements()), memory.revoke(claim.lease, timeout)),
  };
}
