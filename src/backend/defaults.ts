/**
 * The defaults for verbs that a backend left out.
 *
 * | left out    | then                                                                                                |
 * | ----------- | --------------------------------------------------------------------------------------------------- |
 * | `notes`     | there are none                                                                                      |
 * | `objection` | a queue carries all kinds of lock, a slot mutexes only                                              |
 * | `probe`     | a server that went silent is noticed by the next reading of a queue: once in one to two ttl         |
 * | `audit`     | the queue of each holder is read again instead: once in one to two ttl                              |
 * | `maxClaims` | 1, so there is no `locks.all`                                                                       |
 * | `near`      | each client with a claim in a queue is told of each change of it                                    |
 * | `close`     | nothing is to be closed                                                                             |
 */
import { of } from 'rxjs';
import type { Observable } from 'rxjs';
import type { LockSpec } from './claims.js';
import type { LockServer } from './lock-server.js';
import type { Audit, QueueBackend } from './queue-backend.js';
import type { SlotBackend } from './slot-backend.js';

type OfBoth = 'notes' | 'objection' | 'probe' | 'close';
type OfQueues = OfBoth | 'maxClaims' | 'near' | 'audit';

/** A queue backend that left out nothing for which there is a default. */
export type WholeQueueBackend = QueueBackend & Required<Pick<QueueBackend, OfQueues>>;

/** A slot backend that left out nothing for which there is a default. */
export type WholeSlotBackend = SlotBackend & Required<Pick<SlotBackend, OfBoth>>;

const MUTEXES_ONLY = 'this server has one slot for each key: use mutex().';

const ofBoth = (backend: LockServer, objection: (spec: LockSpec) => string | undefined) => ({
  notes: backend.notes ?? [],
  objection: (spec: LockSpec) => (backend.objection ? backend.objection(spec) : objection(spec)),
  probe: (timeout: number): Observable<void> => backend.probe?.(timeout) ?? of(undefined),
  close: () => backend.close?.(),
});

export const queueDefaults = (backend: QueueBackend): Required<Pick<QueueBackend, OfQueues>> => ({
  ...ofBoth(backend, () => undefined),
  maxClaims: backend.maxClaims ?? 1,
  near: backend.near ?? Infinity,
  audit: (lease, timeout) => backend.audit?.(lease, timeout) ?? of<Audit>(() => false),
});

export const slotDefaults = (backend: SlotBackend): Required<Pick<SlotBackend, OfBoth>> =>
  ofBoth(backend, ({ kind, value }) => (kind === 'mutex' && value === undefined ? undefined : MUTEXES_ONLY));
