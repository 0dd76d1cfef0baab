/**
 * A claim of ours in the queue of a key: what is known of it, and what its contender was told.
 */
import type { Lease, QueuedClaim } from '../../backend/port.js';
import type { Revocation } from '../../api/revocation.js';
import type { OwnClaim } from '../../rules/place.js';
import type { OnClaimState } from '../claim-state.js';
import type { DeadlineListener } from '../io/deadlines.js';
import type { AuditedClaim } from './resync.js';

/** The queue of a waiter. */
export interface FollowedQueue {
  readonly key: string;
  /** From now on the waiter is told of changes on the server. */
  follow(waiter: Waiter): void;
  /** An event may have been missed: read the queue again. */
  readAgain(): void;
}

/** One of our claims in the queue of a key. */
export class Waiter implements DeadlineListener, OwnClaim, AuditedClaim {
  status: 'new' | 'blocked' | 'first' | 'over' = 'new';
  isFollowing = false;
  /** What it was told last: the number of claims ahead, the token of the first holder, and the number of holders. */
  ahead = 0;
  front: bigint | undefined;
  holders = 0;
  proposed: Set<string> | undefined;
  /** The latest request to release. */
  revocation: Revocation | undefined;

  constructor(
    readonly queue: FollowedQueue,
    public mine: QueuedClaim,
    public knownAt: bigint,
    readonly lease: Lease,
    readonly tell: OnClaimState,
  ) {}

  get token(): bigint {
    return this.mine.token;
  }

  get key(): string {
    return this.queue.key;
  }

  get isHeld(): boolean {
    return this.status === 'first';
  }

  readAgain(): void {
    this.queue.readAgain();
  }

  /** It has held for a while: a watch is worth its cost now. */
  timedOut(): void {
    this.queue.follow(this);
  }
}
