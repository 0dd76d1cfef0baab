/**
 * What is contended for: one key or several, and how.
 */
import type { JsonValue } from '../api/json.js';
import type { AcquireOptions } from '../api/options.js';
import type { LockKind } from '../api/ownership.js';
import type { LockSpec } from '../backend/port.js';
import { Claim } from './claim.js';
import type { LeaderRef } from './claim.js';
import type { ContendingClaim } from './contending-claim.js';
import type { OnClaimState } from './claim-state.js';
import type { LocksRuntime } from './locks-runtime.js';
import { SlotClaim } from './slot/slot-claim.js';

/** One key of it. */
export interface TargetKey extends LockSpec {
  /** Of a candidate: where the claim that leads is entered. */
  readonly leaderRef?: LeaderRef | undefined;
}

export class LockTarget {
  readonly specs: readonly TargetKey[];
  readonly keys: readonly string[];
  /** As users are told of it. */
  readonly key: string;
  /** Of all its keys; nothing where they differ. */
  readonly kind: LockKind | undefined;
  readonly #runtime: LocksRuntime;
  readonly #shape: string;

  constructor(runtime: LocksRuntime, specs: readonly TargetKey[]) {
    this.#runtime = runtime;
    this.specs = specs;
    this.keys = specs.map(({ key }) => key);
    this.key = this.keys.join(' + ');
    const [first, ...others] = specs;
    this.kind = others.every(({ kind }) => kind === first?.kind) ? first?.kind : undefined;
    this.#shape = JSON.stringify(specs.map(({ key, kind, permits, value }) => [key, kind, permits, value]));
  }

  /** In one string, what a contender asks for: those that ask for the same may exchange their claims. */
  shape(meta: JsonValue | undefined): string | undefined {
    if (this.#runtime.localQueue) return undefined;
    return meta === undefined ? this.#shape : this.#shape + JSON.stringify(meta);
  }

  /**
   * Its contender holds by that claim, which may have been made for a candidate of another election object: those that
   * ask for the same exchange their claims.
   */
  heldBy(claim: ContendingClaim): void {
    for (const { key, leaderRef } of this.specs) {
      if (leaderRef && claim instanceof Claim) claim.leadsFor(leaderRef, key);
    }
  }

  /** What to contend with. */
  claim({ meta, wait }: AcquireOptions, shape: string | undefined, listener: OnClaimState): ContendingClaim {
    const { localQueue } = this.#runtime;
    const options = { specs: this.specs, shape, meta, isTry: wait === 0 };
    if (localQueue) return new SlotClaim(this.#runtime, localQueue, options, listener);
    return new Claim(this.#runtime, options, listener);
  }
}
