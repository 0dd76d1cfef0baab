/**
 * `rxlock/microlock`: the class of npm microlock 1.2 on this engine, so that the import line is all that changes.
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
// Its own form: `import Microlock from`, `new (require(…).default)(…)`.
export { Microlock as default, events } from './microlock.js';
export type { MicrolockEvents } from './microlock.js';
