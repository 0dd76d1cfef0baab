/**
 * Browsers and other runtimes without the modules of Node.
 */
import type { Platform } from './platform.js';

export const platform: Platform = {
  processLabel: () => `browser:${random63().toString(36).slice(0, 6)}`,
  random63,
  bootTime: undefined,
  // Browsers have no async context until AsyncContext is a standard.
  captureContext: () => (work) => work(),
  // Without `node:diagnostics_channel` there are no subscribers.
  channel: () => ({ hasSubscribers: false, publish: () => undefined, runStores: (_message, work) => work() }),
};

function random63(): bigint {
  const [bits = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return BigInt.asUintN(63, bits);
}
