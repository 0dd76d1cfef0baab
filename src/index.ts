/**
 * Reactive distributed locks: a lock is an Observable. See `createLocks` for the start, `withLock` for the everyday.
 *
 * @packageDocumentation
 */
export { createLocks } from './locks.js';
export { usingLock } from './operators/using-lock.js';
export { whileLeader } from './operators/while-leader.js';
export type { LeaderOptions } from './operators/while-leader.js';
export { withLock } from './operators/with-lock.js';

export {
  AlreadyLockedError,
  BackendError,
  InvalidOptionError,
  LockError,
  LockLostError,
  LockNotOwnedError,
  LockTimeoutError,
  LocksClosedError,
} from './core/errors.js';
export type { LockErrorCode, LossReason } from './core/errors.js';
export type { CampaignOptions, Election, Leader } from './core/election.js';
export type { LockEvent } from './core/events.js';
export type { JsonValue } from './core/json.js';
export type { AllLock, HeldLock, Lock, LockState, Locks, Renewal } from './core/lock.js';
export type { Clock } from './core/clock.js';
export type { ContendOptions, LocksOptions } from './core/options.js';
export type { Holder, Ownership, Ownerships } from './core/ownership.js';
export type { Revocation, RevokeOptions } from './core/revocation.js';
export type {
  Claim,
  Entered,
  EnteredAll,
  Lease,
  LockBackend,
  LockKind,
  Others,
  Rewritten,
  Queue,
  QueuedClaim,
  Renewed,
  Together,
  Wanted,
} from './core/port.js';
