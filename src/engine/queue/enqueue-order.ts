/**
 * The order in which the claims of one `Locks` are sent.
 *
 * Claims of one name that are under way together reach etcd in any order, so their revisions say nothing about the
 * order of their contenders. Claims that ask for the same may still travel together: they are interchangeable, and the
 * oldest contender takes the claim that is first in the queue (subscription-order.ts). Claims that differ in kind,
 * permits, meta or value are sent one after another. So is a try, whose answer must include all earlier claims.
 */
import { Few } from './few.js';

/** A claim that wants to be sent. */
export interface Enqueuer {
  readonly keys: readonly string[];
  /** What it asks for; `undefined` for a try, which travels alone. */
  readonly shape: string | undefined;
  /** The claim may be sent now. */
  admitted(): void;
}

export interface EnqueueOrder {
  /** Admits the claim at once, or when the claims before it have been answered. */
  join(enqueuer: Enqueuer): void;
  /** The claim was answered, or is no longer wanted. */
  leave(enqueuer: Enqueuer): void;
}

/** The claims of one key that want to be sent. */
interface Lane {
  readonly admitted: Few<Enqueuer>;
  readonly waiting: Few<Enqueuer>;
  /** The shape of the admitted claims. */
  shape: string | undefined;
}

export function createEnqueueOrder(): EnqueueOrder {
  const lanes = new Map<string, Lane>();
  /** The number of keys at which a claim still waits. */
  const blockedAt = new Map<Enqueuer, number>();

  const admits = ({ admitted, shape }: Lane, enqueuer: Enqueuer): boolean =>
    admitted.size === 0 || (shape !== undefined && shape === enqueuer.shape);

  const admit = (lane: Lane, enqueuer: Enqueuer): void => {
    lane.shape = enqueuer.shape;
    lane.admitted.add(enqueuer);
  };

  const unblock = (enqueuer: Enqueuer): void => {
    const blocked = blockedAt.get(enqueuer);
    // A claim that was admitted before it may have ended it: the user of a try that is refused at once.
    if (blocked === undefined) return;
    if (blocked > 1) return void blockedAt.set(enqueuer, blocked - 1);
    blockedAt.delete(enqueuer);
    enqueuer.admitted();
  };

  return {
    join(enqueuer) {
      let blocked = 0;
      for (const key of enqueuer.keys) {
        let lane = lanes.get(key);
        if (!lane) lanes.set(key, (lane = { admitted: new Few(), waiting: new Few(), shape: undefined }));
        if (lane.waiting.size === 0 && admits(lane, enqueuer)) {
          admit(lane, enqueuer);
        } else {
          lane.waiting.add(enqueuer);
          blocked += 1;
        }
      }
      if (blocked > 0) blockedAt.set(enqueuer, blocked);
      else enqueuer.admitted();
    },

    leave(enqueuer) {
      blockedAt.delete(enqueuer);
      const unblocked: Enqueuer[] = [];
      for (const key of enqueuer.keys) {
        const lane = lanes.get(key);
        if (!lane) continue;
        lane.admitted.delete(enqueuer);
        lane.waiting.delete(enqueuer);
        for (const next of lane.waiting) {
          if (!admits(lane, next)) break;
          lane.waiting.delete(next);
          admit(lane, next);
          unblocked.push(next);
        }
        if (lane.admitted.size === 0) lanes.delete(key);
      }
      for (const next of unblocked) unblock(next);
    },
  };
}
