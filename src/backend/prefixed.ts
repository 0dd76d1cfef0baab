/**
 * A backend that puts a prefix before every key on the server. Only this file knows both names of a key. The message of
 * a BackendError may quote the server, with its names of the keys.
 */
import { map } from 'rxjs';
import type { Observable } from 'rxjs';
import type { HeldLock } from '../api/lock.js';
import { present } from './decorate.js';
import type { Complete } from './decorate.js';
import type { WholeQueueBackend, WholeSlotBackend } from './defaults.js';
import type {
  Audit,
  ClaimRequest,
  EnqueueResult,
  ForeignClaims,
  Lease,
  LockSpec,
  MarkRequest,
  MarkerView,
  Markers,
  Queue,
  QueuedClaim,
  TakeResult,
} from './port.js';

/** What a backend shows of a key, and can continue a watch from. */
type View = Queue | MarkerView;

/** Translates between the keys of the user and the keys on the server. */
class Names {
  readonly #prefix: string;
  /**
   * Original views by translated view. A backend continues a watch from a view of its own, which it recognizes by
   * identity.
   */
  readonly #outer = new WeakMap<View, View>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  out(key: string): string {
    return this.#prefix + key;
  }

  lease(lease: Lease): Lease {
    return lease.key === undefined ? lease : { ...lease, key: this.out(lease.key) };
  }

  claim(claim: ClaimRequest): ClaimRequest {
    return { ...claim, key: this.out(claim.key), lease: this.lease(claim.lease) };
  }

  claims(claims: readonly ClaimRequest[]): readonly ClaimRequest[] {
    return claims.map((claim) => this.claim(claim));
  }

  inner<V extends View>(view: V): V {
    const inner = { ...view, key: view.key.slice(this.#prefix.length) };
    this.#outer.set(inner, view);
    return inner;
  }

  outer<V extends View>(view: V): V {
    // What was given out for a view is of its kind.
    return (this.#outer.get(view) as V | undefined) ?? { ...view, key: this.out(view.key) };
  }

  enqueued(answer: EnqueueResult): EnqueueResult {
    switch (answer.status) {
      case 'queued':
        return {
          ...answer,
          entries: answer.entries.map(({ claim, queue }) => ({ claim, queue: queue && this.inner(queue) })),
        };
      case 'refused':
        return { ...answer, queues: answer.queues.map((queue) => this.inner(queue)) };
      case 'lease-gone':
        return answer;
    }
  }
}

export function prefixed(
  backend: WholeQueueBackend | WholeSlotBackend,
  prefix: string,
): WholeQueueBackend | WholeSlotBackend {
  const names = new Names(prefix);
  return 'take' in backend ? prefixedSlots(backend, names) : prefixedQueues(backend, names);
}

function prefixedQueues(backend: WholeQueueBackend, names: Names): WholeQueueBackend {
  // Bound, since the backend may be an instance of a class.
  const ownProclaim = backend.proclaim?.bind(backend);
  const ownQueues = backend.queues?.bind(backend);
  const ownKeep = backend.keep?.bind(backend);
  const ownWorker = backend.renewalWorker?.bind(backend);
  const inner = (queue: Queue): Queue => names.inner(queue);

  return present({
    ...common(backend, names),
    maxClaims: backend.maxClaims,
    near: backend.near,
    grant: (lease, timeout) => backend.grant(names.lease(lease), timeout),
    renew: (lease, timeout) => backend.renew(names.lease(lease), timeout),
    renewalWorker: ownWorker && ((lease, plan) => ownWorker(names.lease(lease), plan)),
    revoke: (lease, timeout) => backend.revoke(names.lease(lease), timeout),
    enqueue: (claims, timeout, mode) =>
      backend.enqueue(names.claims(claims), timeout, mode).pipe(map((answer) => names.enqueued(answer))),
    dequeue: (claims, queued, timeout, successor) => backend.dequeue(names.claims(claims), queued, timeout, successor),
    keep:
      ownKeep &&
      ((claims, queued, lease, timeout) => ownKeep(names.claims(claims), queued, names.lease(lease), timeout)),
    proclaim: ownProclaim && ((claim, mine, value, timeout) => ownProclaim(names.claim(claim), mine, value, timeout)),
    others: backend.others && prefixedOthers(backend.others, names),
    markers: backend.markers && prefixedMarkers(backend.markers, names),
    queues:
      ownQueues &&
      ((prefix, timeout) => ownQueues(names.out(prefix), timeout).pipe(map((queues) => queues.map(inner)))),
    audit: (lease, timeout) =>
      backend.audit(names.lease(lease), timeout).pipe(
        map(
          (isThere): Audit =>
            (key, claim) =>
              isThere(names.out(key), claim),
        ),
      ),
  });
}

const prefixedOthers = (others: ForeignClaims, names: Names): Complete<ForeignClaims> => ({
  ask: (key, claim, revocation, timeout) => others.ask(names.out(key), claim, revocation, timeout),
  remove: (key, claim, timeout) => others.remove(names.out(key), claim, timeout),
});

function prefixedMarkers(markers: Markers, names: Names): Complete<Markers> {
  const request = (asked: MarkRequest): MarkRequest => ({ ...asked, claim: names.claim(asked.claim) });
  return {
    read: (key, timeout) => markers.read(names.out(key), timeout).pipe(map((view) => names.inner(view))),
    follow: (key, timeout, from) =>
      markers.follow(names.out(key), timeout, from && names.outer(from)).pipe(map((view) => names.inner(view))),
    write: (asked, timeout) => markers.write(request(asked), timeout),
    withdraw: (asked, timeout) => markers.withdraw(request(asked), timeout),
  };
}

function prefixedSlots(backend: WholeSlotBackend, names: Names): WholeSlotBackend {
  const ownKeep = backend.keep?.bind(backend);
  const all: Complete<WholeSlotBackend> = {
    ...common(backend, names),
    grantedTtl: (asked) => backend.grantedTtl(asked),
    take: (claim, timeout) =>
      backend
        .take(names.claim(claim), timeout)
        .pipe(map((answer): TakeResult => ({ ...answer, queue: names.inner(answer.queue) }))),
    renew: (lease, timeout) => backend.renew(names.lease(lease), timeout),
    release: (claim, timeout) => backend.release(names.claim(claim), timeout),
    keep: ownKeep && ((claim, ms, timeout) => ownKeep(names.claim(claim), ms, timeout)),
    markers: backend.markers && prefixedMarkers(backend.markers, names),
  };
  const { keep, markers, ...always } = all;
  return { ...always, ...(keep && { keep }), ...(markers && { markers }) };
}

/** The verbs of both ports. */
const common = (backend: WholeQueueBackend | WholeSlotBackend, names: Names) => ({
  name: backend.name,
  notes: backend.notes,
  objection: (spec: LockSpec) => backend.objection({ ...spec, key: names.out(spec.key) }),
  queue: (key: string, timeout: number, from?: Queue, until?: QueuedClaim): Observable<Queue> =>
    backend.queue(names.out(key), timeout, from && names.outer(from), until).pipe(map((queue) => names.inner(queue))),
  probe: (timeout: number) => backend.probe(timeout),
  close: () => backend.close(),
});

/** The claim of a held lock at one of its keys. */
export interface ServerClaim {
  /** The key on the server. */
  readonly key: string;
  /** What it is called in the queue; `undefined` if that is not known. */
  readonly id: string | undefined;
}

/** A property of the held lock, since the backend may be of another copy of the package (import and require). */
export const SERVER_CLAIMS = Symbol.for('rxlock.serverClaims');

/** The claims of a held lock on the server. */
export const serverClaimsOf = (held: HeldLock): readonly ServerClaim[] => {
  const found: unknown = Reflect.get(held, SERVER_CLAIMS);
  return areClaims(found) ? found : held.keys.map((key) => ({ key, id: undefined }));
};

const areClaims = (found: unknown): found is readonly ServerClaim[] =>
  Array.isArray(found) && found.every((one: unknown) => typeof one === 'object' && one !== null && 'key' in one);
