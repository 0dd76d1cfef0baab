/**
 * A claim, as its contender knows it.
 */
import type { Revocation } from '../api/revocation.js';
import type { ClaimRequest, QueuedClaim } from '../backend/port.js';
import type { ClaimState, OnClaimState } from './claim-state.js';
import type { Session } from './session.js';

/** A claim that is in. */
export interface QueuedRequest {
  readonly claim: ClaimRequest;
  readonly mine: QueuedClaim;
}

/** What a contender contends with: a claim, or, where a key has one slot, tries one after another. */
export interface ContendingClaim {
  /** Who is told. Contenders that ask for the same may exchange their claims. */
  listener: OnClaimState;
  /** Where it stood when it was told last. */
  readonly state: ClaimState | undefined;
  /** Once it is in. */
  readonly session: Session | undefined;
  readonly token: bigint | undefined;
  /** What was asked of it last. */
  readonly revocation: Revocation | undefined;
  /** Of one key: as it was asked for, and as it is in the queue. For what is to be written only while it is there. */
  readonly queued: QueuedRequest | undefined;
  begin(): void;
  /** The server has said that it is not there any more. */
  isGone(): void;
  /**
   * It leaves, in the background, whatever was under way. With `handOff`, a waiter of ours right behind it holds at once.
   * With `keepUntil`, it stays taken until then, by the clock of the `Locks`, without us.
   */
  leave(handOff: boolean, keepUntil?: number): void;
}
