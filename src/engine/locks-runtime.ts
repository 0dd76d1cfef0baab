/**
 * The {@link Runtime} of a `Locks`, with everything that its contenders share. One object with two types: the parts
 * that are added here are themselves made with the `Runtime`.
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
  /** The order of tries, where a key has one slot; `undefined` where the server has queues. */
  readonly localQueue: LocalQueue | undefined;
  /** All contenders and holders, to be ended by a close. */
  readonly contenders: Contenders;
  /** The holds whose bodies are on the call stack. */
  readonly bodies: Bodies;
  /** Whether the `Locks` is being closed or drained: new contenders are refused. */
  isClosing(): boolean;
  /** Whether the `Locks` is being closed: then the end of its lease deletes all claims. */
  isClosed(): boolean;
  /** A claim id that no other claim of this `Locks` has. */
  nextClaimId(): string;
}
