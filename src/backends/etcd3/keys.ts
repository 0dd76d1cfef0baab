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
  /** 0 of none. */
  readonly lease: string;
}

export const prefixOf = (name: string): Buffer => Buffer.from(`${name}/`);

/** The first key behind all that start with the prefix. UTF-8 has no byte that cannot be raised. */
export function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return end;
}

/** Keys from the first on, up to and without the last; to the end of all keys, where that is a zero byte. */
export interface KeyRange {
  readonly key: Buffer;
  readonly range_end: Buffer;
}

/** All keys that begin so; those of any name, for nothing. */
export const rangeOf = (beginning: string): KeyRange => {
  if (beginning === '') return { key: ALL_KEYS, range_end: ALL_KEYS };
  const key = Buffer.from(beginning);
  return { key, range_end: endOf(key) };
};

const ALL_KEYS = Buffer.of(0);

export const isWithin = (key: Buffer, { key: first, range_end: end }: KeyRange): boolean =>
  key.compare(first) >= 0 && (key.compare(end) < 0 || end.equals(ALL_KEYS));

/** A dash between lease and id, since a slash would make it a claim of another name. */
export const claimKey = (claim: ClaimRequest): Buffer => Buffer.from(`${claim.key}/${claimName(claim)}`);

/**
 * Says that a claim was withdrawn: while it exists, the claim cannot come in. Beside the queue and not in it, or it
 * would block peers; no lock has a NUL in its name, so it can be nobody's claim.
 */
export const tombstoneKey = (claim: ClaimRequest): Buffer => Buffer.from(`${claim.key}\0${claimName(claim)}`);

/**
 * Says that the work of a name is done. Beside the queue as a tombstone is, and no tombstone, since that begins with a
 * hexadecimal number. No other key begins so.
 */
export const markerName = (name: string): string => `${name}\0done`;

/** The key of a claim that we know from the queue of a name. */
export const keyIn = (name: string, { id }: QueuedClaim): Buffer => Buffer.from(`${name}/${id}`);

/**
 * What is written as the value: for people and observers, but for kind and permits, which all clients go by. Of a
 * candidate just what it proposes, as Go's `concurrency.Election` does.
 */
export const encodeClaim = ({ lease, kind, permits, since, meta, value }: ClaimRequest): Buffer =>
  Buffer.from(value ?? JSON.stringify({ owner: lease.owner, kind, permits, since: since.toISOString(), meta }));

/** What is written over a claim to ask for it: a lock's still says all that it said, so that it is one still. */
export function encodeAsked({ owner, kind, permits, since, meta, value }: QueuedClaim, revocation: Revocation): Buffer {
  const asked = { revocation: writtenRevocation(revocation) };
  return Buffer.from(JSON.stringify(value === undefined ? { owner, kind, permits, since, meta, ...asked } : asked));
}

const SLASH = 0x2f;

/** Whether it is a claim of the name that ends before `skip`, not of one that nests in it, nor the tombstone of one. */
const isClaim = (key: Buffer, skip: number): boolean => !key.includes(SLASH, skip) && !key.includes(0, skip);

/** The name that a key is a claim of, if it is one. */
export function nameOf(key: Buffer): string | undefined {
  const slash = key.lastIndexOf(SLASH);
  return slash > 0 && isClaim(key, slash + 1) ? key.toString('utf8', 0, slash) : undefined;
}

/** By name, the things that are said about claims. */
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
 * The claims among all that is stored below `name/`, oldest first. Names nest: what lies deeper is not of this name.
 * `known` need not be decoded.
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

/** Claims that one transaction put, which rxlock never does, have one token: then by name, always the same. */
const inOrder = (a: QueuedClaim, b: QueuedClaim): number => {
  if (a.token !== b.token) return a.token < b.token ? -1 : 1;
  return a.id < b.id ? -1 : 1;
};

/** One change of a key, as etcd tells it. */
export interface Change {
  readonly type: 'Put' | 'Delete';
  readonly kv: StoredClaim;
}

/** The queue after some changes below its name, without reading it again. */
export function appliedTo(queue: Queue, changes: readonly Change[]): Queue {
  const skip = Buffer.byteLength(queue.key) + 1;
  const claims = [...queue.claims];
  let { revision } = queue;
  for (const { type, kv } of changes) {
    // The last event's, not the header's: that is ahead of the events while a watch catches up.
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
 * A peer writes an empty value, a person anything: what cannot be read is a mutex of an unnamed owner. So is what says
 * the same as before and has no lease: somebody wrote it over a claim, which will not end by itself any more.
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

/** Whether it is written as the claim of a lock of ours. */
const isOfLock = ({ owner, kind }: Read): boolean => typeof owner === 'string' && typeof kind === 'string';

/** Two candidates with the value of a reader would lead at a time, and observers could not tell it from a lock. */
export function objectionTo({ value }: LockSpec): string | undefined {
  if (value === undefined || !isOfLock(readValue(Buffer.from(value)))) return undefined;
  return 'it reads as the claim of a lock, JSON with `owner` and `kind`. Call one of them something else.';
}

/** What is not written as we write it is a mutex: nobody else holds beside it. */
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
    // Not ours: `etcdctl lock` and Go write nothing at all.
    return {};
  }
}

/** What JSON.parse returns is JSON; an object is a record of it. */
const isRecord = (read: unknown): read is { readonly [name: string]: JsonValue } =>
  typeof read === 'object' && read !== null && !Array.isArray(read);
