/**
 * Lets a number of requests be under way at a time. The others wait for their turn here, in the order of their coming:
 * what has not been sent has not gone unanswered, so its time has not begun.
 */
export interface LimitedJob {
  /** It is its turn. */
  admitted(): void;
}

export interface Limiter {
  /** Admits the visitor, at once or later, unless it leaves before. */
  enter(visitor: LimitedJob): void;
  leave(visitor: LimitedJob): void;
}

export function createLimiter(most: number): Limiter {
  const waiting = new Set<LimitedJob>();
  const inside = new Set<LimitedJob>();
  let isOpening = false;

  /** In a loop: who is admitted may be answered and leave at once. */
  const letIn = (): void => {
    if (isOpening) return;
    isOpening = true;
    try {
      for (const next of waiting) {
        if (inside.size >= most) break;
        waiting.delete(next);
        inside.add(next);
        next.admitted();
      }
    } finally {
      isOpening = false;
    }
  };

  return {
    enter(visitor) {
      waiting.add(visitor);
      letIn();
    },
    leave(visitor) {
      if (!waiting.delete(visitor) && inside.delete(visitor)) letIn();
    },
  };
}
