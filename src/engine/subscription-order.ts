/**
 * The contenders of one `Locks` that ask for the same, in the order of their subscription. They are served in that
 * order, even if their claims reached the server in another.
 */
import { Few } from './queue/few.js';

export interface SubscriptionOrder<Contender> {
  /** Adds the contender behind those that ask for the same. */
  join(shape: string, contender: Contender): void;
  leave(shape: string, contender: Contender): void;
  /** The contenders that wait for it, the oldest subscription first. */
  waiting(shape: string): Iterable<Contender>;
}

export function createSubscriptionOrder<Contender extends object>(): SubscriptionOrder<Contender> {
  const byShape = new Map<string, Few<Contender>>();
  return {
    join(shape, contender) {
      let all = byShape.get(shape);
      if (!all) byShape.set(shape, (all = new Few()));
      all.add(contender);
    },
    leave(shape, contender) {
      const all = byShape.get(shape);
      if (all?.delete(contender) && all.size === 0) byShape.delete(shape);
    },
    waiting: (shape) => byShape.get(shape) ?? [],
  };
}
