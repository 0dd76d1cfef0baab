/**
 * The target of a contention: one key or several, with their kinds.
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

/** One key of a target. */
export interface TargetKey extends LockSpec {
  /** For a candidate of an election: set to the claim that leads. */
  readonly leaderRef?: LeaderRef | undefined;
}

export class LockTarget {
  readonly specs: readonly TargetKey[];
  readonly keys: readonly string[];
  /** The key as users see it; several are joined by ` + `. */
  readonly key: string;
  /** The kind of all its keys; `undefined` if they differ. */
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
    this.#shape = specs.map(shapeOf).join();
  }

  /** What a contender asks for, as one string: contenders of the same shape may exchange their claims. */
  shape(meta: JsonValue | undefined): string | undefined {
    if (this.#runtime.localQueue) return undefined;
    return meta === undefined ? this.#shape : this.#shape + JSON.stringify(meta);
  }

  /**
   * The contender holds with this claim. After an exchange, the claim may have been made by a candidate of another
   * election object.
   */
  heldBy(claim: ContendingClaim): void {
    for (const { key, leaderRef } of this.specs) {
      if (leaderRef && claim instanceof Claim) claim.leadsFor(leaderRef, key);
    }
  }

  /** A new claim of the target. */
  claim({ meta, wait }: AcquireOptions, shape: string | undefined, listener: OnClaimState): ContendingClaim {
    const { localQueue } = this.#runtime;
    const options = { specs: this.specs, shape, meta, isTry: wait === 0 };
    if (localQueue) return new SlotClaim(this.#runtime, localQueue, options, listener);
    return new Claim(this.#runtime, options, listener);
  }
}

/** What is asked for at one key. The length of the key and the quotes of the value make it unambiguous. */
const shapeOf = ({ key, kind, permits, value }: TargetKey): string =>
  `${kind} ${permits ?? ''} ${key.length} ${key} ${value === undefined ? '' : JSON.stringify(value)}`;
