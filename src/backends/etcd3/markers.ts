/**
 * Markers: written beside a queue once its work is done, on a lease of their own that nobody renews.
 */
import { map, of, switchMap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { MarkRequest, MarkResult, MarkerView, Markers } from '../../backend/port.js';
import { orWhen } from './calls.js';
import { isLeaseKnown } from './errors.js';
import { claimKey, markerName } from './keys.js';
import type { Leases } from './leases.js';
import { idOf, isAbsent, isStill, lookFor, remove } from './requests.js';
import type { Response, TxnAnswer, TxnRequest } from './requests.js';
import type { EtcdServer } from './server.js';
import { MARKER, markerViewOf } from './views.js';

export function createMarkers(
  { history, watches, read, send }: EtcdServer,
  { granted, renew, revoke }: Pick<Leases, 'granted' | 'renew' | 'revoke'>,
): Markers {
  const readMarker = (key: string, timeout: number): Observable<MarkerView> =>
    read(markerName(key), timeout).pipe(map(({ revision, kvs }) => history.read(markerViewOf(key, revision, kvs))));

  return {
    read: readMarker,
    follow(key, timeout, from) {
      const known = from && history.has(from) ? from : undefined;
      return watches.followFromNow(MARKER, { key, revision: 0n, marker: undefined }, readMarker(key, timeout), known);
    },
    write: (request, timeout) => {
      const { lease } = request.claim;
      const leaseGone = (): Observable<MarkResult> => of('lease-gone');
      // In another history, the token of our claim may belong to another claim.
      if (history.objection(lease)) return leaseGone();
      return granted(request.lease, timeout).pipe(
        map(() => undefined),
        // An earlier attempt has granted the lease: renew it once, so that the marker is kept from now on.
        orWhen(isLeaseKnown, () => renew(request.lease, timeout).pipe(map(() => undefined))),
        switchMap(() => (history.objection(lease) ? leaseGone() : send(markRequest(request), timeout))),
        map((answer) => (typeof answer === 'string' ? answer : marked(request, answer))),
      );
    },
    withdraw: (request, timeout) =>
      send(unmarkRequest(request), timeout).pipe(
        switchMap((answer) => (isMarked(request, answer) ? of(undefined) : revoke(request.lease, timeout))),
      ),
  };
}

const markerKey = ({ claim }: MarkRequest): Buffer => Buffer.from(markerName(claim.key));

/**
 * Writes the marker only if our claim is in the queue and there is no marker. All at the top level, where etcd checks
 * roles and the quota.
 */
function markRequest(request: MarkRequest): TxnRequest {
  const { claim, mine, lease, value } = request;
  const [claimed, key] = [claimKey(claim), markerKey(request)];
  return {
    compare: [isStill(claimed, mine), isAbsent(key)],
    success: [{ request_put: { key, value: Buffer.from(value), lease: idOf(lease) } }],
    failure: [lookFor(key), lookFor(claimed)],
  };
}

/** Whether the marker on the server is that of the request. */
const isOwnMarker = ({ lease }: MarkRequest, found: Response | undefined): boolean =>
  found?.response_range.kvs[0]?.lease === idOf(lease);

export function marked(request: MarkRequest, { succeeded, responses: [marker, claim] }: TxnAnswer): MarkResult {
  if (succeeded || isOwnMarker(request, marker)) return 'written';
  const isQueued = claim?.response_range.kvs[0]?.create_revision === request.mine.token.toString();
  return isQueued ? 'taken' : 'gone';
}

/** Removes our claim: without it, a late attempt to write the marker fails. */
function unmarkRequest(request: MarkRequest): TxnRequest {
  const claimed = claimKey(request.claim);
  const look = lookFor(markerKey(request));
  return { compare: [isStill(claimed, request.mine)], success: [look, remove(claimed)], failure: [look] };
}

const isMarked = (request: MarkRequest, { responses: [marker] }: TxnAnswer): boolean => isOwnMarker(request, marker);
