/**
 * A set that mostly has one member or none, in the order of joining. A `Set` takes 200 bytes even then, and each claim
 * is in several.
 */
export class Few<T extends object> implements Iterable<T> {
  #only: T | undefined;
  /** All of them, once there were two. */
  #all: Set<T> | undefined;

  get size(): number {
    return this.#all?.size ?? (this.#only ? 1 : 0);
  }

  add(member: T): void {
    if (this.#all) this.#all.add(member);
    else if (!this.#only) this.#only = member;
    else if (this.#only !== member) {
      this.#all = new Set([this.#only, member]);
      this.#only = undefined;
    }
  }

  /** Returns whether it was a member. */
  delete(member: T): boolean {
    if (this.#all) return this.#all.delete(member);
    if (this.#only !== member) return false;
    this.#only = undefined;
    return true;
  }

  /** Members may be deleted meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return (this.#all ?? (this.#only ? [this.#only] : NONE))[Symbol.iterator]();
  }
}

const NONE: readonly never[] = [];
