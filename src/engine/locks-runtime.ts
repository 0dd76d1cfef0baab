/**
 * The {@link Runtime} of a `Locks` with all that its contenders share. It is one object: two types, since what is made
 * over a `Runtime` is part of this one.
 */
import type { Bodies } from './bodies.js';
import type { Contenders } from './contenders.js';
import type { EnqueueOrder } from './queue/enqueue-order.js';
import type { KeyQueues } from './queue/key-queues.js';
import type { Runtime } from './runtime.js';
import type { Sessions } from './sessions.js';
import type { LocalQueue } from './slot/local-queue.js';

export interface LocksRuntime extends Runtime {
  readonly sessions: Sessions;
  readonly queues: KeyQueues;
  readonly enqueueOrder: EnqueueOrder;
  /** Who tries first, where a key has one slot; nothing where the server queues. */
  readonly localQueue: LocalQueue | undefined;
  /** Who contends or holds, to be ended by a close. */
  readonly contenders: Contenders;
  /** Who is at work under which hold, in the call that is running. */
  readonly bodies: Bodies;
  /** Whether the `Locks` is being closed or drained: nobody new contends. */
  isClosing(): boolean;
  /** Whether the `Locks` is being closed: then the end of its lease takes all claims along. */
  isClosed(): boolean;
  /** A claim id that no other claim of this `Locks` has. */
  nextClaimId(): string;
}
