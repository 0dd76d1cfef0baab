/**
 * The contenders of one `Locks` for the one place of a key, in the order of their coming: only the first asks the server.
 */
import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';

/** A contender among those of its `Locks`. */
export interface LocalTurn {
  /** Whether nobody is before it. */
  isFirst(): boolean;
  /** Emits when those before it are gone: whether the place was handed to it, so that it may try at once. */
  readonly first$: Observable<boolean>;
  /** Makes room for the next. `isFree`: it held the place, and has given it back. */
  leave(isFree: boolean): void;
}

export interface LocalQueue {
  /** At the end of those who want the key. */
  join(key: string): LocalTurn;
}

/**
 * A place that is handed on within a process is hardly ever free for other processes, which hear of it later. After so
 * many times the next one waits as long as they do.
 */
const MAX_HAND_OFFS = 16;

/** The contenders for one key. */
class KeyTurns {
  readonly #turns = new Set<Subject<boolean>>();
  #handOffs = 0;

  get isEmpty(): boolean {
    return this.#turns.size === 0;
  }

  get first(): Subject<boolean> | undefined {
    return this.#turns.values().next().value;
  }

  add(turn: Subject<boolean>): void {
    this.#turns.add(turn);
  }

  leave(turn: Subject<boolean>, isFree: boolean): void {
    const wasFirst = this.first === turn;
    if (!this.#turns.delete(turn) || !wasFirst) return;
    this.#handOffs = isFree && this.#handOffs < MAX_HAND_OFFS ? this.#handOffs + 1 : 0;
    this.first?.next(this.#handOffs > 0);
  }
}

export function createLocalQueue(): LocalQueue {
  const keys = new Map<string, KeyTurns>();

  return {
    join(key) {
      const mine = new Subject<boolean>();
      const turns = keys.get(key) ?? new KeyTurns();
      keys.set(key, turns);
      turns.add(mine);
      return {
        isFirst: () => turns.first === mine,
        first$: mine,
        leave(isFree) {
          turns.leave(mine, isFree);
          if (turns.isEmpty && keys.get(key) === turns) keys.delete(key);
        },
      };
    },
  };
}
