/**
 * Claims that stay after their client is done with them: hung on a lease of their own, which nobody renews.
 */
import { EMPTY, concat, concatMap, endWith, ignoreElements } from 'rxjs';
import type { Observable } from 'rxjs';
import type { ClaimRequest, Lease, QueuedClaim } from '../../backend/port.js';
import { orWhen } from './calls.js';
import type { TxnRequest } from './client/messages.js';
import { isLeaseGone, isLeaseKnown } from './errors.js';
import { claimKey, tombstoneKey } from './keys.js';
import { eachByItself, idOf, isStill } from './requests.js';
import type { TxnAnswer } from './requests.js';

/** What is asked of the server. */
export interface Keeping {
  grant(lease: Lease): Observable<unknown>;
  send(txn: TxnRequest): Observable<TxnAnswer>;
  revoke(lease: Lease): Observable<void>;
}

/**
 * Each claim that is still the one that was queued: its value stays, whatever somebody has written over it, and so does
 * its revision, so its place and its token. The tombstone keeps out an attempt to queue that comes late, when the claim
 * has run out.
 */
export function keepRequest(claims: readonly ClaimRequest[], queued: readonly QueuedClaim[], lease: Lease): TxnRequest {
  const each = claims.flatMap((claim, i): TxnRequest | readonly [] => {
    const mine = queued[i];
    if (!mine) return [];
    const key = claimKey(claim);
    return {
      compare: [isStill(key, mine)],
      success: [
        { request_put: { key, ignore_value: true, lease: idOf(lease) } },
        { request_put: { key: tombstoneKey(claim), lease: idOf(claim.lease) } },
      ],
    };
  });
  return eachByItself(each);
}

/** Whether any of them is kept now. */
const isAnyKept = ({ succeeded, responses }: TxnAnswer, { length }: readonly ClaimRequest[]): boolean =>
  length === 1 ? succeeded : responses.some(({ response_txn }) => response_txn.succeeded);

export const kept$ = (
  { grant, send, revoke }: Keeping,
  claims: readonly ClaimRequest[],
  queued: readonly QueuedClaim[],
  lease: Lease,
): Observable<void> =>
  concat(
    // Granted by an attempt whose answer was lost: it runs from then on, which is what was asked for.
    grant(lease).pipe(
      ignoreElements(),
      orWhen<never>(isLeaseKnown, () => EMPTY),
    ),
    send(keepRequest(claims, queued, lease)).pipe(
      concatMap((answer): Observable<unknown> => (isAnyKept(answer, claims) ? EMPTY : revoke(lease))),
      // Either its time is over, or the claims went with the lease they had.
      orWhen<unknown>(isLeaseGone, () => EMPTY),
    ),
  ).pipe(ignoreElements(), endWith(undefined));
