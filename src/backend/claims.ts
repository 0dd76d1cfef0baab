/**
 * The terms of both ports: what is asked for at a key, the lease under it, a claim in a queue, and the queue.
 */
import type { JsonValue } from '../api/json.js';
import type { LockKind } from '../api/ownership.js';
import type { Revocation } from '../api/revocation.js';

/** What is asked for at a key. */
export interface LockSpec {
  readonly key: string;
  readonly kind: LockKind;
  /** Of a semaphore: how many may hold at a time. */
  readonly permits?: number | undefined;
  /** Of a candidate in an election: the value that is written instead of the fields of a lock. */
  readonly value?: string | undefined;
}

/** A time limit for claims: when the lease ends, the server deletes its claims. */
export interface Lease {
  /** Chosen by us, so that a grant whose answer was lost can be repeated: 63 random bits, lower-case hexadecimal. */
  readonly id: string;
  /** The requested TTL, milliseconds. The server may grant more. */
  readonly ttl: number;
  /** The label of the `Locks` that asks for it. */
  readonly owner: string;
  /** The key of its claim, on servers where each claim has a lease of its own. */
  readonly key: string | undefined;
}

/** A request for a place in the queue of a key. A repeated request is still the same claim. */
export interface ClaimRequest extends LockSpec {
  readonly lease: Lease;
  /** Unique within the lease. */
  readonly id: string;
  /** When the request was made, by the wall clock; for display only. */
  readonly since: Date;
  readonly meta: JsonValue | undefined;
}

/** A claim in the queue on the server: ours, that of another program, or an unreadable one. */
export interface QueuedClaim {
  /** Unique in its queue. */
  readonly id: string;
  /** Its place in the queue, and its fencing token: `create_revision` on v3, `createdIndex` on v2. */
  readonly token: bigint;
  /** Changes when somebody overwrites the claim. */
  readonly stamp: string;
  readonly kind: LockKind;
  readonly permits?: number | undefined;
  readonly owner: string;
  readonly since: Date | undefined;
  readonly meta: JsonValue | undefined;
  /** The value of a candidate, or what another program has written; `undefined` for the claim of a lock. */
  readonly value?: string | undefined;
  /** The request to release that somebody has written over it. */
  readonly revocation?: Revocation | undefined;
}

/** All claims of a key at one revision of the server, oldest first. Always complete. */
export interface Queue {
  readonly key: string;
  /** The revision of the server at which this was so. It only grows. */
  readonly revision: bigint;
  readonly claims: readonly QueuedClaim[];
}

/** The id of a claim in its queue. Unique on the server, since no two leases have the same id. */
export const claimName = ({ lease, id }: ClaimRequest): string => `${lease.id}-${id}`;

/** The claim as it stands in the queue right after it was written, with this token. */
export const queuedAs = (claim: ClaimRequest, token: bigint): QueuedClaim => ({
  id: claimName(claim),
  token,
  stamp: token.toString(),
  kind: claim.kind,
  permits: claim.permits,
  owner: claim.lease.owner,
  since: claim.since,
  meta: claim.meta,
  value: claim.value,
});
