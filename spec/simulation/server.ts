/**
 * The lock server of a run: in memory, and able to be restored from a backup of some time ago, as etcd is.
 */
import { defer, filter, merge, of } from 'rxjs';
import type { Observable, Subscription } from 'rxjs';
import type { Complete } from '../../src/backend/decorate.js';
import type { ClaimRequest, EnqueueMode, MarkRequest, MarkerView } from '../../src/backend/port.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import type { Header } from '../../src/backends/etcd3/incarnation.js';
import type { WholeQueueBackend } from '../../src/backend/defaults.js';
import type { Lease, Queue, QueuedClaim } from '../../src/index.js';
import type { Revocation } from '../../src/index.js';
import { createMachine } from './machine.js';
import { createWorld } from './world.js';
import type { World } from './world.js';

export interface SimServer {
  /** What clients send their requests to. */
  readonly backend: Complete<Omit<WholeQueueBackend, 'renewalWorker'>> & WholeQueueBackend;
  queueNow(key: string): Queue;
  markerNow(key: string): MarkerView;
  /** What every answer begins with, and its life. */
  header(): Header & { readonly life: number };
  /** Whether the lease is there. Not to be asked in passing: it is renewed by that. */
  renews(lease: Lease): boolean;
  /** All leases that were ever granted. */
  readonly leases: readonly Lease[];
  /** A person takes a claim out. */
  remove(key: string, claim: QueuedClaim): void;
  /** As etcd does after a restart, it gives each lease a full ttl. */
  renewAll(): void;
  /** It is as it was so many milliseconds ago, and knows nothing of what came after. */
  restore(back: number, isOtherCluster: boolean): void;
  /** Whether the claim is of a session that its client has lost: the lease is revoked in the background. */
  isOfLostSession(claim: QueuedClaim): boolean;
  /** Whether the lease was revoked, and a restore brought it back: nobody can know that it is to be revoked again. */
  isBackAgain(lease: Lease): boolean;
  /** How many times it has been restored, and when last. */
  readonly life: number;
  readonly restoredAt: number;
}

/** A request that changed something, to be repeated. */
interface Entry {
  readonly instant: number;
  repeat(memory: WholeQueueBackend): void;
}

