/**
 * The lines of one `Locks`, by key.
 */
import { EMPTY, defer } from 'rxjs';
import type { Observable } from 'rxjs';
import type { EngineParts } from '../runtime.js';
import { KeyQueue } from './key-queue.js';
import type { KeyQueueOwner, View } from './key-queue.js';
import type { Resync } from './resync.js';

export interface KeyQueues {
  /** The line at the key, made when needed. */
  at(key: string): KeyQueue;
  /** The queue of a key, followed while subscribed. */
  view$(key: string): Observable<View>;
  /** Ends all watches, for good. */
  stop(): void;
}

export function createKeyQueues(engine: EngineParts, patrol: Resync): KeyQueues {
  const lines = new Map<string, KeyQueue>();
  let isStopped = false;

  const street: KeyQueueOwner = {
    followed: (line) => patrol.add(line),
    empty: (line) => lines.delete(line.key),
  };

  const lineAt = (key: string): KeyQueue => {
    const there = lines.get(key);
    if (there) return there;
    const line = new KeyQueue(engine, key, street);
    lines.set(key, line);
    return line;
  };

  return {
    at: lineAt,
    view$: (key) => defer(() => (isStopped ? EMPTY : lineAt(key).view$())),
    stop() {
      isStopped = true;
      for (const line of [...lines.values()]) line.stop();
    },
  };
}
