/**
 * A lock server in memory, with the semantics of etcd v3: leases that expire, claims in the order of their revision,
 * watches.
 */
import { Observable } from 'rxjs';
import type { Subscription } from 'rxjs';
import { at } from '../../time/clock.js';
import type { Time } from '../../time/clock.js';
import { BackendError } from '../../api/errors.js';
import { claimName, queuedAs } from '../../backend/claims.js';
import { indexOf, isAsBefore } from '../../rules/place.js';
import type {
  Audit,
  ClaimRequest,
  EnqueueResult,
  Lease,
  DequeueResult,
  EnqueueMode,
  Queue,
  QueuedClaim,
  RenewResult,
  RewriteResult,
} from '../../backend/port.js';
import { createMarkers } from './markers.js';
import type { MemoryMarkers } from './markers.js';
import { wouldWait } from '../../rules/blockers.js';
import type { Revocation } from '../../api/revocation.js';

interface ServerLease {
  readonly ttl: number;
  expiresAt: number;
  expiry: Subscription | undefined;
  /** The key and token of each of its claims, by claim id. */
  readonly claims: Map<string, { readonly key: string; readonly token: bigint }>;
  /** Claims that were withdrawn before it was known whether they were queued: they must not be queued later. */
  readonly withdrawn: Set<string>;
}

/** The claims at a key, in the order of their tokens. */
interface ServerQueue {
  claims: QueuedClaim[];
  /** Whether a reader has the array, so that a change needs a copy. Queues that nobody reads are not copied. */
  isShown: boolean;
}

/** The requests of the server, answered synchronously. */
export interface MemoryServer {
  grant(lease: Lease): { readonly ttl: number };
  renew(lease: Lease): RenewResult;
  revoke(lease: Lease): void;
  enqueue(claims: readonly ClaimRequest[], mode: EnqueueMode): EnqueueResult;
  dequeue(
    claims: readonly ClaimRequest[],
    queued: readonly QueuedClaim[] | undefined,
    successor: QueuedClaim | undefined,
  ): DequeueResult;
  keep(claims: readonly ClaimRequest[], queued: readonly QueuedClaim[], lease: Lease): void;
  proclaim(claim: ClaimRequest, mine: QueuedClaim, value: string): RewriteResult;
  ask(key: string, claim: QueuedClaim, revocation: Revocation): RewriteResult;
  remove(key: string, claim: QueuedClaim): void;
  readonly markers: MemoryMarkers;
  queue(key: string, from?: Queue, until?: QueuedClaim): Observable<Queue>;
  queues(prefix: string): Observable<readonly Queue[]>;
  audit(lease: Lease): Audit;
}

