/**
 * A claim, as its contender sees it.
 */
import type { Revocation } from '../api/revocation.js';
import type { ClaimRequest, QueuedClaim } from '../backend/port.js';
import type { ClaimState, OnClaimState } from './claim-state.js';
import type { Session } from './session.js';

/** A claim that is in the queue. */
export interface QueuedRequest {
  readonly claim: ClaimRequest;
  readonly mine: QueuedClaim;
}

/** A claim of a contender: one claim in a queue, or, where a key has one slot, one try after another. */
export interface ContendingClaim {
  /** Called with each state. It changes when contenders exchange their claims. */
  listener: OnClaimState;
  /** The state that was told last. */
  readonly state: ClaimState | undefined;
  /** Set once the session is there. */
  readonly session: Session | undefined;
  readonly token: bigint | undefined;
  /** The latest request to release. */
  readonly revocation: Revocation | undefined;
  /**
   * For a claim of one key: the request and the claim in the queue, for writes that must check that the claim is still
   * there.
   */
  readonly queued: QueuedRequest | undefined;
  /** What it is called in the queues of its keys, in their order; empty before it is in them. */
  readonly ids: readonly string[];
  begin(): void;
  /** The server said that the claim is no longer there. */
  isGone(): void;
  /**
   * Leaves the queue in the background, even while the claim is being queued. With `handOff`, a waiter of this `Locks`
   * right behind it holds at once. With `keepUntil`, the key stays taken until that instant on the clock of the
   * `Locks`, without the session.
   */
  leave(handOff: boolean, keepUntil?: number): void;
}
