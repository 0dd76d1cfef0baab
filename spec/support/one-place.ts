/**
 * A server whose keys have one slot, as etcd v2: a lease carries one claim, and who comes later is refused.
 */
import { concat, ignoreElements, map, mergeMap, of, take } from 'rxjs';
import type { Observable } from 'rxjs';
import type { ClaimRequest, QueueBackend, SlotBackend, TakeResult } from '../../src/index.js';

export function onePlace(memory: QueueBackend): SlotBackend {
  const { name, objection, notes, renew, queue, probe, close } = memory;
  const put = (claim: ClaimRequest, timeout: number): Observable<TakeResult> =>
    memory.grant(claim.lease, timeout).pipe(
      mergeMap(() => memory.enqueue([claim], timeout, 'show')),
      map((answer) => {
        const entry = answer.status === 'queued' ? answer.entries[0] : undefined;
        if (!entry?.queue) throw new Error('not in its slot');
        return { status: 'taken', claim: entry.claim, queue: entry.queue };
      }),
    );
  return {
    ...{ name, objection, notes, renew, queue, probe, close },
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