export function createMemoryServer(time: Time, grantedTtl: (asked: number) => number): MemoryServer {
  const leases = new Map<string, ServerLease>();
  const queues = new Map<string, ServerQueue>();
  const watchers = new Map<string, Set<(queue: Queue) => void>>();
  const overseers = new Set<(queue: Queue) => void>();
  let revision = 1n;

  const queueOf = (key: string): Queue => {
    const queue = queues.get(key);
    if (queue) queue.isShown = true;
    return { key, revision, claims: queue?.claims ?? [] };
  };
  const claimsAt = (key: string): readonly QueuedClaim[] => queues.get(key)?.claims ?? [];

  // Watchers are told in a loop, never nested: a long chain of hand-offs must not grow the stack.
  const changed = new Set<string>();
  let telling = false;
  const tell = (keys: readonly string[]): void => {
    for (const key of keys) changed.add(key);
    if (telling) return;
    telling = true;
    try {
      for (const key of changed) {
        // Deleted first: a change of the same key during the loop is told after it.
        changed.delete(key);
        const queue = queueOf(key);
        for (const watcher of [...(watchers.get(key) ?? []), ...overseers]) watcher(queue);
      }
    } finally {
      telling = false;
    }
  };

  /** Appends a claim to the queue. */
  const append = (key: string, claim: QueuedClaim): void => {
    const queue = queues.get(key);
    if (!queue) queues.set(key, { claims: [claim], isShown: false });
    // One copy, with the new claim in it.
    else if (queue.isShown) queues.set(key, { claims: [...queue.claims, claim], isShown: false });
    else queue.claims.push(claim);
  };

  /** The claims at a key, in an array that may be changed. */
  const writable = (key: string): QueuedClaim[] => {
    const queue = queues.get(key) ?? { claims: [], isShown: false };
    queues.set(key, queue);
    if (queue.isShown) queue.claims = queue.claims.slice();
    queue.isShown = false;
    return queue.claims;
  };

  /** Ends a change of these keys: one revision for all of them. */
  const commit = (keys: readonly string[]): void => {
    if (keys.length === 0) return;
    revision += 1n;
    for (const key of keys) if (claimsAt(key).length === 0) queues.delete(key);
    tell(keys);
  };

  /** Removes the claim with that token. Returns whether it was there. */
  const cut = (key: string, token: bigint): boolean => {
    const place = indexOf(claimsAt(key), token);
    if (place >= 0) writable(key).splice(place, 1);
    return place >= 0;
  };

  const drop = (id: string): void => {
    const lease = leases.get(id);
    if (!lease) return;
    lease.expiry?.unsubscribe();
    leases.delete(id);
    const gone = new Map<string, Set<bigint>>();
    for (const { key, token } of lease.claims.values()) gone.set(key, (gone.get(key) ?? new Set()).add(token));
    for (const [key, tokens] of gone) {
      queues.set(key, { claims: claimsAt(key).filter(({ token }) => !tokens.has(token)), isShown: false });
    }
    commit([...gone.keys()]);
  };

  /** One timer for each lease: a renewal only moves the instant, and a timer that fires too early is set again. */
  const expire = (id: string, lease: ServerLease): void => {
    lease.expiry = at(time, lease.expiresAt).subscribe(() => {
      if (time.now() >= lease.expiresAt) drop(id);
      else expire(id, lease);
    });
  };

  const alive = ({ id }: Lease): ServerLease | undefined => {
    const lease = leases.get(id);
    // The lease may have expired before its timer has run.
    if (lease && time.now() >= lease.expiresAt) drop(id);
    return leases.get(id);
  };

  const enqueue = (claims: readonly ClaimRequest[], mode: EnqueueMode): EnqueueResult => {
    const token = revision + 1n;
    const entering = claims.map((claim) => {
      const lease = alive(claim.lease);
      const name = claimName(claim);
      if (lease?.withdrawn.has(name)) {
        throw new BackendError(`"${claim.key}": the claim was withdrawn.`, { retryable: false });
      }
      const { key } = claim;
      const known = lease?.claims.get(name);
      const there = known && claimsAt(key)[indexOf(claimsAt(key), known.token)];
      return { key, name, lease, mine: there ?? queuedAs(claim, token), isNew: !there };
    });
    if (entering.some(({ lease }) => !lease)) return { status: 'lease-gone' };
    const added = entering.filter(({ isNew }) => isNew);
    // All entries are one claim: if somebody has deleted one of them meanwhile, it does not get a new place.
    const [missing] = added.length < entering.length ? added : [];
    if (missing) {
      throw new BackendError(`"${missing.key}": the claim was withdrawn before it came in.`, { retryable: false });
    }
    const inTheWay = mode === 'try' ? added.filter(({ key, mine }) => wouldWait(claimsAt(key), mine)) : [];
    if (inTheWay.length > 0) return { status: 'refused', queues: inTheWay.map(({ key }) => queueOf(key)) };
    for (const { lease, name, key, mine } of added) {
      lease?.claims.set(name, { key, token });
      append(key, mine);
    }
    commit(added.map(({ key }) => key));
    const isShown = mode !== 'plain';
    const entries = entering.map(({ key, mine }) => ({ claim: mine, queue: isShown ? queueOf(key) : undefined }));
    return { status: 'queued', revision, entries };
  };

  const dequeueAll = (claims: readonly ClaimRequest[], entered: readonly QueuedClaim[] | undefined): void => {
    const left = claims.filter((claim, i) => {
      const { key } = claim;
      const name = claimName(claim);
      const lease = alive(claim.lease);
      if (!entered) lease?.withdrawn.add(name);
      const token = entered ? entered[i]?.token : lease?.claims.get(name)?.token;
      if (token === undefined || claimsAt(key)[indexOf(claimsAt(key), token)]?.id !== name) return false;
      lease?.claims.delete(name);
      return cut(key, token);
    });
    commit(left.map(({ key }) => key));
  };

  /** Writes only if the claim is still as the caller knows it, so that no other write is lost. */
  const rewrite = (key: string, known: QueuedClaim, change: Partial<QueuedClaim>): RewriteResult => {
    const place = indexOf(claimsAt(key), known.token);
    const there = claimsAt(key)[place];
    if (there?.stamp !== known.stamp) return { claim: there, revision };
    const written = { ...there, ...change, stamp: (revision + 1n).toString() };
    writable(key)[place] = written;
    commit([key]);
    return { claim: written, revision };
  };

  const grant = (asked: Lease): ServerLease => {
    const known = alive(asked);
    const ttl = known?.ttl ?? grantedTtl(asked.ttl);
    const lease = known ?? { ttl, expiresAt: 0, expiry: undefined, claims: new Map(), withdrawn: new Set() };
    lease.expiresAt = time.now() + ttl;
    if (!known) {
      leases.set(asked.id, lease);
      expire(asked.id, lease);
    }
    return lease;
  };

  const dequeue: MemoryServer['dequeue'] = (claims, queued, successor) => {
    dequeueAll(claims, queued);
    const [claim] = claims;
    if (!successor || !claim) return { successor: 'unknown' };
    const there = claimsAt(claim.key);
    return { successor: there[indexOf(there, successor.token)]?.id === successor.id ? 'there' : 'gone' };
  };

  const markers = createMarkers({
    time,
    revision: () => revision,
    nextRevision: () => (revision += 1n),
    isQueued: ({ claim, mine }) => {
      const there = alive(claim.lease) && claimsAt(claim.key);
      return there?.[indexOf(there, mine.token)]?.id === mine.id;
    },
    dequeue: ({ claim, mine }) => void dequeue([claim], [mine], undefined),
  });

  return {
    markers,

    grant: (asked) => ({ ttl: grant(asked).ttl }),

    renew(asked) {
      const lease = alive(asked);
      if (!lease) return { status: 'gone', reason: 'session' };
      lease.expiresAt = time.now() + lease.ttl;
      return { status: 'renewed', ttl: lease.ttl };
    },

    revoke: ({ id }) => drop(id),

    enqueue,

    keep(claims, queued, lease) {
      // A repeated request: the lease is granted, and the claims are on it.
      if (alive(lease)) return;
      const kept = grant(lease);
      claims.forEach((claim, i) => {
        const name = claimName(claim);
        const token = queued[i]?.token;
        const old = alive(claim.lease);
        if (token === undefined || !old || old.claims.get(name)?.token !== token) return;
        old.claims.delete(name);
        old.withdrawn.add(name);
        kept.claims.set(name, { key: claim.key, token });
      });
      if (kept.claims.size === 0) drop(lease.id);
    },

    proclaim({ key, lease }, mine, value) {
      alive(lease);
      return rewrite(key, mine, { value });
    },

    ask: (key, claim, revocation) => rewrite(key, claim, { revocation }),

    remove(key, { id, token }) {
      if (!cut(key, token)) return;
      leases.get(id.split('-')[0] ?? '')?.claims.delete(id);
      commit([key]);
    },

    dequeue,

    audit(lease) {
      const claims = new Map(alive(lease)?.claims);
      return (key, { id }) => claims.get(id)?.key === key;
    },

    queue: (key, from, until) =>
      new Observable((subscriber) => {
        const watching = watchers.get(key) ?? new Set();
        watchers.set(key, watching);
        let awaited = from && until;
        const watcher = (queue: Queue): void => {
          if (awaited && isAsBefore(queue.claims, awaited)) return;
          awaited = undefined;
          subscriber.next(queue);
        };
        watching.add(watcher);
        if (from && until) subscriber.next(from);
        watcher(queueOf(key));
        return () => {
          watching.delete(watcher);
          if (watching.size === 0 && watchers.get(key) === watching) watchers.delete(key);
        };
      }),

    queues: (prefix) =>
      new Observable((subscriber) => {
        const overseer = (queue: Queue): void => {
          if (queue.key.startsWith(prefix)) subscriber.next([queue]);
        };
        overseers.add(overseer);
        subscriber.next([...queues.keys()].filter((key) => key.startsWith(prefix)).map(queueOf));
        return () => overseers.delete(overseer);
      }),
  };
}
