/**
 * How claims are written in etcd: the layout of Go's `concurrency.Mutex`, so that Go services, `etcdctl lock` and
 * rxlock exclude each other. A claim on `name` is the key `name/<lease id, hexadecimal>-<claim id>`.
 */
import type { JsonValue } from '../../core/json.js';
import type { Claim, QueuedClaim } from '../../core/port.js';

/** A key-value pair as npm etcd3 reads it. */
export interface StoredClaim {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
}

export const prefixOf = (name: string): Buffer => Buffer.from(`${name}/`);

/** The first key behind all that start with the prefix. Ours ends in `/`, so its last byte can be raised. */
export function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return end;
}

/** Claims of one lease tell themselves apart behind a dash: a slash would make them claims of another name. */
const childOf = ({ lease, id }: Claim): string => `${lease.id}-${id}`;

export const claimKey = (claim: Claim): Buffer => Buffer.from(`${claim.key}/${childOf(claim)}`);

/**
 * Says that a claim was withdrawn: while it exists, the claim cannot come in. Beside the queue and not in it, or it
 * would block peers; no lock has a NUL in its name, so it can be nobody's claim.
 */
export const tombstoneKey = (claim: Claim): Buffer => Buffer.from(`${claim.key}\0${childOf(claim)}`);

/** What is written as the value: for people and observers, no rule depends on who can be told from it. */
export const encodeClaim = ({ lease, kind, since, meta }: Claim): Buffer =>
  Buffer.from(JSON.stringify({ owner: lease.owner, kind, since: since.toISOString(), meta }));

/** The claims among all that is stored below `name/`, oldest first. Names nest: what lies deeper is not of this name. */
export function claimsOf(name: string, stored: readonly StoredClaim[]): readonly QueuedClaim[] {
  const skip = prefixOf(name).length;
  return stored
    .filter(({ key }) => !key.subarray(skip).includes('/'))
    .map((entry) => decodeClaim(name, entry))
    .sort((a, b) => (a.token < b.token ? -1 : 1));
}

/** A peer writes an empty value, a person anything: what cannot be read is a mutex of an unnamed owner. */
export function decodeClaim(name: string, { key, value, create_revision, mod_revision }: StoredClaim): QueuedClaim {
  const id = key.subarray(prefixOf(name).length).toString();
  const { owner, since, meta } = readValue(value);
  const when = typeof since === 'string' ? new Date(since) : undefined;
  return {
    id,
    token: BigInt(create_revision),
    stamp: mod_revision,
    kind: 'mutex',
    owner: typeof owner === 'string' ? owner : `unnamed (lease ${id})`,
    since: when && !Number.isNaN(when.getTime()) ? when : undefined,
    meta,
  };
}

function readValue(value: Buffer): { readonly [name: string]: JsonValue | undefined } {
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
