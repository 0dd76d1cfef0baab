/**
 * What a turn contends with: its place among the turns of its `Locks`, and a claim on the server while it is the one of
 * them that contends there.
 */
import type { JsonValue } from '../../api/json.js';
import type { Revocation } from '../../api/revocation.js';
import type { Claim } from '../claim.js';
import type { ClaimState, OnClaimState } from '../claim-state.js';
import type { ContendingClaim, QueuedRequest } from '../contending-claim.js';
import type { Session } from '../session.js';

/** Where it takes its place. */
export interface TurnOrder {
  join(turn: TurnClaim): void;
  leave(turn: TurnClaim, handOff: boolean, keepUntil: number | undefined): void;
}

export class TurnClaim implements ContendingClaim {
  listener: OnClaimState;
  state: ClaimState | undefined;
  /** What it contends with on the server, while it does. */
  claim: Claim | undefined;
  /** What it asks for beside the key: turns that ask for the same may take over each other's claim. */
  readonly shape: string | undefined;
  readonly #order: TurnOrder;
  isLeaving = false;

  /** @param place in the order of the subscriptions; a turn that contends again keeps it */
  constructor(
    order: TurnOrder,
    readonly place: number,
    readonly meta: JsonValue | undefined,
    listener: OnClaimState,
  ) {
    this.#order = order;
    this.listener = listener;
    this.shape = JSON.stringify(meta);
  }

  get session(): Session | undefined {
    return this.claim?.session;
  }

  get token(): bigint | undefined {
    return this.claim?.token;
  }

  get revocation(): Revocation | undefined {
    return this.claim?.revocation;
  }

  get queued(): QueuedRequest | undefined {
    return this.claim?.queued;
  }

  get ids(): readonly string[] {
    return this.claim?.ids ?? [];
  }

  begin(): void {
    this.#order.join(this);
  }

  isGone(): void {
    this.claim?.isGone();
  }

  leave(handOff: boolean, keepUntil?: number): void {
    if (this.isLeaving) return;
    this.isLeaving = true;
    this.#order.leave(this, handOff, keepUntil);
  }

  tell(state: ClaimState): void {
    if (state.status !== 'wanted') this.state = state;
    this.listener(state);
  }

  /** Where it stands, unless that is what it was told last. */
  tellBlocked(state: Extract<ClaimState, { status: 'blocked' }>): void {
    const { state: last } = this;
    const isSame =
      last?.status === 'blocked' &&
      last.ahead === state.ahead &&
      last.holders.length === state.holders.length &&
      last.holders[0]?.fencingToken === state.holders[0]?.fencingToken;
    if (!isSame) this.tell(state);
  }
}
