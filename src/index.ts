/**
 * Reactive distributed locks: a lock is an Observable. Start with `createLocks`, then see `withLock`.
 *
 * @packageDocumentation
 */
export { createLocks } from './engine/locks.js';
export { runOnce } from './operators/run-once.js';
export { shareAcross } from './operators/share-across.js';
export type { ShareAcrossOptions } from './operators/share-across.js';
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
  RunFailedError,
  RunResultError,
} from './api/errors.js';
export type { LockErrorCode, LossReason, RequestOutcome } from './api/errors.js';
export type { AcquireMessage, AcquireOutcome, HoldMessage, OutageMessage, RenewalMessage } from './api/channels.js';
export type { CampaignOptions, Election, Leader } from './api/election.js';
export type { HeldEventSubject, LockEvent, LockEventSubject, WithdrawnReason } from './api/events.js';
export type { JsonValue } from './api/json.js';
export type { AllLock, HeldLock, Lock, LockState, Renewal } from './api/lock.js';
export type { Locks } from './api/locks.js';
export type { Once, OnceResult, OnceState } from './api/once.js';
export type { OnceOptions, RunOptions } from './api/run-options.js';
export type { Clock } from './time/clock.js';
export type { CloseOptions, ContendOptions, LocksOptions, Meta, PingOptions, SkipOptions } from './api/options.js';
export type { Holder, Ownership, Ownerships, LockKind } from './api/ownership.js';
export type { Revocation, RevokeOptions } from './api/revocation.js';
export type {
  ClaimRequest,
  EnqueueResult,
  EnqueueMode,
  EnqueuedClaim,
  DequeueResult,
  Lease,
  LockBackend,
  ForeignClaims,
  Marker,
  MarkerView,
  Markers,
  MarkRequest,
  MarkResult,
  RewriteResult,
  Queue,
  QueuedClaim,
  RenewResult,
  QueueBackend,
  SlotBackend,
  TakeResult,
  LockSpec,
} from './backend/port.js';
