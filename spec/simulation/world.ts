/**
 * Virtual time with no machine in it: events in the order of their instants, equal ones in the order of their making.
 */
export interface World {
  now(): number;
  at(instant: number, event: () => void): void;
  /** Runs what is due up to the instant, and stands there. */
  runUntil(instant: number): void;
}

interface Due {
  readonly instant: number;
  readonly order: number;
  readonly event: () => void;
}

const before = (a: Due, b: Due): boolean => a.instant < b.instant || (a.instant === b.instant && a.order < b.order);

export function createWorld(): World {
  const heap: Due[] = [];
  let now = 0;
  let made = 0;

  const swap = (a: number, b: number): void => {
    const [x, y] = [heap[a], heap[b]];
    if (!x || !y) throw new Error('out of the heap');
    heap[a] = y;
    heap[b] = x;
  };
  const less = (a: number, b: number): boolean => {
    const [x, y] = [heap[a], heap[b]];
    return x !== undefined && y !== undefined && before(x, y);
  };

  const push = (due: Due): void => {
    heap.push(due);
    for (let child = heap.length - 1; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!less(child, parent)) return;
      swap(child, parent);
      child = parent;
    }
  };

  const pop = (): Due | undefined => {
    if (heap.length < 2) return heap.pop();
    swap(0, heap.length - 1);
    const first = heap.pop();
    for (let parent = 0; ;) {
      const [left, right] = [2 * parent + 1, 2 * parent + 2];
      const least = less(right, left) ? right : left;
      if (!less(least, parent)) return first;
      swap(least, parent);
      parent = least;
    }
  };

  return {
    now: () => now,
    at(instant, event) {
      push({ instant: Math.max(instant, now), order: made++, event });
    },
    runUntil(instant) {
      for (let next = heap[0]; next && next.instant <= instant; next = heap[0]) {
        pop();
        now = next.instant;
        next.event();
      }
      now = instant;
    },
  };
}
