/**
 * Finds changes whose event was lost, by regular rounds over all watched queues.
 */
import { EMPTY, catchError, concat, concatMap, defer, mergeMap, repeat, tap } from 'rxjs';
import type { Observable, Subscription } from 'rxjs';
import type { Lease, QueuedClaim } from '../../backend/port.js';
import { request, noRetry } from '../io/request.js';
import type { Runtime } from '../runtime.js';

/** A claim of ours that holds: the audit checks that its lease still has it. */
export interface AuditedClaim {
  readonly key: string;
  readonly mine: QueuedClaim;
  readonly lease: Lease;
  readonly isHeld: boolean;
  /** The lease does not have the claim: read its queue again. */
  readAgain(): void;
}

/** Something that is watched, and visited in each round. */
export interface Resyncable {
  /** Reads again if that is due. Returns whether it is still watched. */
  resync(): boolean;
  /** Our claims in it that hold. */
  holders(): readonly AuditedClaim[];
  /** The watch did not answer a probe: its view may be out of date. */
  markStale(cause: unknown): void;
}

export interface Resync {
  /** Visits it from the next round on. */
  add(followed: Resyncable): void;
  stop(): void;
}

/**
 * One round every `renewEvery`, while anything is watched:
 *
 * - queues with waiters or observers are read again every one to two ttl;
 * - one probe for all watches finds a server that has gone silent;
 * - one audit of each lease, every one to two ttl, finds a deleted claim of a holder whose event was lost.
 */
export function createResync(runtime: Runtime): Resync {
  const { backend, time, settings } = runtime;
  const followed = new Set<Resyncable>();
  let auditAt = 0;
  let running: Subscription | undefined;

  const isAuditDue = (): boolean => {
    if (time.now() < auditAt) return false;
    auditAt = time.now() + runtime.timing.ttl * (1 + settings.random());
    return true;
  };

  const probe$ = defer(() => {
    const { attempt } = runtime.timing;
    const send = () => backend.probe(attempt);
    // With no stream open there is nobody to ask: that a probe is answered does not show that the server is there.
    return request(runtime, { what: 'health probe', timeout: attempt, isLocal: true, send, again: noRetry });
  }).pipe(
    catchError((cause: unknown) => {
      for (const one of [...followed]) one.markStale(cause);
      return EMPTY;
    }),
  );

  const audit = ([lease, holders]: [Lease, readonly AuditedClaim[]]): Observable<unknown> => {
    const { attempt } = runtime.timing;
    const send = () => backend.audit(lease, attempt);
    return request(runtime, { what: 'audit', timeout: attempt, send, again: noRetry }).pipe(
      tap((isThere) => {
        for (const claim of holders) if (claim.isHeld && !isThere(claim.key, claim.mine)) claim.readAgain();
      }),
      // The next round asks again. A lease that is gone is reported by its session.
      catchError(() => EMPTY),
    );
  };
  const audit$ = defer(() => holdersByLease(followed)).pipe(mergeMap(audit));

  const round$ = defer(() => {
    for (const one of [...followed]) if (!one.resync()) followed.delete(one);
    if (followed.size === 0) return EMPTY;
    return isAuditDue() ? concat(probe$, audit$) : probe$;
  });
  const rounds$ = defer(() => time.after(runtime.timing.renewEvery)).pipe(
    concatMap(() => round$),
    repeat({
      delay: () => {
        if (followed.size === 0) running?.unsubscribe();
        return [0];
      },
    }),
  );

  return {
    add(one) {
      followed.add(one);
      if (!running || running.closed) running = rounds$.subscribe();
    },
    stop() {
      followed.clear();
      running?.unsubscribe();
    },
  };
}

function holdersByLease(all: Iterable<Resyncable>): Map<Lease, AuditedClaim[]> {
  const byLease = new Map<Lease, AuditedClaim[]>();
  for (const one of all) {
    for (const holder of one.holders()) {
      const others = byLease.get(holder.lease);
      if (others) others.push(holder);
      else byLease.set(holder.lease, [holder]);
    }
  }
  return byLease;
}
