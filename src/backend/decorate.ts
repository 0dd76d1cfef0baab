/**
 * Wraps a backend: in a network that fails, a process that stands still, a recorder.
 */
import type { Observable } from 'rxjs';
import { checkedBackend, checkedFunction } from '../api/shapes.js';
import { queueDefaults, slotDefaults } from './defaults.js';
import type { WholeQueueBackend, WholeSlotBackend } from './defaults.js';
import type { ForeignClaims, LockBackend, Markers, QueueBackend, SlotBackend } from './port.js';

type Verb = (...args: never[]) => Observable<unknown>;

/** The verbs that emit more than once; all others answer once. */
type Stream = 'queue' | 'queues' | 'follow';

type VerbsOf<Group> = { [K in keyof Group & string]-?: NonNullable<Group[K]> extends Verb ? K : never }[keyof Group &
  string];

type ArgsOf<Method> = NonNullable<Method> extends (...args: infer Args) => unknown ? Args : never;

type CallsOf<Group, Path extends string = ''> = {
  readonly [K in VerbsOf<Group>]: {
    /** The name in the port; for a verb of a group, with the name of the group: `others.ask`. */
    readonly verb: `${Path}${K}`;
    /** Whether it emits more than once. */
    readonly isStream: K extends Stream ? true : false;
    readonly args: ArgsOf<Group[K]>;
  };
}[VerbsOf<Group>];

/** A call of a verb of the port. */
export type BackendCall =
  CallsOf<QueueBackend> | CallsOf<SlotBackend> | CallsOf<ForeignClaims, 'others.'> | CallsOf<Markers, 'markers.'>;

/**
 * Returns what the caller gets instead of `source$`, the stream of the backend. Subscribing to `source$` sends the
 * request.
 */
export type Wrap = <T>(source$: Observable<T>, call: BackendCall) => Observable<T>;

/**
 * All verbs of a group, optional ones included: so the compiler reports a new verb of the port that is not wrapped yet.
 */
export type Complete<Group> = { readonly [K in keyof Required<Group>]: Group[K] };

/**
 * The backend, with each call of each verb passed through `wrap`.
 *
 * @example
 * const log = (what: string): void => console.log(what);
 * const told = decorate(memoryBackend(), (source$, { verb }) => {
 *   log(verb);
 *   return source$;
 * });
 */
export function decorate(backend: QueueBackend, wrap: Wrap): WholeQueueBackend;
export function decorate(backend: SlotBackend, wrap: Wrap): WholeSlotBackend;
export function decorate(backend: LockBackend, wrap: Wrap): WholeQueueBackend | WholeSlotBackend;
export function decorate(backend: LockBackend, wrap: Wrap): WholeQueueBackend | WholeSlotBackend {
  checkedBackend(backend);
  checkedFunction('wrap', wrap, 'give a function from an answer to an answer.');
  return 'take' in backend ? decoratedSlots(backend, wrap) : decoratedQueues(backend, wrap);
}

/** The backend, with defaults for the verbs that it left out: the backend itself, if it left out nothing. */
export function whole(backend: LockBackend): WholeQueueBackend | WholeSlotBackend {
  return isWhole(backend) ? backend : decorate(backend, (answer$) => answer$);
}

const isWhole = (backend: LockBackend): backend is WholeQueueBackend | WholeSlotBackend =>
  Object.keys('take' in backend ? slotDefaults(backend) : queueDefaults(backend)).every((verb) => verb in backend);

