/**
 * What a waiter far from the head of its queue has to know. Pure.
 *
 * Each change of a queue is an event for every client that follows the whole queue: with many clients, most events tell
 * a client nothing that it can act on. Far from the head, a client therefore waits for one claim ahead of its own first
 * claim to leave, and reads the queue again then.
 *
 * ```text
 * queue   H  .  .  .  .  T  .  .  .  M        H: holds   M: our first claim   T: `near` places ahead of M
 *                        |<- near -->|        until T leaves or changes, nobody behind it holds
 * ```
 */
import type { QueuedClaim } from '../backend/port.js';
import { indexOf } from './place.js';

/**
 * The claim to wait for, where `mine` is the first claim of a client; `undefined` where the whole queue must be
 * followed: near the head, and where claims behind that one may hold beside it.
 */
export function claimToWaitFor(
  claims: readonly QueuedClaim[],
  mine: QueuedClaim,
  near: number,
): QueuedClaim | undefined {
  const place = indexOf(claims, mine.token);
  const ahead = isFar(place, near) ? claims[place - near] : undefined;
  return ahead && holdsAlone(ahead) ? ahead : undefined;
}

/** Whether a claim with so many claims ahead is far from the head: twice `near`, so that it saves events until then. */
export const isFar = (ahead: number, near: number): boolean => ahead >= 2 * near;

/** Readers hold beside readers, and claims on a semaphore beside each other. */
const holdsAlone = ({ kind, permits = 1 }: QueuedClaim): boolean => kind !== 'read' && permits === 1;
