/**
 * The turns of one `Locks`, by key.
 */
import type { AcquireOptions } from '../../api/options.js';
import type { OnClaimState } from '../claim-state.js';
import type { ContendingClaim } from '../contending-claim.js';
import type { LocksRuntime } from '../locks-runtime.js';
import { LockTarget } from '../target.js';
import { TurnClaim } from './turn-claim.js';
import { TurnQueue } from './turn-queue.js';

export interface TurnQueues {
  /** What one turn at the key contends for; its place is that of this call, however often it contends. */
  target(key: string): LockTarget;
}

export function createTurnQueues(runtime: LocksRuntime): TurnQueues {
  const queues = new Map<string, TurnQueue>();
  let places = 0;

  const queueAt = (key: string): TurnQueue => {
    const there = queues.get(key);
    if (there) return there;
    const queue: TurnQueue = new TurnQueue(runtime, key, () => {
      if (queues.get(key) === queue) queues.delete(key);
    });
    queues.set(key, queue);
    return queue;
  };

  return {
    target(key) {
      // Where a key has one slot, the contenders of a `Locks` try one after another anyway.
      if (runtime.localQueue) return new LockTarget(runtime, [{ key, kind: 'mutex' }]);
      places += 1;
      return new TurnTarget(runtime, key, places, queueAt);
    },
  };
}

class TurnTarget extends LockTarget {
  readonly #place: number;
  readonly #queueAt: (key: string) => TurnQueue;

  constructor(runtime: LocksRuntime, key: string, place: number, queueAt: (key: string) => TurnQueue) {
    super(runtime, [{ key, kind: 'mutex' }]);
    this.#place = place;
    this.#queueAt = queueAt;
  }

  /** None: its queue knows which of them may take over each other's claim. */
  override shape(): undefined {
    return undefined;
  }

  /** A try waits for nobody, so it asks by itself. */
  override claim(options: AcquireOptions, shape: string | undefined, listener: OnClaimState): ContendingClaim {
    if (options.wait === 0) return super.claim(options, shape, listener);
    return new TurnClaim(this.#queueAt(this.key), this.#place, options.meta, listener);
  }
}
