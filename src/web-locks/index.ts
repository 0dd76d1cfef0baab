/**
 * `rxlock/web-locks`: the lock manager of web browsers (`navigator.locks`), for a fleet of processes.
 *
 * @packageDocumentation
 */
export { createLockManager } from './create-lock-manager.js';
export type { LockManagerOptions } from './create-lock-manager.js';
export type {
  LockInfo,
  LockManager,
  LockManagerSnapshot,
  LockMode,
  LockRequestOptions,
  WebLock,
} from './lock-manager.js';
