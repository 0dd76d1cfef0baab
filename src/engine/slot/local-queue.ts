/**
 * The order of the contenders of one `Locks` that want the slot of a key. Only the first one asks the server.
 */
import { Subject } from 'rxjs';
import type { Observable } from 'rxjs';

/** The turn of a contender among those of its `Locks`. */
export interface LocalTurn {
  /** Whether no other contender is before it. */
  isFirst(): boolean;
  /** Emits when the contenders before it have left. `true`: it was handed the slot, so it may try at once. */
  readonly first$: Observable<boolean>;
  /** Leaves; the next contender becomes the first. `isFree`: this one held the slot and has given it back. */
  leave(isFree: boolean): void;
}

export interface LocalQueue {
  /** Adds a contender behind those that want the key. */
  join(key: string): LocalTurn;
}

/**
 * While a process hands the slot on to itself, other processes hardly ever find it free: they hear of each release
 * later. After so many times the next contender pauses as they do.
 */
const MAX_HAND_OFFS = 16;

/** The contenders for one key, in order. */
class KeyTurns {
  readonly #turns = new Set<Subject<boolean>>();
  #handOffs = 0;

  get isEmpty(): boolean {
    return this.#turns.size === 0;
  }

  first(): Subject<boolean> | undefined {
    return this.#turns.values().next().value;
  }

  add(turn: Subject<boolean>): void {
    this.#turns.add(turn);
  }

  leave(turn: Subject<boolean>, isFree: boolean): void {
    const wasFirst = this.first() === turn;
    if (!this.#turns.delete(turn) || !wasFirst) return;
    this.#handOffs = isFree && this.#handOffs < MAX_HAND_OFFS ? this.#handOffs + 1 : 0;
    this.first()?.next(this.#handOffs > 0);
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
        isFirst: () => turns.first() === mine,
        first$: mine,
        leave(isFree) {
          turns.leave(mine, isFree);
          if (turns.isEmpty && keys.get(key) === turns) keys.delete(key);
        },
      };
    },
  };
}
