/**
 * The lock server of the lab: that of `rxlock/testing`, with a look at its queues and leases.
 */
import type { SchedulerLike } from 'rxjs';
import { tap } from 'rxjs';
import { decorate } from '../../../src/backend/decorate.js';
import type { QueueBackend } from '../../../src/index.js';
import { blockers } from '../../../src/rules/blockers.js';
import { lockServer } from '../../../src/testing/index.js';
import type { LockServer } from '../../../src/testing/index.js';
import type { LeaseView, MarkView, QueueView } from './trace.js';

export interface LabServer extends LockServer {
  readonly queues: readonly QueueView[];
  readonly leases: readonly LeaseView[];
  readonly marks: readonly MarkView[];
}

export function labServer(scheduler: SchedulerLike, latency: number, end: number): LabServer {
  const queues: QueueView[] = [];
  const leases: LeaseView[] = [];
  const marks = new Map<string, MarkView>();
  /** Their ids are random: people count them. */
  const numbers = new Map<string, { readonly lease: number; readonly owner: string }>();

  const around = (server: QueueBackend): QueueBackend => {
    const note = (id: string, expiresAt: number | undefined): void => {
      const known = numbers.get(id);
      if (known && scheduler.now() <= end) leases.push({ at: scheduler.now(), ...known, expiresAt });
    };
    server.queues?.('', 0).subscribe((changed) => {
      if (scheduler.now() > end) return;
      for (const { key, revision, claims } of changed) {
        queues.push({
          at: scheduler.now(),
          key,
          revision: revision.toString(),
          claims: claims.map(({ owner, kind, token }, place) => {
            const holds = blockers(claims, place) === 0;
            return { owner, kind, token: token.toString(), holds };
          }),
        });
      }
    });
    return decorate(server, (answer$, call) => {
      if (call.verb === 'grant') {
        const [lease] = call.args;
        return answer$.pipe(
          tap(() => {
            if (!numbers.has(lease.id)) numbers.set(lease.id, { lease: numbers.size + 1, owner: lease.owner });
            note(lease.id, scheduler.now() + lease.ttl);
          }),
        );
      }
      if (call.verb === 'renew') {
        const [lease] = call.args;
        // The answer says whether there was anything to renew; a lease that is gone has been noted before.
        return answer$.pipe(
          tap((answer) => {
            const renewed =
              typeof answer === 'object' && answer !== null && 'status' in answer && answer.status === 'renewed';
            note(lease.id, renewed ? scheduler.now() + lease.ttl : undefined);
          }),
        );
      }
      if (call.verb === 'revoke') {
        const [lease] = call.args;
        return answer$.pipe(tap(() => note(lease.id, undefined)));
      }
      if (call.verb === 'markers.write') {
        const [{ claim, lease }] = call.args;
        return answer$.pipe(
          tap((answer) => {
            // Asked again, it finds what is there.
            if (answer !== 'written' || marks.has(lease.id) || scheduler.now() > end) return;
            const at = scheduler.now();
            marks.set(lease.id, { at, key: claim.key, by: lease.owner, until: at + lease.ttl });
          }),
        );
      }
      return answer$;
    });
  };

  const server = lockServer(scheduler, { latency, around });
  return {
    ...server,
    queues,
    leases,
    get marks() {
      return [...marks.values()];
    },
  };
}
