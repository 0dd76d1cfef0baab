/**
 * The two ports. A lock server implements one of them for the engine.
 *
 * | file             | holds                                                                     |
 * | ---------------- | ------------------------------------------------------------------------- |
 * | claims.ts        | the words: lease, claim, queue                                            |
 * | lock-server.ts   | what both ports have                                                      |
 * | queue-backend.ts | the port to a server with leases and queues                               |
 * | slot-backend.ts  | the port to a server with one slot for each key                           |
 * | renewal-worker.ts | a thread that renews for one that is blocked                            |
 * | markers.ts       | what can be kept beside a queue                                           |
 * | defaults.ts      | what stands in for a verb that a backend left out                         |
 *
 * Each verb is a cold Observable of ONE attempt. It emits its answer once and completes, or errors with a BackendError;
 * unsubscribing cancels it. A backend has no retry, no timer, no policy: those are the engine's. (`queue`, `queues` and
 * `markers.follow` go on.) They are Observables and not Promises because a Promise cannot be tested in virtual time.
 */
import type { QueueBackend } from './queue-backend.js';
import type { SlotBackend } from './slot-backend.js';

export type * from './claims.js';
export type * from './lock-server.js';
export type * from './markers.js';
export type * from './queue-backend.js';
export type * from './renewal-worker.js';
export type * from './slot-backend.js';

/** What `createLocks` takes. */
export type LockBackend = QueueBackend | SlotBackend;
