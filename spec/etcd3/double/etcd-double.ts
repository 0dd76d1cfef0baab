/**
 * An etcd in memory: one member, and what an adversary or an operator can do to it.
 */
import { asyncScheduler } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import type {
  LeaseKeepAliveResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  RangeRequest,
  RangeResponse,
  ResponseHeader,
  TxnRequest,
  TxnResponse,
} from '../../../src/backends/etcd3/client/messages.js';
import { Leases } from './leases.js';
import { checkRole, mayRead, takesSpace } from './limits.js';
import type { Role } from './limits.js';
import { query } from './query.js';
import type { Range } from './range.js';
import { refusal } from './refusal.js';
import { RenewalStream } from './renewal-stream.js';
import { Store } from './store.js';
import type { Stored } from './store.js';
import { checkTransaction } from './transaction-check.js';
import { Transactions } from './transaction.js';
import { WatchStream } from './watch-stream.js';
import type { WatchServer } from './watch-stream.js';

/** What is kept of it: a backup. Leases begin anew where it is restored. */
export interface Backup {
  readonly stored: Stored;
  readonly leases: readonly { readonly id: string; readonly ttl: number; readonly keys: readonly Buffer[] }[];
}

export class EtcdDouble implements WatchServer {
  store = new Store();
  leases: Leases;
  clusterId = '14841639068965178418';
  /** `--max-txn-ops`. */
  mostOperations = 128;
  /** Of the user of all clients; without, all is permitted. */
  role: Role | undefined;
  /** `space`: writes are taken. `last`: one more is, and refused after it was carried out. `full`: deletions only. */
  room: 'space' | 'last' | 'full' = 'space';
  /** Whether clients talk to it through a proxy. */
  givesOwnIds = false;
  readonly watchStreams = new Set<WatchStream>();
  readonly renewalStreams = new Set<RenewalStream>();
  #transactions: Transactions;
  readonly #scheduler: SchedulerLike;

  constructor(scheduler: SchedulerLike = asyncScheduler) {
    this.#scheduler = scheduler;
    this.leases = this.#newLeases();
    this.#transactions = new Transactions(this.store, this.leases);
  }

  get header(): ResponseHeader {
    return { cluster_id: this.clusterId, revision: this.store.revision.toString() };
  }

  range(request: RangeRequest): RangeResponse {
    if (!request.key || request.key.length === 0) throw refusal.emptyKey();
    if (!mayRead(this.role, request)) throw refusal.denied();
    return { header: this.header, ...query(this.store, request) };
  }

  txn(request: TxnRequest): TxnResponse {
    checkTransaction(request, this.mostOperations);
    checkRole(this.role, request);
    const isCounted = takesSpace(request);
    if (isCounted && this.room === 'full') throw refusal.noSpace();
    const answer = this.#transactions.carryOut(request);
    this.#told();
    if (isCounted && this.room === 'last') {
      this.room = 'full';
      throw refusal.noSpace();
    }
    return { header: this.header, ...answer };
  }

  grant(id: string, ttl: number) {
    if (this.room === 'full') throw refusal.noSpace();
    return { header: this.header, ID: id, TTL: this.leases.grant(id, ttl).toString(), error: '' };
  }

  renew(id: string): LeaseKeepAliveResponse {
    return { header: this.header, ID: id, TTL: this.leases.renew(id).toString() };
  }

  revoke(id: string): { readonly header: ResponseHeader } {
    this.leases.revoke(id);
    return { header: this.header };
  }

  timeToLive({ ID = 0, keys: asked = false }: LeaseTimeToLiveRequest): LeaseTimeToLiveResponse {
    const id = BigInt(ID).toString();
    const { left, granted, keys } = this.leases.timeToLive(id);
    const shown = asked ? keys : [];
    return { header: this.header, ID: id, TTL: left.toString(), grantedTTL: granted.toString(), keys: shown };
  }

  watch(): WatchStream {
    const stream = new WatchStream(this);
    this.watchStreams.add(stream);
    return stream;
  }

  keepAlive(renew = (id: string): LeaseKeepAliveResponse | undefined => this.renew(id)): RenewalStream {
    const stream = new RenewalStream(renew, (over) => this.renewalStreams.delete(over));
    this.renewalStreams.add(stream);
    return stream;
  }

  refusalOf(range: Range): string | undefined {
    if (mayRead(this.role, range)) return undefined;
    return 'rpc error: code = PermissionDenied desc = etcdserver: permission denied';
  }

  closed(stream: WatchStream): void {
    this.watchStreams.delete(stream);
  }

  compact(revision = this.store.revision): void {
    this.store.compact(revision);
  }

  /** All streams break, as when the server is killed; or end, as when it is shut down. */
  breakStreams(error: Error | undefined = refusal.down()): void {
    for (const stream of [...this.watchStreams, ...this.renewalStreams]) stream.breaks(error);
  }

  backup(): Backup {
    const leases = this.leases.ids.map((id) => {
      const { granted, keys } = this.leases.timeToLive(id);
      return { id, ttl: granted, keys };
    });
    return { stored: this.store.backup, leases };
  }

  /** What has happened since the backup is forgotten. Another cluster, where `etcdctl snapshot restore` made it one. */
  restore({ stored, leases }: Backup, clusterId = this.clusterId): void {
    this.leases.stop();
    this.store = new Store(stored);
    this.leases = this.#newLeases();
    this.clusterId = clusterId;
    this.#transactions = new Transactions(this.store, this.leases);
    for (const { id, ttl, keys } of leases) {
      this.leases.grant(id, ttl);
      for (const key of keys) this.leases.attach(id, key);
    }
    this.breakStreams();
  }

  stop(): void {
    this.leases.stop();
    this.breakStreams();
  }

  #newLeases(): Leases {
    return new Leases((keys) => {
      this.#transactions.delete(keys, this.store.revision + 1n);
      this.#told();
    }, this.#scheduler);
  }

  #told(): void {
    for (const stream of this.watchStreams) stream.look();
  }
}
