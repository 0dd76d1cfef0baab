/**
 * The words of both ports: what is asked for at a key, the lease under it, a claim in a queue, and the queue.
 */
import type { JsonValue } from '../api/json.js';
import type { LockKind } from '../api/ownership.js';
import type { Revocation } from '../api/revocation.js';

/** What is asked for at a key. */
export interface LockSpec {
  readonly key: string;
  readonly kind: LockKind;
  /** How many may hold at a time, of a semaphore. */
  readonly permits?: number | undefined;
  /** Of a candidate in an election: what is written instead of all that is written of a lock. */
  readonly value?: string | undefined;
}

/** The time-bounded right that claims hang on: when it ends, the server drops them. */
export interface Lease {
  /** Chosen by us, so that a grant whose answer was lost can be repeated: 63 random bits, lower-case hexadecimal. */
  readonly id: string;
  /** What is asked for, milliseconds. The server may grant more. */
  readonly ttl: number;
  /** The label of whoever takes it. */
  readonly owner: string;
  /** The one key it is for, where a lease carries a single claim. */
  readonly key: string | undefined;
}

/** A place in the queue of a key, as we ask for it. The same claim may be asked for again: it is one claim still. */
export interface ClaimRequest extends LockSpec {
  readonly lease: Lease;
  /** Unique within the lease. */
  readonly id: string;
  /** When it was made, for people to read. */
  readonly since: Date;
  readonly meta: JsonValue | undefined;
}

/** A claim as it stands in the queue on the server: ours, a peer's, or one nobody can read. */
export interface QueuedClaim {
  /** What tells it from any other claim of the same queue. */
  readonly id: string;
  /** Its place and its fencing token: v3 create_revision, v2 createdIndex. */
  readonly token: bigint;
  /** Changes when somebody writes over the claim. */
  readonly stamp: string;
  readonly kind: LockKind;
  readonly permits?: number | undefined;
  readonly owner: string;
  readonly since: Date | undefined;
  readonly meta: JsonValue | undefined;
  /** What a candidate proposes, or a peer has written; nothing for the claim of a lock. */
  readonly value?: string | undefined;
  /** What somebody has written over it who wants it to go. */
  readonly revocation?: Revocation | undefined;
}

/** All claims of one key at one moment of the server, oldest first. Always complete. */
export interface Queue {
  readonly key: string;
  /** The server's revision at which this was so. Grows. */
  readonly revision: bigint;
  readonly claims: readonly QueuedClaim[];
}

/** The id of a claim in its queue: unique on the server, since no two leases have one id. */
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
