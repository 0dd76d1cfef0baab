/**
 * The state of a claim of ours. A key queue reports it for one key; a claim reports it for all its keys together.
 */
import type { Observable } from 'rxjs';
import type { Holder } from '../api/ownership.js';
import type { Revocation } from '../api/revocation.js';
import type { Queue } from '../backend/port.js';
import type { ClaimLost } from './session.js';

export type ClaimState =
  /** Others are in the way. `ahead` is not known on a server that shows holders only. */
  | { readonly status: 'blocked'; readonly ahead?: number; readonly holders: readonly Holder[] }
  /**
   * It holds. `settled$` completes when the server has acknowledged the releases of the claims that handed off to it.
   */
  | { readonly status: 'first'; readonly settled$?: Observable<unknown> }
  /** A try was refused: it left nothing on the server. */
  | { readonly status: 'refused'; readonly holders: readonly Holder[]; readonly queues?: readonly Queue[] }
  /** It holds at one of its keys at least, and somebody asks it to release. */
  | { readonly status: 'wanted'; readonly revocation: Revocation }
  /** The claim, or the lease under it, is gone. */
  | { readonly status: 'lost'; readonly loss: ClaimLost }
  /** It could not be queued, or its state can no longer be found out. */
  | { readonly status: 'failed'; readonly error: unknown }
  /** It has left the queue, or the attempts to take it out have been given up. */
  | { readonly status: 'left' };

/** Called with each state of the claim. */
export type OnClaimState = (state: ClaimState) => void;
