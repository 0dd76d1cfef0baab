/**
 * Our claims: into the queues, out of them, kept there.
 */
import { forkJoin, of, switchMap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { ClaimRequest, DequeueResult, EnqueueResult, Lease, QueueBackend } from '../../backend/port.js';
import { accessToLeave, accessToPut } from './access.js';
import { isOutOfSpace } from './errors.js';
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
import type { Busy } from './requests.js';
import type { EtcdServer } from './server.js';

export type Claims = Required<Pick<QueueBackend, 'enqueue' | 'dequeue' | 'keep'>>;

export function createClaims(
  { history, send, commit }: EtcdServer,
  { granted, revoke }: Pick<Leases, 'granted' | 'revoke'>,
  readQueue: Queues['read'],
): Claims {
  /**
   * A withdrawal writes a tombstone, for which a server may have no space: then its claims are taken out at least, since
   * others may wait behind them. No attempt to queue that comes late comes in either until there is space again.
   */
  const cleared$ = (
    claims: readonly ClaimRequest[],
    timeout: number,
    cause: unknown,
  ): Observable<unknown> | undefined => (isOutOfSpace(cause) ? send(clearRequest(claims), timeout) : undefined);

  /** Of the answer to queueing, what can be gone on from. */
  const known = <Answer extends EnqueueResult | Busy>(answer: Answer): Answer => {
    if (answer.status === 'queued') for (const { queue } of answer.entries) if (queue) history.read(queue);
    if (answer.status === 'refused') for (const queue of answer.queues) history.read(queue);
    return answer;
  };

  /** Lets them in if they would hold at once. What is there may not block (readers, nested names): then nothing else may come. */
  const tried$ = (
    claims: readonly ClaimRequest[],
    timeout: number,
    seen: bigint | undefined,
  ): Observable<EnqueueResult> => {
    // Of another history than this one, what was seen says nothing about who has come since.
    if (history.objection(leaseOf(claims))) return of({ status: 'lease-gone' });
    return commit<EnqueueResult | Busy>(
      {
        ...enqueuing(claims),
        txn: () => tryRequest(claims, seen),
        read: (answer) => known(triedAll(claims, answer, seen === undefined)),
      },
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
      if (history.objection(leaseOf(claims))) return of({ status: 'lease-gone' });
      if (mode === 'try') return tried$(claims, timeout, undefined);
      return commit<EnqueueResult>(
        {
          ...enqueuing(claims),
          txn: () => enqueueRequest(claims, mode),
          read: (answer) => known(queuedAll(claims, answer)),
        },
        timeout,
      );
    },

    dequeue: (claims, queued, timeout, successor) =>
      commit<DequeueResult>(
        {
          what: `release ${listed(claims)}`,
          txn: () => dequeueRequest(claims, queued, successor),
          access: queued ? accessToLeave(claims) : accessToPut(claims),
          names: claims.map(({ key }) => key),
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

/** What all requests to queue have in common. */
const enqueuing = (claims: readonly ClaimRequest[]) =>
  ({
    what: `queue for ${listed(claims)}`,
    access: accessToPut(claims),
    names: claims.map(({ key }) => key),
    size: 3 * claims.length,
    kind: 'enter',
    lease: leaseOf(claims).id,
    leaseGone: { status: 'lease-gone' },
  }) as const;

/** All of them are of one. */
function leaseOf([first]: readonly ClaimRequest[]): Lease {
  if (first) return first.lease;
  throw new TypeError('at least one claim is needed.');
}
