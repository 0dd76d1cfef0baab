/**
 * The order of the contenders of one `Locks` that want the slot of a key. Only the first one asks the server.
 */
import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';

/** The turn of a contender among those of its `Locks`. */
export interface LocalTurn {
  /** Whether no other contender is before it. */
  isFirst(): boolean;
  /** Emits when the contenders before it have left. */
  readonly first$: Observable<void>;
  /** Leaves; the next contender becomes the first. */
  leave(): void;
}

export interface LocalQueue {
  /** Adds a contender behind those that want the key. */
  join(key: string): LocalTurn;
}

export function createLocalQueue(): LocalQueue {
  const ranks = new Map<string, Set<Subject<void>>>();
  const firstOf = (key: string): Subject<void> | undefined => ranks.get(key)?.values().next().value;

  return {
    join(key) {
      const mine = new Subject<void>();
      ranks.set(key, (ranks.get(key) ?? new Set()).add(mine));
      const isFirst = (): boolean => firstOf(key) === mine;
      return {
        isFirst,
        first$: mine,
        leave() {
          const wasFirst = isFirst();
          const all = ranks.get(key);
          if (!all?.delete(mine)) return;
          if (all.size === 0) ranks.delete(key);
          if (wasFirst) firstOf(key)?.next();
        },
      };
    },
  };
}
