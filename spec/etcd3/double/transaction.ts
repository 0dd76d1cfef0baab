/**
 * Carries out a transaction: all comparisons first, then one branch, all of it at one revision.
 */
import type {
  RequestOp,
  ResponseHeader,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from '../../../src/backends/etcd3/client/messages.js';
import { holds } from './compare.js';
import type { Leases } from './leases.js';
import { query } from './query.js';
import { refusal } from './refusal.js';
import type { Store } from './store.js';

/** A member of a transaction has a header without a revision (measured). */
const NO_HEADER: ResponseHeader = { cluster_id: '0', revision: '0' };
const NO_RANGE = { header: NO_HEADER, kvs: [], more: false, count: '0' };
const NO_TXN: TxnResponse = { header: NO_HEADER, succeeded: false, responses: [] };
const NOTHING: ResponseOp = {
  response_range: NO_RANGE,
  response_delete_range: { deleted: '0' },
  response_txn: NO_TXN,
};

/** Which branch is taken, in it and in those within. */
interface Path {
  readonly succeeded: boolean;
  readonly branch: readonly RequestOp[];
  readonly inner: ReadonlyMap<RequestOp, Path>;
}

function pathOf(store: Store, { compare = [], success = [], failure = [] }: TxnRequest): Path {
  const succeeded = compare.every((one) => holds(store, one));
  const branch = succeeded ? success : failure;
  const inner = branch.flatMap((one): [RequestOp, Path][] =>
    one.request_txn ? [[one, pathOf(store, one.request_txn)]] : [],
  );
  return { succeeded, branch, inner: new Map(inner) };
}

export class Transactions {
  readonly #store: Store;
  readonly #leases: Leases;

  constructor(store: Store, leases: Leases) {
    this.#store = store;
    this.#leases = leases;
  }

  carryOut(txn: TxnRequest): Omit<TxnResponse, 'header'> {
    const path = pathOf(this.#store, txn);
    this.#check(path);
    return this.#run(path, this.#store.revision + 1n);
  }

  /** Whatever would fail in the branches taken, before any of it is done. */
  #check({ branch, inner }: Path): void {
    for (const one of branch) {
      const { request_put: put, request_range: range } = one;
      if (range) query(this.#store, range);
      const lease = BigInt(put?.lease ?? 0).toString();
      if (lease !== '0' && !this.#leases.has(lease)) throw refusal.leaseNotFound();
      if ((put?.ignore_value || put?.ignore_lease) && put.key && !this.#store.get(put.key)) throw refusal.keyNotFound();
      const within = inner.get(one);
      if (within) this.#check(within);
    }
  }

  #run({ succeeded, branch, inner }: Path, revision: bigint): Omit<TxnResponse, 'header'> {
    const responses = branch.map((one): ResponseOp => {
      const within = inner.get(one);
      if (within) return { ...NOTHING, response_txn: { header: NO_HEADER, ...this.#run(within, revision) } };
      if (one.request_range) {
        return { ...NOTHING, response_range: { header: NO_HEADER, ...query(this.#store, one.request_range) } };
      }
      if (one.request_delete_range) {
        const keys = this.#store.in(one.request_delete_range).map(({ key }) => key);
        this.delete(keys, revision);
        return { ...NOTHING, response_delete_range: { deleted: keys.length.toString() } };
      }
      this.#put(one.request_put ?? {}, revision);
      return NOTHING;
    });
    return { succeeded, responses };
  }

  delete(keys: readonly Buffer[], revision: bigint): void {
    for (const key of keys) {
      const before = this.#store.get(key);
      if (!before) continue;
      this.#leases.detach(before.lease, key);
      this.#store.delete(key, revision);
    }
  }

  #put(put: NonNullable<RequestOp['request_put']>, revision: bigint): void {
    const { key = Buffer.of() } = put;
    const before = this.#store.get(key);
    const lease = put.ignore_lease && before ? before.lease : BigInt(put.lease ?? 0).toString();
    const value = put.ignore_value && before ? before.value : (put.value ?? Buffer.of());
    if (before) this.#leases.detach(before.lease, key);
    this.#leases.attach(lease, key);
    this.#store.put(key, value, lease, revision);
  }
}
