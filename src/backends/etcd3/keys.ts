/**
 * How claims are written in etcd: the layout of Go's `concurrency.Mutex`, so that Go services, `etcdctl lock` and
 * rxlock exclude each other. A claim on `name` is the key `name/<lease id, hexadecimal>-<claim id>`.
 */
import type { Mode } from '../../rules/blockers.js';
import type { JsonValue } from '../../api/json.js';
import { isPermits } from '../../api/options.js';
import { claimName } from '../../backend/claims.js';
import { indexOf, placeFor } from '../../rules/place.js';
import type { ClaimRequest, Queue, QueuedClaim, LockSpec } from '../../backend/port.js';
import { readRevocation, writtenRevocation } from '../../api/revocation.js';
import type { Revocation } from '../../api/revocation.js';

/** A key-value pair as npm etcd3 reads it. */
export interface StoredClaim {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
  /** `0` if it has none. */
  readonly lease: string;
}

export const prefixOf = (name: string): Buffer => Buffer.from(`${name}/`);

/**
 * The first key after all keys that start with the prefix. The last byte can always be incremented: UTF-8 has no byte
 * 0xff.
 */
export function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return end;
}

/** The keys from `key` up to `range_end`, which is excluded; a zero byte as `range_end` means all following keys. */
export interface KeyRange {
  readonly key: Buffer;
  readonly range_end: Buffer;
}

/** All keys that begin with this text; all keys for an empty text. */
export const rangeOf = (beginning: string): KeyRange => {
  if (beginning === '') return { key: ALL_KEYS, range_end: ALL_KEYS };
  const key = Buffer.from(beginning);
  return { key, range_end: endOf(key) };
};

const ALL_KEYS = Buffer.of(0);

/** The same keys in another range, if none of them goes on with a zero byte after the beginning. */
export const rangeWithin = (beginning: string, zeros: number): KeyRange => {
  const { key, range_end } = rangeOf(beginning);
  return { key: Buffer.concat([key, Buffer.alloc(zeros)]), range_end };
};

/** This key alone; with more `zeros` in another range, if no other key begins with it and a zero byte. */
export const only = (key: Buffer, zeros = 0): KeyRange => ({
  key,
  range_end: Buffer.concat([key, Buffer.alloc(zeros + 1)]),
});

export const isWithin = (key: Buffer, { key: first, range_end: end }: KeyRange): boolean =>
  key.compare(first) >= 0 && (key.compare(end) < 0 || end.equals(ALL_KEYS));

/** A dash separates lease and id: a slash would make it a claim of another name. */
export const claimKey = (claim: ClaimRequest): Buffer => Buffer.from(`${claim.key}/${claimName(claim)}`);

/**
 * The tombstone of a withdrawn claim: while it exists, the claim cannot be queued. It is stored beside the queue, since
 * inside it would block other programs. No lock has a NUL in its name, so it cannot be a claim.
 */
export const tombstoneKey = (claim: ClaimRequest): Buffer => Buffer.from(`${claim.key}\0${claimName(claim)}`);

/**
 * The marker that the work of a name is done. It is stored beside the queue, like a tombstone. The two cannot be
 * confused: after the NUL a tombstone has the lease id, a hexadecimal number and a dash. No other key begins like this.
 */
export const markerName = (name: string): string => `${name}\0done`;

/** The key of a claim that was read from the queue of a name. */
export const keyIn = (name: string, { id }: QueuedClaim): Buffer => Buffer.from(`${name}/${id}`);

/**
 * The value of a claim. Clients use `kind` and `permits`; the other fields are for people and observers. A candidate
 * writes only its own value, as Go's `concurrency.Election` does.
 */
export const encodeClaim = ({ lease, kind, permits, since, meta, value }: ClaimRequest): Buffer =>
  Buffer.from(value ?? JSON.stringify({ owner: lease.owner, kind, permits, since: since.toISOString(), meta }));

/**
 * The value of a claim with a request to release. The claim of a lock keeps all its fields, so that it is still read as
 * one.
 */
export function encodeAsked({ owner, kind, permits, since, meta, value }: QueuedClaim, revocation: Revocation): Buffer {
  const asked = { revocation: writtenRevocation(revocation) };
  return Buffer.from(JSON.stringify(value === undefined ? { owner, kind, permits, since, meta, ...asked } : asked));
}

const SLASH = 0x2f;

/** Whether the key is a claim of the name that ends before `skip`, and not one of a nested name, or a tombstone. */
export const isClaim = (key: Buffer, skip: number): boolean => !key.includes(SLASH, skip) && !key.includes(0, skip);

/** The name of a claim; `undefined` if the key is no claim. */
export function nameOf(key: Buffer): string | undefined {
  const slash = key.lastIndexOf(SLASH);
  return slash > 0 && isClaim(key, slash + 1) ? key.toString('utf8', 0, slash) : undefined;
}

