/**
 * Which holds are being worked under at the moment, in this very call: what is contended for there is nested in them.
 * Only for what a user is told. No `AsyncLocalStorage`, which would cost every promise of the process (Node 20), so what
 * a body does after its first `await` is not seen.
 */
import type { Hold } from './hold.js';

/** A hold, and those outside of it. */
export interface Nesting {
  readonly hold: Hold;
  readonly outer: Nesting | undefined;
}

export interface Bodies {
  /** Of the call that is running. */
  readonly current: Nesting | undefined;
  /** Calls the body as one under the hold. */
  run<T>(hold: Hold, body: () => T): T;
  /** Whether it is asked for the first time: what cannot be told for certain is told once. */
  isFirstNote(): boolean;
}

export function createBodies(): Bodies {
  let current: Nesting | undefined;
  let isNoted = false;
  return {
    isFirstNote() {
      const isFirst = !isNoted;
      isNoted = true;
      return isFirst;
    },
    get current() {
      return current;
    },
    run(hold, body) {
      const outer = current;
      current = { hold, outer };
      try {
        return body();
      } finally {
        current = outer;
      }
    },
  };
}

/** Whether all who are in the way are the holds that it is nested in: then it waits for itself. */
export function waitsForItself(
  nesting: Nesting | undefined,
  keys: readonly string[],
  inTheWay: readonly { readonly fencingToken: bigint }[],
): boolean {
  const tokens = new Set<bigint>();
  for (let at = nesting; at; at = at.outer) {
    const { hold } = at;
    if (!hold.isOver && hold.keys().some((key) => keys.includes(key))) tokens.add(hold.held.fencingToken);
  }
  return tokens.size > 0 && inTheWay.length > 0 && inTheWay.every(({ fencingToken }) => tokens.has(fencingToken));
}
