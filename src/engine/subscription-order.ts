/**
 * Who subscribed first, of the contenders of one `Locks` that ask for the same: served in that order, whatever the
 * order in which their claims came in at the server.
 */

export interface SubscriptionOrder<Contender> {
  /** At the end of those who ask for the same. */
  join(shape: string, contender: Contender): void;
  leave(shape: string, contender: Contender): void;
  /** Those who still wait for it, the oldest subscription first. */
  waiting(shape: string): Iterable<Contender>;
}

export function createSubscriptionOrder<Contender>(): SubscriptionOrder<Contender> {
  const byShape = new Map<string, Set<Contender>>();
  return {
    join(shape, contender) {
      const others = byShape.get(shape);
      if (others) others.add(contender);
      else byShape.set(shape, new Set([contender]));
    },
    leave(shape, contender) {
      const all = byShape.get(shape);
      if (all?.delete(contender) && all.size === 0) byShape.delete(shape);
    },
    waiting: (shape) => byShape.get(shape) ?? [],
  };
}
