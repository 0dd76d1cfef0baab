/**
 * Locks in a NestJS application: a module, decorators for methods, a health indicator.
 *
 * @packageDocumentation
 */
export { heldLock } from './held-lock.js';
export { LocksHealthIndicator } from './health.js';
export type { LocksHealth } from './health.js';
export { InjectLocks } from './inject-locks.js';
export type { Form, KeyOf, LockOf, LockableMethod, MethodDecoratorFor } from './method.js';
export { LocksModule } from './module.js';
export type { LocksModuleOptions } from './module.js';
export { RunOnce } from './run-once.js';
export type { RunOnceOptions } from './run-once.js';
export { LOCKS } from './tokens.js';
export { WhileLeader } from './while-leader.js';
export type { WhileLeaderOptions } from './while-leader.js';
export { WithLock } from './with-lock.js';
export type { WithLockOptions } from './with-lock.js';
