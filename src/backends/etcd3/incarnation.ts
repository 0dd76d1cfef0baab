/**
 * Whether the server still has the history that we know. One restored from a backup has forgotten what came after: locks
 * that were taken since are free there, and given to others.
 */
import { BackendError } from '../../api/errors.js';
import type { Lease } from '../../backend/port.js';

/** Of an answer of etcd's. */
export interface Header {
  readonly cluster_id: string;
  readonly revision: string;
}

/** What was known when a question was asked. */
export interface Question {
  readonly epoch: number;
  readonly newest: bigint;
}

export class Incarnation {
  /** Called when it turns out to be another one. */
  readonly #changed: (cause: BackendError) => void;
  /** Counts the histories met; what is known is of this one. */
  #epoch = 0;
  #newest = 0n;
  #cluster: string | undefined;
  #cause: BackendError | undefined;
  readonly #leases = new WeakMap<Lease, number>();

  constructor(changed: (cause: BackendError) => void) {
    this.#changed = changed;
  }

  /** To be called before a question is sent. */
  asked(): Question {
    return { epoch: this.#epoch, newest: this.#newest };
  }

  /** A request that goes through the leader is answered with a revision that is not older than any known before. */
  answered({ epoch: era, newest }: Question, { cluster_id, revision }: Header): void {
    const now = BigInt(revision);
    if (era !== this.#epoch) return;
    if (now < newest) this.#anew(`its revision was ${newest} and is ${now}`);
    else if (this.#isAnother(cluster_id)) this.#anew(`its cluster was ${this.#cluster} and is ${cluster_id}`);
    this.#cluster = cluster_id;
    if (now > this.#newest) this.#newest = now;
  }

  /** Any member answers a renewal, also one that is behind: whether that may be more than being behind. */
  isDoubtful({ newest }: Question, { cluster_id, revision }: Header): boolean {
    return BigInt(revision) < newest || this.#isAnother(cluster_id);
  }

  granted(lease: Lease): void {
    this.#leases.set(lease, this.#epoch);
  }

  /** Why the lease is worth nothing, if it was granted in another history. */
  objection(lease: Lease): BackendError | undefined {
    const era = this.#leases.get(lease);
    return era === undefined || era === this.#epoch ? undefined : this.#cause;
  }

  /** Whether a view is of this history, so that it can be gone on from. */
  has(revision: bigint): boolean {
    return revision <= this.#newest;
  }

  #isAnother(cluster: string): boolean {
    return this.#cluster !== undefined && this.#cluster !== cluster;
  }

  #anew(what: string): void {
    this.#epoch += 1;
    this.#newest = 0n;
    this.#cause = new BackendError(
      `etcd3 is not the server that it was: ${what}, as after a restore from a backup. All locks are lost, and fencing ` +
        'tokens may repeat: what compares them has to be told.',
      { retryable: true },
    );
    this.#changed(this.#cause);
  }
}
