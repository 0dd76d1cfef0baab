/**
 * Keeps claims after their release (`atLeast`): it moves them to a lease of their own, which nobody renews.
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

/** The requests that it needs. */
export interface Keeping {
  grant(lease: Lease): Observable<unknown>;
  send(txn: TxnRequest): Observable<TxnAnswer>;
  revoke(lease: Lease): Observable<void>;
}

/**
 * Moves each claim that is still the one that was queued. Its value stays, even if somebody has overwritten it; its
 * revision stays, and with it its place and its token. The tombstone stops a late attempt to queue the claim again
 * after it has run out.
 */
function keepRequest(claims: readonly ClaimRequest[], queued: readonly QueuedClaim[], lease: Lease): TxnRequest {
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

/** Whether any of the claims has been moved. */
const isAnyKept = ({ succeeded, responses }: TxnAnswer, { length }: readonly ClaimRequest[]): boolean =>
  length === 1 ? succeeded : responses.some(({ response_txn }) => response_txn.succeeded);

export const kept$ = (
  { grant, send, revoke }: Keeping,
  claims: readonly ClaimRequest[],
  queued: readonly QueuedClaim[],
  lease: Lease,
): Observable<void> =>
  concat(
    // An earlier attempt has granted the lease. It runs from then on, as intended.
    grant(lease).pipe(
      ignoreElements(),
      orWhen<never>(isLeaseKnown, () => EMPTY),
    ),
    send(keepRequest(claims, queued, lease)).pipe(
      concatMap((answer): Observable<unknown> => (isAnyKept(answer, claims) ? EMPTY : revoke(lease))),
      // The new lease has run out, or the claims went with their old lease.
      orWhen<unknown>(isLeaseGone, () => EMPTY),
    ),
  ).pipe(ignoreElements(), endWith(undefined));
