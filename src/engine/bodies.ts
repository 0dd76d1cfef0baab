/**
 * The holds whose bodies are on the call stack right now: a contender that subscribes there is nested in them. Used for
 * messages to users only. It does not use `AsyncLocalStorage`, which would slow down every promise of the process (Node
 * 20), so contenders after the first `await` of a body are not recognized as nested.
 */
import type { Hold } from './hold.js';

/** A hold, and the holds around it. */
export interface Nesting {
  readonly hold: Hold;
  readonly outer: Nesting | undefined;
}

export interface Bodies {
  /** The nesting of the running call. */
  readonly current: Nesting | undefined;
  /** Calls the body as code under the hold. */
  run<T>(hold: Hold, body: () => T): T;
  /** `true` at the first call: a note that may be a false alarm is reported once. */
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

/** Whether all claims in the way are those of the holds around it: then the contender waits for itself. */
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
  return inTheWay.length > 0 && inTheWay.every(({ fencingToken }) => tokens.has(fencingToken));
}
