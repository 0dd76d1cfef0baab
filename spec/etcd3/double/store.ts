/**
 * What etcd stores: for each key all that was ever written there, by revision, until it is compacted.
 */
import type { KeyValue, WatchEvent } from '../../../src/backends/etcd3/client/messages.js';
import { covers } from './range.js';
import type { Range } from './range.js';
import { refusal } from './refusal.js';

/** One change, and when. */
export interface Written extends WatchEvent {
  readonly revision: bigint;
}

/** What a store holds, to be taken as a backup. */
export interface Stored {
  readonly revision: bigint;
  readonly compacted: bigint;
  readonly written: readonly Written[];
}

/** A new store has its first revision. */
const EMPTY: Stored = { revision: 1n, compacted: 0n, written: [] };

export class Store {
  #revision: bigint;
  #compacted: bigint;
  #written: Written[];
  readonly #now = new Map<string, KeyValue>();

  constructor({ revision, compacted, written }: Stored = EMPTY) {
    this.#revision = revision;
    this.#compacted = compacted;
    this.#written = [...written];
    for (const one of written) this.#apply(one);
  }

  get revision(): bigint {
    return this.#revision;
  }
  get compacted(): bigint {
    return this.#compacted;
  }
  get backup(): Stored {
    return { revision: this.#revision, compacted: this.#compacted, written: [...this.#written] };
  }

  get(key: Buffer): KeyValue | undefined {
    return this.#now.get(key.toString('latin1'));
  }

  /** By key, as it is or as it was. */
  in(range: Range, at = 0n): KeyValue[] {
    if (at > this.#revision) throw refusal.future();
    if (at > 0n && at < this.#compacted) throw refusal.compacted();
    let there: Iterable<KeyValue> = this.#now.values();
    if (at > 0n) {
      const then = new Map<string, KeyValue>();
      for (const { type, kv, revision } of this.#written) {
        if (revision > at) break;
        if (type === 'Put') then.set(kv.key.toString('latin1'), kv);
        else then.delete(kv.key.toString('latin1'));
      }
      there = then.values();
    }
    return [...there].filter(({ key }) => covers(range, key)).sort((a, b) => a.key.compare(b.key));
  }

  /** All that was written from a revision on. */
  since(revision: bigint, range: Range): readonly Written[] {
    return this.#written.filter((one) => one.revision >= revision && covers(range, one.kv.key));
  }

  put(key: Buffer, value: Buffer, lease: string, at: bigint): void {
    const before = this.get(key);
    this.#write({
      type: 'Put',
      revision: at,
      kv: {
        key,
        value,
        lease,
        create_revision: before?.create_revision ?? at.toString(),
        mod_revision: at.toString(),
        version: before ? (BigInt(before.version) + 1n).toString() : '1',
      },
    });
  }

  delete(key: Buffer, at: bigint): void {
    const none = { value: Buffer.of(), lease: '0', create_revision: '0', version: '0' };
    this.#write({ type: 'Delete', revision: at, kv: { key, mod_revision: at.toString(), ...none } });
  }

  compact(revision: bigint): void {
    this.#compacted = revision;
  }

  #write(one: Written): void {
    this.#revision = one.revision;
    this.#written.push(one);
    this.#apply(one);
  }

  #apply({ type, kv }: Written): void {
    if (type === 'Put') this.#now.set(kv.key.toString('latin1'), kv);
    else this.#now.delete(kv.key.toString('latin1'));
  }
}
