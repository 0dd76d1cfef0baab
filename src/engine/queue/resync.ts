/**
 * The patrol: goes around the lines that are followed, and finds out what no event tells.
 */
import { EMPTY, catchError, concat, concatMap, defer, mergeMap, repeat, tap } from 'rxjs';
import type { Observable, Subscription } from 'rxjs';
import type { Lease } from '../../backend/port.js';
import { attemptOf } from '../../rules/timing.js';
import { request, noRetry } from '../io/request.js';
import type { EngineParts } from '../runtime.js';
import type { Waiter } from './key-queue.js';

/** What is followed, and visited on each round. */
export interface Resyncable {
  /** Sees to the watch; says whether there still is one. */
  resync(longEnough: number): boolean;
  /** Our claims there that hold. */
  holders(): readonly Waiter[];
  /** What was told of late cannot be relied on. */
  markStale(cause: unknown): void;
}

export interface Resync {
  /** It is followed from now on. */
  add(followed: Resyncable): void;
  stop(): void;
}

/**
 * One round in `renewEvery`, while anything is followed:
 *
 * - lines that nobody needs any more are left, those with waiters and observers are read again once in one to two ttl;
 * - one probe for all watches: a server that has gone silent is found out;
 * - one audit a lease, once in one to two ttl, tells holders of a deletion whose event got lost.
 */
export function createResync(engine: EngineParts): Resync {
  const { backend, time, settings } = engine;
  const every = settings.renewEvery ?? settings.ttl / 3;
  const answerTime = attemptOf(settings.ttl);
  const followed = new Set<Resyncable>();
  let auditAt = 0;
  let walking: Subscription | undefined;

  const isAuditDue = (): boolean => {
    // Without a shared lease, each renewal compares the claim itself.
    if (backend.leasePer !== 'session' || time.now() < auditAt) return false;
    auditAt = time.now() + settings.ttl * (1 + settings.random());
    return true;
  };

  const probe$ = request(engine, {
    what: 'are you there',
    timeout: answerTime,
    send: () => backend.probe(answerTime),
    again: noRetry,
  }).pipe(
    catchError((cause: unknown) => {
      for (const line of [...followed]) line.markStale(cause);
      return EMPTY;
    }),
  );

  const audit = ([lease, holders]: [Lease, readonly Waiter[]]): Observable<unknown> =>
    request(engine, {
      what: 'audit',
      timeout: answerTime,
      send: () => backend.audit(lease, answerTime),
      again: noRetry,
    }).pipe(
      tap((isThere) => {
        for (const { line, mine, status } of holders) {
          if (status === 'first' && !isThere(line.key, mine)) line.readAgain();
        }
      }),
      // The next round asks again, and a lease that is gone is the session's to tell.
      catchError(() => EMPTY),
    );
  const audit$ = defer(() => holdersByLease(followed)).pipe(mergeMap(audit));

  const round$ = defer(() => {
    for (const line of [...followed]) if (!line.resync(every)) followed.delete(line);
    if (followed.size === 0) return EMPTY;
    return isAuditDue() ? concat(probe$, audit$) : probe$;
  });
  const walk$ = defer(() => time.after(every)).pipe(
    concatMap(() => round$),
    repeat({
      delay: () => {
        if (followed.size === 0) walking?.unsubscribe();
        return [0];
      },
    }),
  );

  return {
    add(one) {
      followed.add(one);
      if (!walking || walking.closed) walking = walk$.subscribe();
    },
    stop() {
      followed.clear();
      walking?.unsubscribe();
    },
  };
}

function holdersByLease(lines: Iterable<Resyncable>): Map<Lease, Waiter[]> {
  const byLease = new Map<Lease, Waiter[]>();
  for (const line of lines) {
    for (const holder of line.holders()) {
      const others = byLease.get(holder.lease);
      if (others) others.push(holder);
      else byLease.set(holder.lease, [holder]);
    }
  }
  return byLease;
}