/** Groups things by the name of their claim. */
export function byName<T>(things: readonly T[], keyOf: (thing: T) => Buffer): Map<string, T[]> {
  const names = new Map<string, T[]>();
  for (const thing of things) {
    const name = nameOf(keyOf(thing));
    if (name === undefined) continue;
    const others = names.get(name);
    if (others) others.push(thing);
    else names.set(name, [thing]);
  }
  return names;
}

/**
 * The claims among the keys below `name/`, oldest first. Names can be nested: keys that lie deeper belong to other
 * names. `known` saves decoding that claim.
 */
export function claimsOf(name: string, stored: readonly StoredClaim[], known?: QueuedClaim): readonly QueuedClaim[] {
  const skip = Buffer.byteLength(name) + 1;
  const decode = (entry: StoredClaim): QueuedClaim =>
    known && entry.mod_revision === known.stamp ? known : decodeClaim(name, entry);
  return stored
    .filter(({ key }) => isClaim(key, skip))
    .map(decode)
    .sort(inOrder);
}

/**
 * Claims of one transaction have the same token (rxlock never does that): then the id decides, so that the order is the
 * same everywhere.
 */
const inOrder = (a: QueuedClaim, b: QueuedClaim): number => {
  if (a.token !== b.token) return a.token < b.token ? -1 : 1;
  return a.id < b.id ? -1 : 1;
};

/** A change of a key, as etcd reports it. */
export interface Change {
  readonly type: 'Put' | 'Delete';
  readonly kv: StoredClaim;
}

/** Applies changes to a queue, without reading it again. */
export function appliedTo(queue: Queue, changes: readonly Change[]): Queue {
  const skip = Buffer.byteLength(queue.key) + 1;
  const claims = [...queue.claims];
  let { revision } = queue;
  for (const { type, kv } of changes) {
    // The revision of the event, not that of the header, which is ahead of the events while a watch catches up.
    revision = BigInt(kv.mod_revision);
    if (!isClaim(kv.key, skip)) continue;
    const id = kv.key.toString('utf8', skip);
    const claim = type === 'Put' ? decodeClaim(queue.key, kv) : undefined;
    const there = claim ? indexOf(claims, claim.token) : -1;
    if (claim && claims[there]?.id === id) {
      claims[there] = claim;
      continue;
    }
    const before = claims.findIndex((one) => one.id === id);
    if (before >= 0) claims.splice(before, 1);
    if (!claim) continue;
    let place = placeFor(claims, claim.token);
    for (let one = claims[place]; one && inOrder(one, claim) < 0; one = claims[place]) place += 1;
    claims.splice(place, 0, claim);
  }
  return { key: queue.key, revision, claims };
}

/**
 * Reads a claim. Other programs write an empty value, and people write anything: an unreadable value is a mutex of an
 * unnamed owner. So is a value without a lease: somebody has overwritten a claim, which will no longer end by itself.
 */
export function decodeClaim(name: string, stored: StoredClaim): QueuedClaim {
  const { key, value, create_revision, mod_revision, lease } = stored;
  const id = key.toString('utf8', Buffer.byteLength(name) + 1);
  const read = lease === NO_LEASE ? {} : readValue(value);
  const { owner, since, meta, revocation } = read;
  const when = typeof since === 'string' ? new Date(since) : undefined;
  return {
    id,
    token: BigInt(create_revision),
    stamp: mod_revision,
    ...rankOf(read),
    owner: typeof owner === 'string' ? owner : `unnamed (lease ${id})`,
    since: when && !Number.isNaN(when.getTime()) ? when : undefined,
    meta,
    value: isOfLock(read) ? undefined : value.toString(),
    revocation: readRevocation(revocation),
  };
}

const NO_LEASE = '0';

type Read = { readonly [name: string]: JsonValue | undefined };

/** Whether the value is that of a lock of rxlock. */
const isOfLock = ({ owner, kind }: Read): boolean => typeof owner === 'string' && typeof kind === 'string';

/**
 * Refuses a candidate whose value reads as a lock: two candidates with the value of a reader would both lead, and
 * observers could not tell them from a lock.
 */
export function objectionTo({ value }: LockSpec): string | undefined {
  if (value === undefined || !isOfLock(readValue(Buffer.from(value)))) return undefined;
  return 'it reads as the claim of a lock, JSON with `owner` and `kind`. Call one of them something else.';
}

/** Any other value is a mutex: nobody holds beside it. */
function rankOf({ owner, kind, permits }: Read): Mode {
  if (typeof owner !== 'string') return MUTEX;
  if (kind === 'read' || kind === 'write') return { kind, permits: undefined };
  if (kind === 'semaphore' && typeof permits === 'number' && isPermits(permits)) return { kind, permits };
  return MUTEX;
}

const MUTEX: Mode = { kind: 'mutex', permits: undefined };

function readValue(value: Buffer): Read {
  try {
    const read: unknown = JSON.parse(value.toString());
    return isRecord(read) ? read : {};
  } catch {
    // Written by another program: `etcdctl lock` and Go write an empty value.
    return {};
  }
}

/** An object that JSON.parse returned. */
const isRecord = (read: unknown): read is { readonly [name: string]: JsonValue } =>
  typeof read === 'object' && read !== null && !Array.isArray(read);
