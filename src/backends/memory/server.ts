/**
 * A lock server in memory, with the semantics of etcd v3: leases that expire, claims in the order of their revision,
 * watches. Its clients are the backends made from it.
 */
import { Observable } from 'rxjs';
import type { Subscription } from 'rxjs';
import { at } from '../../time/clock.js';
import type { Time } from '../../time/clock.js';
import { BackendError } from '../../api/errors.js';
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
import { blockers } from '../../rules/blockers.js';
import type { Revocation } from '../../api/revocation.js';

interface ServerLease {
  readonly ttl: number;
  expiresAt: number;
  expiry: Subscription | undefined;
  /** The keys on which it has claims, by claim id. */
  readonly claims: Map<string, string>;
  /** Claims withdrawn before anybody knew whether they were in: they must not come in later. */
  readonly withdrawn: Set<string>;
}

/** A key, and who is queued there from now on. */
type Change = readonly [key: string, claims: readonly QueuedClaim[]];

/** The requests of the server, answered at once. */
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
  proclaim(claim: ClaimRequest, mine: QueuedClaim, value: string): RewriteResult;
  ask(key: string, claim: QueuedClaim, revocation: Revocation): RewriteResult;
  remove(key: string, claim: QueuedClaim): void;
  queue(key: string): Observable<Queue>;
  queues(prefix: string): Observable<readonly Queue[]>;
  audit(lease: Lease): Audit;
}

/** Whether a claim that came now would have to wait. */
const isBlocked = (claims: readonly QueuedClaim[], mine: QueuedClaim): boolean =>
  blockers([...claims, mine], claims.length) > 0;