function decoratedQueues(backend: QueueBackend, wrap: Wrap): WholeQueueBackend {
  const { audit, probe, ...defaults } = queueDefaults(backend);
  // Bound, since the backend may be an instance of a class.
  const ownProclaim = backend.proclaim?.bind(backend);
  const ownQueues = backend.queues?.bind(backend);
  const ownKeep = backend.keep?.bind(backend);
  const ownWorker = backend.renewalWorker?.bind(backend);

  return present({
    ...defaults,
    renewalWorker: ownWorker,
    name: backend.name,
    grant: (...args) => wrap(backend.grant(...args), { verb: 'grant', isStream: false, args }),
    renew: (...args) => wrap(backend.renew(...args), { verb: 'renew', isStream: false, args }),
    revoke: (...args) => wrap(backend.revoke(...args), { verb: 'revoke', isStream: false, args }),
    enqueue: (...args) => wrap(backend.enqueue(...args), { verb: 'enqueue', isStream: false, args }),
    dequeue: (...args) => wrap(backend.dequeue(...args), { verb: 'dequeue', isStream: false, args }),
    keep: ownKeep && ((...args) => wrap(ownKeep(...args), { verb: 'keep', isStream: false, args })),
    proclaim: ownProclaim && ((...args) => wrap(ownProclaim(...args), { verb: 'proclaim', isStream: false, args })),
    others: backend.others && decoratedOthers(backend.others, wrap),
    markers: backend.markers && decoratedMarkers(backend.markers, wrap),
    queue: (...args) => wrap(backend.queue(...args), { verb: 'queue', isStream: true, args }),
    queues: ownQueues && ((...args) => wrap(ownQueues(...args), { verb: 'queues', isStream: true, args })),
    probe: (...args) => wrap(probe(...args), { verb: 'probe', isStream: false, args }),
    audit: (...args) => wrap(audit(...args), { verb: 'audit', isStream: false, args }),
  });
}

/** A verb that the backend does not have must not be a property. */
export function present(all: Complete<WholeQueueBackend>): WholeQueueBackend {
  const { keep, proclaim, queues, others, markers, renewalWorker, ...always } = all;
  return {
    ...always,
    ...(renewalWorker && { renewalWorker }),
    ...(keep && { keep }),
    ...(proclaim && { proclaim }),
    ...(queues && { queues }),
    ...(others && { others }),
    ...(markers && { markers }),
  };
}

const decoratedOthers = (others: ForeignClaims, wrap: Wrap): Complete<ForeignClaims> => ({
  ask: (...args) => wrap(others.ask(...args), { verb: 'others.ask', isStream: false, args }),
  remove: (...args) => wrap(others.remove(...args), { verb: 'others.remove', isStream: false, args }),
});

const decoratedMarkers = (markers: Markers, wrap: Wrap): Complete<Markers> => ({
  read: (...args) => wrap(markers.read(...args), { verb: 'markers.read', isStream: false, args }),
  follow: (...args) => wrap(markers.follow(...args), { verb: 'markers.follow', isStream: true, args }),
  write: (...args) => wrap(markers.write(...args), { verb: 'markers.write', isStream: false, args }),
  withdraw: (...args) => wrap(markers.withdraw(...args), { verb: 'markers.withdraw', isStream: false, args }),
});

function decoratedSlots(backend: SlotBackend, wrap: Wrap): WholeSlotBackend {
  const ownKeep = backend.keep?.bind(backend);
  const { probe, ...defaults } = slotDefaults(backend);
  const all: Complete<WholeSlotBackend> = {
    ...defaults,
    name: backend.name,
    grantedTtl: (asked) => backend.grantedTtl(asked),
    take: (...args) => wrap(backend.take(...args), { verb: 'take', isStream: false, args }),
    renew: (...args) => wrap(backend.renew(...args), { verb: 'renew', isStream: false, args }),
    release: (...args) => wrap(backend.release(...args), { verb: 'release', isStream: false, args }),
    keep: ownKeep && ((...args) => wrap(ownKeep(...args), { verb: 'keep', isStream: false, args })),
    markers: backend.markers && decoratedMarkers(backend.markers, wrap),
    queue: (...args) => wrap(backend.queue(...args), { verb: 'queue', isStream: true, args }),
    probe: (...args) => wrap(probe(...args), { verb: 'probe', isStream: false, args }),
  };
  const { keep, markers, ...always } = all;
  return { ...always, ...(keep && { keep }), ...(markers && { markers }) };
}
