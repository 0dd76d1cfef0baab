/**
 * What a client holds all along, so that its session never ends for want of locks: taken again after each loss.
 */
import { EMPTY, retry, timer } from 'rxjs';
import { LocksClosedError } from '../../src/index.js';
import type { HeldLock, Locks, Queue } from '../../src/index.js';
import { createMachine } from './machine.js';
import type { World } from './world.js';

export interface Anchor {
  readonly key: string;
  /** Whether its client was closed. */
  readonly isClosed: boolean;
  /** Whether it is held by who is first in its queue; of a client that was closed, whether nothing is left of it. */
  isSettled(queue: Queue): boolean;
}

/** @param isBesides whether it holds another key together with this one */
export function createAnchor(world: World, locks: Locks, key: string, isBesides: boolean): Anchor {
  const own = locks.mutex(key);
  const lock = isBesides ? locks.all(locks.mutex(`beside ${key}`), own) : own;
  const again$ = timer(50, createMachine(world, 1).scheduler);
  let held: HeldLock | undefined;
  let isClosed = false;
  lock
    .lock$()
    .pipe(retry({ delay: (error) => (error instanceof LocksClosedError ? EMPTY : again$) }))
    .subscribe({
      next: (state) => (held = state.status === 'held' ? state.held : undefined),
      complete: () => (isClosed = true),
    });

  return {
    key,
    get isClosed() {
      return isClosed;
    },
    isSettled({ claims: [first] }) {
      if (isClosed) return first === undefined;
      return held !== undefined && held.isHeld() && held.fencingToken === first?.token;
    },
  };
}