export function createMemoryServer(time: Time, grantedTtl: (asked: number) => number): MemoryServer {
  const leases = new Map<string, ServerLease>();
  const queues = new Map<string, readonly QueuedClaim[]>();
  const watchers = new Map<string, Set<(queue: Queue) => void>>();
  const overseers = new Set<(queue: Queue) => void>();
  let revision = 1n;

  const queueOf = (key: string): Queue => ({ key, revision, claims: queues.get(key) ?? [] });
  const nameOf = ({ lease, id }: ClaimRequest): string => `${lease.id}-${id}`;

  // Told one after another, never one inside the other: a long chain of hand-offs must not grow the stack.
  const changed: string[] = [];
  let telling = false;
  const tell = (keys: readonly string[]): void => {
    changed.push(...keys);
    if (telling) return;
    telling = true;
    try {
      for (let next = changed.shift(); next !== undefined; next = changed.shift()) {
        const queue = queueOf(next);
        for (const watcher of [...(watchers.get(next) ?? []), ...overseers]) watcher(queue);
      }
    } finally {
      telling = false;
    }
  };

  /** All of it at one revision. */
  const put = (changes: readonly Change[]): void => {
    if (changes.length === 0) return;
    revision += 1n;
    for (const [key, claims] of changes) {
      if (claims.length === 0) queues.delete(key);
      else queues.set(key, claims);
    }
    tell(changes.map(([key]) => key));
  };

  const drop = (id: string): void => {
    const lease = leases.get(id);
    if (!lease) return;
    lease.expiry?.unsubscribe();
    leases.delete(id);
    const keys = new Set(lease.claims.values());
    put([...keys].map((key) => [key, (queues.get(key) ?? []).filter((claim) => !lease.claims.has(claim.id))]));
  };

  /** One timer a lease; a renewal moves the instant, and the timer that fires too early is set again. */
  const expire = (id: string, lease: ServerLease): void => {
    lease.expiry = at(time, lease.expiresAt).subscribe(() => {
      if (time.now() >= lease.expiresAt) drop(id);
      else expire(id, lease);
    });
  };

  const alive = ({ id }: Lease): ServerLease | undefined => {
    const lease = leases.get(id);
    // The clock may be past the expiry before the timer has run.
    if (lease && time.now() >= lease.expiresAt) drop(id);
    return leases.get(id);
  };

  const enqueue = (claims: readonly ClaimRequest[], mode: EnqueueMode): EnqueueResult => {
    const token = revision + 1n;
    const entering = claims.map((claim) => {
      const lease = alive(claim.lease);
      const name = nameOf(claim);
      if (lease?.withdrawn.has(name)) {
        throw new BackendError(`"${claim.key}": the claim was withdrawn.`, { retryable: false });
      }
      const { key, kind, permits, since, meta, value } = claim;
      const there = queues.get(key)?.find(({ id }) => id === name);
      const { owner } = claim.lease;
      const stamp = token.toString();
      const mine = there ?? { id: name, token, stamp, kind, permits, owner, since, meta, value };
      return { key, name, lease, mine, isNew: !there };
    });
    if (entering.some(({ lease }) => !lease)) return { status: 'lease-gone' };
    const added = entering.filter(({ isNew }) => isNew);
    const inTheWay = mode === 'try' ? added.filter(({ key, mine }) => isBlocked(queues.get(key) ?? [], mine)) : [];
    if (inTheWay.length > 0) return { status: 'refused', queues: inTheWay.map(({ key }) => queueOf(key)) };
    for (const { lease, name, key } of added) lease?.claims.set(name, key);
    put(added.map(({ key, mine }) => [key, [...(queues.get(key) ?? []), mine]]));
    const isShown = mode !== 'plain';
    const entries = entering.map(({ key, mine }) => ({ claim: mine, queue: isShown ? queueOf(key) : undefined }));
    return { status: 'queued', revision, entries };
  };

  const dequeueAll = (claims: readonly ClaimRequest[], entered: readonly QueuedClaim[] | undefined): void => {
    const leaving = claims.map((claim, i): Change => {
      const name = nameOf(claim);
      const lease = alive(claim.lease);
      if (!entered) lease?.withdrawn.add(name);
      const there = queues.get(claim.key) ?? [];
      const left = there.filter(({ id, token }) => id !== name || (entered && token !== entered[i]?.token));
      if (left.length < there.length) lease?.claims.delete(name);
      return [claim.key, left];
    });
    put(leaving.filter(([key, left]) => left.length < (queues.get(key)?.length ?? 0)));
  };

  /** Only as it is known: what somebody else has written meanwhile is not lost. */
  const rewrite = (key: string, known: QueuedClaim, change: Partial<QueuedClaim>): RewriteResult => {
    const claims = queues.get(key) ?? [];
    const there = claims.find(({ token }) => token === known.token);
    if (there?.stamp !== known.stamp) return { claim: there, revision };
    const written = { ...there, ...change, stamp: (revision + 1n).toString() };
    put([[key, claims.map((one) => (one === there ? written : one))]]);
    return { claim: written, revision };
  };

  return {
    grant(asked) {
      const known = alive(asked);
      const ttl = known?.ttl ?? grantedTtl(asked.ttl);
      const lease = known ?? { ttl, expiresAt: 0, expiry: undefined, claims: new Map(), withdrawn: new Set() };
      lease.expiresAt = time.now() + ttl;
      if (!known) {
        leases.set(asked.id, lease);
        expire(asked.id, lease);
      }
      return { ttl };
    },

    renew(asked) {
      const lease = alive(asked);
      if (!lease) return { status: 'gone', reason: 'session' };
      lease.expiresAt = time.now() + lease.ttl;
      return { status: 'renewed', ttl: lease.ttl };
    },

    revoke: ({ id }) => drop(id),

    enqueue,

    proclaim({ key, lease }, mine, value) {
      alive(lease);
      return rewrite(key, mine, { value });
    },

    ask: (key, claim, revocation) => rewrite(key, claim, { revocation }),

    remove(key, { id, token }) {
      const claims = queues.get(key) ?? [];
      const left = claims.filter((claim) => claim.token !== token);
      if (left.length === claims.length) return;
      for (const { claims } of leases.values()) claims.delete(id);
      put([[key, left]]);
    },

    dequeue(claims, queued, successor) {
      const [claim] = claims;
      const there = claim && successor ? (queues.get(claim.key) ?? []) : [];
      dequeueAll(claims, queued);
      if (!successor) return { successor: 'unknown' };
      const isThere = there.some(({ id, token }) => id === successor.id && token === successor.token);
      return { successor: isThere ? 'there' : 'gone' };
    },

    audit(lease) {
      const claims = new Map(alive(lease)?.claims);
      return (key, { id }) => claims.get(id) === key;
    },

    queue: (key) =>
      new Observable((subscriber) => {
        const watching = watchers.get(key) ?? new Set();
        watchers.set(key, watching);
        const watcher = (queue: Queue): void => subscriber.next(queue);
        watching.add(watcher);
        subscriber.next(queueOf(key));
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
