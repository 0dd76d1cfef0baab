/**
 * Locks as spans and metrics of OpenTelemetry.
 *
 * @packageDocumentation
 */
export { instrumentLocks } from './instrument-locks.js';
export type { InstrumentOptions, Instrumentation } from './instrument-locks.js';
export type { NameOf } from './names.js';
