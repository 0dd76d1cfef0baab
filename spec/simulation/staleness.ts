/**
 * Who may believe to hold what was taken away, and cannot know it yet: nothing that it does is held against it.
 */
import type { HeldLock, QueuedClaim } from '../../src/index.js';
import type { SimServer } from './server.js';

export interface Staleness {
  /** It holds, or believes so; whether it was its turn. */
  began(held: HeldLock, isItsTurn: boolean): void;
  isStale(held: HeldLock): boolean;
  /** Whether a claim may have been taken away: by hand, or with all that a restored server has forgotten. */
  mayBeGone(key: string, token: bigint): boolean;
  /** A person is about to take out the claim. */
  takenOut(key: string, claim: QueuedClaim): void;
  /** Whether one of these was ever taken out of the queue, or may have been forgotten. */
  mayHaveLostPlace(owner: string, key: string): boolean;
}

/** @param ttl after which a restore is known to everybody: what was held then has expired */
export function createStaleness(server: SimServer, now: () => number, ttl: number): Staleness {
  const byHand = new Set<string>();
  const nameOf = (key: string, token: bigint): string => `${String(server.life)} ${key} ${String(token)}`;
  /** In which life of the server it began; nothing where it was not its turn even then. */
  const lives = new WeakMap<HeldLock, number>();

  const isUnsettled = (): boolean => now() < server.restoredAt + ttl;
  const mayBeGone = (key: string, token: bigint): boolean => isUnsettled() || byHand.has(nameOf(key, token));

  return {
    began: (held, isItsTurn) => void lives.set(held, isItsTurn || !isUnsettled() ? server.life : -1),
    isStale: (held) => {
      const { keys, owner, fencingToken } = held;
      if (isUnsettled() && (lives.get(held) ?? server.life) < server.life) return true;
      return keys.some((key) => {
        const isIt = (claim: QueuedClaim): boolean => claim.token === fencingToken && claim.owner === owner;
        return mayBeGone(key, fencingToken) && !server.queueNow(key).claims.some(isIt);
      });
    },
    mayBeGone,
    takenOut: (key, { token, owner }) => void byHand.add(nameOf(key, token)).add(`${key} of ${owner}`),
    // It may have to read the queue again before it knows.
    mayHaveLostPlace: (owner, key) => now() < server.restoredAt + 3 * ttl || byHand.has(`${key} of ${owner}`),
  };
}
