/**
 * `rxlock/testing`: locks in virtual time, and a network that fails on demand.
 *
 * @packageDocumentation
 */
export { errorCodes, ownershipLetters, stateLetters } from './letters.js';
export { lockServer } from './lock-server.js';
export type { LockServer, LockServerOptions, TestClient } from './lock-server.js';
export { behindNetwork } from './network.js';
export type { Network, NetworkOptions } from './network.js';
export { wholeFrames } from './whole-frames.js';
