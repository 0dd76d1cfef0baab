/**
 * `rxlock/backend`: the ports for a backend of your own. The contract that it must fulfil is in
 * `rxlock/backend/contract`.
 *
 * @packageDocumentation
 */
export { BackendError } from '../api/errors.js';
export type { RequestOutcome } from '../api/errors.js';
export type { JsonValue } from '../api/json.js';
export type { LockKind } from '../api/ownership.js';
export type { Revocation } from '../api/revocation.js';
export { decorate } from './decorate.js';
export type { BackendCall, Wrap } from './decorate.js';
export type { WholeQueueBackend, WholeSlotBackend } from './defaults.js';
export type {
  Audit,
  ClaimRequest,
  DequeueResult,
  EnqueueMode,
  EnqueueResult,
  EnqueuedClaim,
  ForeignClaims,
  Lease,
  LockBackend,
  LockSpec,
  Queue,
  QueueBackend,
  QueuedClaim,
  RenewResult,
  RenewalPlan,
  RenewalWorker,
  RewriteResult,
  SlotBackend,
  TakeResult,
} from './port.js';
export { claimName, queuedAs } from './claims.js';
export { settled } from './settled.js';
export { holding, wouldWait } from '../rules/blockers.js';
export type { Mode } from '../rules/blockers.js';
