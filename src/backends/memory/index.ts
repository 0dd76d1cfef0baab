/**
 * `rxlock/memory`: locks within one process.
 *
 * @packageDocumentation
 */
export { memoryBackend } from './backend.js';
export type { MemoryBackendOptions } from './backend.js';
