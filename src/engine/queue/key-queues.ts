/**
 * The queues of one `Locks`, by key.
 */
import { EMPTY, defer } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Queue } from '../../backend/port.js';
import type { Runtime } from '../runtime.js';
import { KeyQueue } from './key-queue.js';
import type { KeyQueueOwner, View } from './key-queue.js';
import type { AuditedClaim, Resync } from './resync.js';

export interface KeyQueues {
  /** The queue of the key; made if there is none. */
  at(key: string): KeyQueue;
  /** Our claims that hold at the key. */
  holdersAt(key: string): readonly AuditedClaim[];
  /** The views of the queue of a key, watched while subscribed; with `from`, from a view on that an answer has just shown. */
  view$(key: string, fresh?: boolean, from?: Queue): Observable<View>;
  /** Ends all watches, for good. */
  stop(): void;
}

export function createKeyQueues(runtime: Runtime, resync: Resync): KeyQueues {
  const queues = new Map<string, KeyQueue>();
  let isStopped = false;

  const owner: KeyQueueOwner = {
    followed: (queue) => resync.add(queue),
    empty: (queue) => queues.delete(queue.key),
  };

  const queueAt = (key: string): KeyQueue => {
    const there = queues.get(key);
    if (there) return there;
    const queue = new KeyQueue(runtime, key, owner);
    queues.set(key, queue);
    return queue;
  };

  return {
    at: queueAt,
    holdersAt: (key) => queues.get(key)?.holders() ?? [],
    view$: (key, fresh = false, from) => defer(() => (isStopped ? EMPTY : queueAt(key).view$(fresh, from))),
    stop() {
      isStopped = true;
      for (const queue of [...queues.values()]) queue.stop();
    },
  };
}
