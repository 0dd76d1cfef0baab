/**
 * The verbs for our claims: `enqueue`, `dequeue` and `keep`.
 */
import { forkJoin, of, switchMap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { ClaimRequest, DequeueResult, EnqueueResult, Lease, QueueBackend } from '../../backend/port.js';
import { accessToLeave, accessToPut } from './access.js';
import { isOutOfSpace } from './errors.js';
import type { Transaction } from './group-commit.js';
import { kept$ } from './keep.js';
import type { Leases } from './leases.js';
import type { Queues } from './queues.js';
import {
  clearRequest,
  dequeueRequest,
  dequeued,
  enqueueRequest,
  isBlocked,
  queuedAll,
  triedAll,
  tryRequest,
} from './requests.js';
import type { Busy, TxnAnswer, TxnRequest } from './requests.js';
import type { EtcdServer } from './server.js';

export type Claims = Required<Pick<QueueBackend, 'enqueue' | 'dequeue' | 'keep'>>;

export function createClaims(
  { history, send, commit }: EtcdServer,
  { granted, revoke }: Pick<Leases, 'granted' | 'revoke'>,
  readQueue: Queues['read'],
): Claims {
  /**
   * A withdrawal writes a tombstone, for which the server may have no space. Then at least its claims are deleted,
   * since others may wait behind them. A late attempt to queue them also fails until there is space again.
   */
  const cleared$ = (
    claims: readonly ClaimRequest[],
    timeout: number,
    cause: unknown,
  ): Observable<unknown> | undefined => (isOutOfSpace(cause) ? send(clearRequest(claims), timeout) : undefined);

  /** Remembers the queues in the answer, so that they can be watched from there on. */
  const known = <Answer extends EnqueueResult | Busy>(answer: Answer): Answer => {
    if (answer.status === 'queued') for (const { queue } of answer.entries) if (queue) history.read(queue);
    if (answer.status === 'refused') for (const queue of answer.queues) history.read(queue);
    return answer;
  };

  /**
   * Queues the claims if they would hold at once. Existing claims may not block them (readers, nested names): then they
   * are queued only if no other claim has come since.
   */
  const tried$ = (
    claims: readonly ClaimRequest[],
    timeout: number,
    seen: bigint | undefined,
  ): Observable<EnqueueResult> => {
    // A view of another history says nothing about claims that have come since.
    if (history.objection(leaseOf(claims))) return of(LEASE_GONE);
    return commit<EnqueueResult | Busy>(
      enqueuing(
        claims,
        () => tryRequest(claims, seen),
        (answer) => known(triedAll(claims, answer, seen)),
      ),
      timeout,
    ).pipe(
      switchMap((answer) => {
        if (answer.status !== 'busy') return of(answer);
        return forkJoin(
          answer.queues.map((queue, i) => (queue ? of(queue) : readQueue(claims[i]?.key ?? '', timeout))),
        ).pipe(
          switchMap((queues) => {
            if (isBlocked(claims, queues)) return of(known({ status: 'refused', queues } as const));
            return tried$(
              claims,
              timeout,
              queues.reduce((oldest, { revision }) => (revision < oldest ? revision : oldest), answer.revision),
            );
          }),
        );
      }),
    );
  };

  return {
    enqueue(claims, timeout, mode) {
      if (history.objection(leaseOf(claims))) return of(LEASE_GONE);
      if (mode === 'try') return tried$(claims, timeout, undefined);
      return commit<EnqueueResult>(
        enqueuing(
          claims,
          () => enqueueRequest(claims, mode),
          (answer) => known(queuedAll(claims, answer)),
        ),
        timeout,
      );
    },

    dequeue: (claims, queued, timeout, successor) =>
      commit<DequeueResult>(
        {
          what: () => `release ${listed(claims)}`,
          txn: () => dequeueRequest(claims, queued, successor),
          access: () => (queued ? accessToLeave(claims) : accessToPut(claims)),
          names: namesOf(claims),
          size: 2 * claims.length,
          kind: 'leave',
          lease: leaseOf(claims).id,
          read: (answer) => dequeued(answer, successor),
          leaseGone: { successor: 'unknown' },
          before: (cause) => cleared$(claims, timeout, cause),
        },
        timeout,
      ),

    keep: (claims, queued, lease, timeout) =>
      kept$(
        {
          grant: (own) => granted(own, timeout),
          send: (txn) => send(txn, timeout),
          revoke: (own) => revoke(own, timeout),
        },
        claims,
        queued,
        lease,
      ),
  };
}

const listed = (claims: readonly ClaimRequest[]): string => claims.map(({ key }) => `"${key}"`).join(', ');

/** A request to queue. */
const enqueuing = <Answer>(
  claims: readonly ClaimRequest[],
  txn: () => TxnRequest,
  read: (answer: TxnAnswer) => Answer,
): Transaction<Answer | typeof LEASE_GONE> => ({
  what: () => `queue for ${listed(claims)}`,
  txn,
  access: () => accessToPut(claims),
  names: namesOf(claims),
  size: 3 * claims.length,
  kind: 'enter',
  lease: leaseOf(claims).id,
  read,
  leaseGone: LEASE_GONE,
});

const LEASE_GONE = { status: 'lease-gone' } as const;

const namesOf = (claims: readonly ClaimRequest[]): readonly string[] => claims.map(({ key }) => key);

/** The lease of the claims: all are on the same one. */
function leaseOf([first]: readonly ClaimRequest[]): Lease {
  if (first) return first.lease;
  throw new TypeError('at least one claim is needed.');
}
