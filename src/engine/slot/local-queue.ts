/**
 * Who came first, of those in one `Locks` who want the one place of a key: the others need not ask the server.
 */
import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';

/** A contender among those of its `Locks`. */
export interface LocalTurn {
  /** Whether nobody is before it. */
  isFirst(): boolean;
  /** Emits when those before it are gone. */
  readonly first$: Observable<void>;
  /** Makes room for the next. */
  leave(): void;
}

export interface LocalQueue {
  /** At the end of those who want the key. */
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