/** @param changed told of each queue that changes; of all of them, by themselves, after a restore */
export function createServer(world: World, isRestored: boolean, changed: (queue: Queue) => void): SimServer {
  const leases: Lease[] = [];
  const granted = new Set<string>();
  let log: Entry[] = [];
  let life = 0;
  let restoredAt = -Infinity;
  const revoked = new Set<string>();
  const backAgain = new Set<string>();
  let cluster = 1;

  /** A memory server on a timeline of its own: it relives what is logged, then goes on with the world. */
  const bring = (entries: readonly Entry[], until: number) => {
    const own = reliving(world);
    const memory = memoryBackend({ scheduler: createMachine(own, 1).scheduler });
    for (const entry of entries) own.past.at(entry.instant, () => entry.repeat(memory));
    own.past.runUntil(until);
    own.goOn();
    return { memory, own };
  };
  let { memory, own } = bring([], 0);
  let overseen: Subscription | undefined;
  const oversee = (): void => {
    overseen?.unsubscribe();
    overseen = memory.queues?.('', 0).subscribe((queues) => {
      for (const queue of queues) changed(queue);
    });
  };
  oversee();

  const now = <T>(ask: (memory: WholeQueueBackend) => Observable<T> | undefined): T => {
    const found: T[] = [];
    ask(memory)
      ?.subscribe((answer) => found.push(answer))
      .unsubscribe();
    const [first] = found;
    if (first === undefined) throw new Error('the memory server answers at once');
    return first;
  };
  const queueNow = (key: string): Queue => now((server) => server.queue(key, 0));
  const isThere = (lease: Lease): boolean => now((server) => server.renew(lease, 0)).status === 'renewed';

  /** The verb of the server that is there when the request arrives. */
  const verb =
    <Args extends readonly unknown[], T>(ask: (memory: WholeQueueBackend, ...args: Args) => Observable<T>) =>
    (...args: Args): Observable<T> =>
      defer(() => ask(memory, ...args));
  /** One that changes something. */
  const change =
    <Args extends readonly unknown[], T>(ask: (memory: WholeQueueBackend, ...args: Args) => Observable<T>) =>
    (...args: Args): Observable<T> =>
      defer(() => {
        if (isRestored) {
          const ignored = (): void => undefined;
          const repeat = (again: WholeQueueBackend): void =>
            void ask(again, ...args).subscribe({ next: ignored, error: ignored });
          log.push({ instant: own.now(), repeat });
        }
        return ask(memory, ...args);
      });

  const others = (server: WholeQueueBackend) => required(server.others);
  const markers = (server: WholeQueueBackend) => required(server.markers);
  type Queued = readonly QueuedClaim[];
  type Requests = readonly ClaimRequest[];

  const backend: SimServer['backend'] = {
    name: memory.name,
    notes: memory.notes,
    maxClaims: memory.maxClaims,
    near: Infinity,
    objection: (spec) => memory.objection(spec),
    close: () => undefined,
    grant: change((server, lease: Lease, ms: number) => {
      if (!granted.has(lease.id)) leases.push(lease);
      granted.add(lease.id);
      return server.grant(lease, ms);
    }),
    renew: change((server, lease: Lease, ms: number) => server.renew(lease, ms)),
    revoke: change((server, lease: Lease, ms: number) => {
      revoked.add(lease.id);
      return server.revoke(lease, ms);
    }),
    enqueue: change((server, claims: Requests, ms: number, mode: EnqueueMode) => server.enqueue(claims, ms, mode)),
    dequeue: change((server, claims: Requests, queued: Queued | undefined, ms: number, next?: QueuedClaim) =>
      server.dequeue(claims, queued, ms, next),
    ),
    keep: change((server, claims: Requests, queued: Queued, lease: Lease, ms: number) =>
      required(server.keep)(claims, queued, lease, ms),
    ),
    proclaim: change((server, claim: ClaimRequest, mine: QueuedClaim, value: string, ms: number) =>
      required(server.proclaim)(claim, mine, value, ms),
    ),
    others: {
      ask: change((server, key: string, claim: QueuedClaim, revocation: Revocation, ms: number) =>
        others(server).ask(key, claim, revocation, ms),
      ),
      remove: change((server, key: string, claim: QueuedClaim, ms: number) => others(server).remove(key, claim, ms)),
    },
    markers: {
      read: verb((server, key: string, ms: number) => markers(server).read(key, ms)),
      follow: verb((server, key: string, ms: number) => markers(server).follow(key, ms)),
      write: change((server, request: MarkRequest, ms: number) => markers(server).write(request, ms)),
      withdraw: change((server, request: MarkRequest, ms: number) => markers(server).withdraw(request, ms)),
    },
    // From a view it knows, etcd tells what came after the revision of that, however far away that is.
    queue: verb((server, key: string, ms: number, from?: Queue, until?: QueuedClaim) => {
      const queues$ = server.queue(key, ms, from, until);
      return from ? merge(of(from), queues$.pipe(filter(({ revision }) => revision > from.revision))) : queues$;
    }),
    queues: verb((server, prefix: string, ms: number) => required(server.queues)(prefix, ms)),
    probe: verb((server, ms: number) => server.probe(ms)),
    audit: verb((server, lease: Lease, ms: number) => server.audit(lease, ms)),
  };

  return {
    backend,
    queueNow,
    markerNow: (key) => now((server) => server.markers?.read(key, 0)),
    // It says nothing new unless the server is restored, and is asked for with each answer.
    header: () => {
      const revision = isRestored ? queueNow('').revision.toString() : '1';
      return { cluster_id: String(cluster), revision, life };
    },
    renews: isThere,
    leases,
    remove: (key, claim) => void backend.others?.remove(key, claim, 0).subscribe(),
    renewAll() {
      for (const lease of leases) backend.renew(lease, 0).subscribe();
    },
    restore(back, isOtherCluster) {
      const until = Math.max(0, own.now() - back);
      log = log.filter(({ instant }) => instant <= until);
      ({ memory, own } = bring(log, until));
      life += 1;
      restoredAt = world.now();
      if (isOtherCluster) cluster += 1;
      oversee();
      for (const id of revoked) backAgain.add(id);
    },
    isOfLostSession({ id, owner }) {
      const latest = leases.filter((lease) => lease.owner === owner).at(-1);
      return latest !== undefined && !id.startsWith(`${latest.id}-`);
    },
    isBackAgain: ({ id }) => backAgain.has(id),
    get life() {
      return life;
    },
    get restoredAt() {
      return restoredAt;
    },
  };
}

function required<T>(verb: T | undefined): T {
  if (verb === undefined) throw new Error('the memory server has all verbs');
  return verb;
}

/** Two timelines differ by the rounding of a subtraction: so much later, what is due is due on both. */
const ROUNDING = 1e-6;

/** Time that first runs through what was, by itself, and then goes on as the world's. */
function reliving(world: World): World & { readonly past: World; goOn(): void } {
  const past = createWorld();
  const due = new Map<() => void, number>();
  let behind: number | undefined;
  return {
    past,
    now: () => (behind === undefined ? past.now() : world.now() - behind),
    at(instant, event) {
      if (behind !== undefined) {
        world.at(instant + behind + ROUNDING, event);
        return;
      }
      const once = (): void => {
        if (due.delete(once)) event();
      };
      due.set(once, instant + ROUNDING);
      past.at(instant + ROUNDING, once);
    },
    runUntil: (instant) => past.runUntil(instant),
    goOn() {
      behind = world.now() - past.now();
      for (const [once, instant] of due) world.at(instant + behind, once);
    },
  };
}
