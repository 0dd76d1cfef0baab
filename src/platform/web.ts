/**
 * Browsers and other places without the modules of Node.
 */
import type { Platform } from './platform.js';

export const platform: Platform = {
  processLabel: () => `browser:${random63().toString(36).slice(0, 6)}`,
  random63,
  bootTime: undefined,
  // There is no async context to be lost before AsyncContext is a standard.
  captureContext: () => (work) => work(),
  // Nobody can listen.
  channel: () => ({ hasSubscribers: false, publish: () => undefined, runStores: (_message, work) => work() }),
};

function random63(): bigint {
  const [bits = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return BigInt.asUintN(63, bits);
}
