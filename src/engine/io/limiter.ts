/**
 * Limits how many requests are under way at a time. The others wait here, first come, first served. Their timeouts
 * start when they are sent.
 */
export interface LimitedJob {
  /** The request may be sent. */
  admitted(): void;
}

export interface Limiter {
  /** Admits the job at once or later, unless it leaves before. */
  enter(visitor: LimitedJob): void;
  leave(visitor: LimitedJob): void;
}

export function createLimiter(most: number): Limiter {
  const waiting = new Set<LimitedJob>();
  const inside = new Set<LimitedJob>();
  let isOpening = false;

  /** A loop and not a recursion: an admitted job may be answered, and leave, at once. */
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
