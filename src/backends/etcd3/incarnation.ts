/**
 * Whether the server still has the history that we know. A server that was restored from a backup has lost everything
 * after the backup: locks that were taken since are free there, and are given to others. Leases and views that are not
 * known to be of the current history count as gone.
 */
import { BackendError } from '../../api/errors.js';
import type { Lease, MarkerView, Queue } from '../../backend/port.js';

/** The header of an answer of etcd. */
export interface Header {
  readonly cluster_id: string;
  readonly revision: string;
}

/** What was known when a request was sent. */
export interface Question {
  readonly epoch: number;
  readonly newest: bigint;
}

/** Two endpoints belong to two clusters: each cluster would give the same lock to another client. */
export class OtherCluster extends Error {
  override readonly name = 'OtherCluster';
}

export class Incarnation {
  /** Called when the server turns out to have another history. */
  readonly #changed: (cause: BackendError) => void;
  /** The number of the current history. */
  #epoch = 0;
  #newest = 0n;
  #cluster: string | undefined;
  /** The latest cluster id of each endpoint. */
  readonly #clusters = new WeakMap<object, string>();
  #cause: BackendError | undefined;
  readonly #leases = new WeakMap<Lease, number>();
  readonly #views = new WeakMap<Queue | MarkerView, number>();

  constructor(changed: (cause: BackendError) => void) {
    this.#changed = changed;
  }

  /** The newest known revision. */
  get newest(): bigint {
    return this.#newest;
  }

  /** Takes over the newest revision that another thread knows, which uses the same servers. */
  told(newest: bigint): void {
    if (newest > this.#newest) this.#newest = newest;
  }

  /** To be called before a request is sent. */
  asked(): Question {
    return { epoch: this.#epoch, newest: this.#newest };
  }

  /** Checks the cluster id of an answer. Throws if the endpoint belongs to another cluster than the others. */
  heardFrom({ epoch }: Question, endpoint: object, { cluster_id: cluster }: Header): void {
    if (epoch !== this.#epoch) return;
    const known = this.#cluster;
    if (known !== undefined && cluster !== known) {
      // A member never changes its cluster: a new id means that it was restored from a backup.
      if (this.#clusters.get(endpoint) !== known) throw twoClusters(known, cluster);
      this.#anew(`its cluster was ${known} and is ${cluster}`);
    }
    this.#cluster = cluster;
    this.#clusters.set(endpoint, cluster);
  }

  /** Whether the cluster id of an endpoint is known. */
  hasHeardFrom(endpoint: object): boolean {
    return this.#clusters.get(endpoint) === this.#cluster && this.#cluster !== undefined;
  }

  /**
   * Checks the revision of an answer that came through the leader: it cannot be older than one that was known at the
   * send.
   */
  answered({ epoch, newest }: Question, { revision }: Header): void {
    if (epoch !== this.#epoch) return;
    const now = BigInt(revision);
    if (now < newest) this.#anew(`its revision was ${newest} and is ${now}`);
    if (now > this.#newest) this.#newest = now;
  }

  /**
   * Whether the answer to a renewal has an older revision. Any member answers renewals, also one that lags, so this is
   * only a suspicion.
   */
  isDoubtful({ newest }: Question, { revision }: Header): boolean {
    return BigInt(revision) < newest;
  }

  /** The server granted the lease in the current history. */
  granted(lease: Lease): void {
    this.#leases.set(lease, this.#epoch);
  }

  /** Why the lease is not valid; `undefined` if it was granted in the current history. */
  objection(lease: Lease): BackendError | undefined {
    const epoch = this.#leases.get(lease);
    if (epoch === this.#epoch) return undefined;
    return this.#cause ?? new BackendError('etcd has not granted that lease.', { retryable: true });
  }

  /** Marks a view as read in the current history. */
  read<View extends Queue | MarkerView>(view: View): View {
    this.#views.set(view, this.#epoch);
    return view;
  }

  /** Whether a view is of the current history, so that it can be watched from there on. */
  has(view: Queue | MarkerView): boolean {
    return this.#views.get(view) === this.#epoch;
  }

  #anew(what: string): void {
    this.#epoch += 1;
    this.#newest = 0n;
    this.#cause = new BackendError(
      `etcd is not the same server as before: ${what}, as after a restore from a backup. All locks are lost, and fencing ` +
        'tokens may repeat: reset every service that compares them.',
      { retryable: true },
    );
    this.#changed(this.#cause);
  }
}

function twoClusters(known: string, other: string): BackendError {
  const cause = new OtherCluster(`one endpoint is of cluster ${known}, another of ${other}`);
  const advice = '`hosts` names members of two clusters. Give the members of one cluster.';
  return new BackendError(`etcd: ${advice}`, { retryable: true, cause });
}
