/**
 * Derives the leader from the queue of an election.
 */
import type { Leader } from '../api/election.js';
import { withJson } from '../api/json.js';
import type { Queue } from '../backend/port.js';

/** The leader: the first claim in the queue. */
export function leaderOf({ key, claims }: Queue): Leader {
  const [first] = claims;
  if (!first) return { status: 'free', key };
  const { value = '', token: fencingToken } = first;
  const led = { status: 'led', key, value } as const;
  return withJson({ ...led, fencingToken }, () => ({ ...led, fencingToken: fencingToken.toString() }));
}

/** Whether an observer would see no difference. */
export function isSameLeader(a: Leader, b: Leader): boolean {
  // Each attempt that fails has a cause of its own; that nobody knows is told once.
  if (a.status !== 'led' || b.status !== 'led') return a.status === b.status;
  return a.fencingToken === b.fencingToken && a.value === b.value;
}
