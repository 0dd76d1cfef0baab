/**
 * A server whose queues have one place, as etcd v2: a lease carries one claim, and who comes later is refused.
 */
import { mergeMap, of, take } from 'rxjs';
import type { Observable } from 'rxjs';
import type { EnqueueResult, LockBackend } from '../../src/index.js';

export function onePlace(memory: LockBackend): LockBackend {
  const { name, objection, notes, grant, renew, revoke, dequeue: leave, queue, probe, audit, close } = memory;
  return {
    ...{ name, objection, notes, grant, renew, revoke, dequeue: leave, queue, probe, audit, close },
    leasePer: 'claim',
    enqueue: (claim, within) =>
      queue(claim.key, within).pipe(
        take(1),
        mergeMap((view): Observable<EnqueueResult> => {
          const isOurs = view.claims.every(({ id }) => id === `${claim.lease.id}-${claim.id}`);
          return isOurs ? memory.enqueue(claim, within, true) : of({ status: 'refused', queue: view });
        }),
      ),
  };
}
