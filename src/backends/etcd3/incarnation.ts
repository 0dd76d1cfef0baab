/**
 * Whether the server still has the history that we know. One restored from a backup has forgotten what came after: locks
 * that were taken since are free there, and given to others. What is not known to be of this history is taken for gone.
 */
import { BackendError } from '../../api/errors.js';
import type { Lease, MarkerView, Queue } from '../../backend/port.js';

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

/** Two endpoints that belong to two clusters: each would give the same lock to somebody else. */
export class OtherCluster extends Error {
  override readonly name = 'OtherCluster';
}

export class Incarnation {
  /** Called when it turns out to be another one. */
  readonly #changed: (cause: BackendError) => void;
  /** Counts the histories met; what is known is of this one. */
  #epoch = 0;
  #newest = 0n;
  #cluster: string | undefined;
  /** What each endpoint said last. */
  readonly #clusters = new WeakMap<object, string>();
  #cause: BackendError | undefined;
  readonly #leases = new WeakMap<Lease, number>();
  readonly #views = new WeakMap<Queue | MarkerView, number>();

  constructor(changed: (cause: BackendError) => void) {
    this.#changed = changed;
  }

  /** The newest revision that is known. */
  get newest(): bigint {
    return this.#newest;
  }

  /** As another thread knows it, which asks the same servers. */
  told(newest: bigint): void {
    if (newest > this.#newest) this.#newest = newest;
  }

  /** To be called before a question is sent. */
  asked(): Question {
    return { epoch: this.#epoch, newest: this.#newest };
  }

  /** Every answer says of which cluster it is. Throws where this is not the one that the other endpoints belong to. */
  heardFrom({ epoch }: Question, endpoint: object, { cluster_id: cluster }: Header): void {
    if (epoch !== this.#epoch) return;
    const known = this.#cluster;
    if (known !== undefined && cluster !== known) {
      // A member never changes its cluster: one that is of another than before was restored into that.
      if (this.#clusters.get(endpoint) !== known) throw twoClusters(known, cluster);
      this.#anew(`its cluster was ${known} and is ${cluster}`);
    }
    this.#cluster = cluster;
    this.#clusters.set(endpoint, cluster);
  }

  /** Whether an endpoint has said of which cluster it is. */
  hasHeardFrom(endpoint: object): boolean {
    return this.#clusters.get(endpoint) === this.#cluster && this.#cluster !== undefined;
  }

  /** A request that goes through the leader is answered with a revision that is not older than any known before. */
  answered({ epoch, newest }: Question, { revision }: Header): void {
    if (epoch !== this.#epoch) return;
    const now = BigInt(revision);
    if (now < newest) this.#anew(`its revision was ${newest} and is ${now}`);
    if (now > this.#newest) this.#newest = now;
  }

  /** Any member answers a renewal, also one that is behind: whether that may be more than being behind. */
  isDoubtful({ newest }: Question, { revision }: Header): boolean {
    return BigInt(revision) < newest;
  }

  /** The server has said, of late, that it has the lease. */
  granted(lease: Lease): void {
    this.#leases.set(lease, this.#epoch);
  }

  /** Why the lease is worth nothing, unless it was granted in this history. */
  objection(lease: Lease): BackendError | undefined {
    const epoch = this.#leases.get(lease);
    if (epoch === this.#epoch) return undefined;
    return this.#cause ?? new BackendError('etcd3 has not granted that lease.', { retryable: true });
  }

  /** It was read of this history. */
  read<View extends Queue | MarkerView>(view: View): View {
    this.#views.set(view, this.#epoch);
    return view;
  }

  /** Whether a view is of this history, so that it can be gone on from. */
  has(view: Queue | MarkerView): boolean {
    return this.#views.get(view) === this.#epoch;
  }

  #anew(what: string): void {
    this.#epoch += 1;
    this.#newest = 0n;
    this.#cause = new BackendError(
      `etcd3 is not the server that it was: ${what}, as after a restore from a backup. All locks are lost, and fencing ` +
        'tokens may repeat: reset every service that compares them.',
      { retryable: true },
    );
    this.#changed(this.#cause);
  }
}

function twoClusters(known: string, other: string): BackendError {
  const cause = new OtherCluster(`one endpoint is of cluster ${known}, another of ${other}`);
  const advice = '`hosts` names members of two clusters. Give the members of one cluster.';
  return new BackendError(`etcd3: ${advice}`, { retryable: true, cause });
}
