/**
 * Where a claim of ours stands. A queue tells it of each key, a claim passes it on of all its keys.
 */
import type { Observable } from 'rxjs';
import type { Holder } from '../api/ownership.js';
import type { Revocation } from '../api/revocation.js';
import type { Queue } from '../backend/port.js';
import type { ClaimLost } from './session.js';

export type ClaimState =
  /** Others are in the way; how many are ahead is not known where the server shows holders only. */
  | { readonly status: 'blocked'; readonly ahead?: number; readonly holders: readonly Holder[] }
  /** It holds. `settled$` completes when the releases of those who handed off to it here are acknowledged. */
  | { readonly status: 'first'; readonly settled$?: Observable<unknown> }
  /** A try was not let in: nothing of it is on the server. */
  | { readonly status: 'refused'; readonly holders: readonly Holder[]; readonly queues?: readonly Queue[] }
  /** It holds, at one of its keys at least, and somebody asks for it. */
  | { readonly status: 'wanted'; readonly revocation: Revocation }
  /** The claim, or the lease under it, is gone. */
  | { readonly status: 'lost'; readonly loss: ClaimLost }
  /** It could not be queued, or where it stands cannot be found out any more. */
  | { readonly status: 'failed'; readonly error: unknown }
  /** It has left, or nothing more can be done about it. */
  | { readonly status: 'left' };

/** Hears where the claim stands. */
export type OnClaimState = (state: ClaimState) => void;
