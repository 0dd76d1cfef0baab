/**
 * `rxlock/microlock`: the class of npm microlock 1.2 on this engine: users change only the import line.
 *
 * @packageDocumentation
 */
export {
  AlreadyLockedError,
  EtcdClientRequiredError,
  InvalidTtlError,
  KeyRequiredError,
  LockNotOwnedError,
  NodeIdRequiredError,
} from './errors.js';
// As microlock exports it: `import Microlock from`, `new (require(…).default)(…)`.
export { Microlock as default, events } from './microlock.js';
export type { MicrolockEvents } from './microlock.js';
