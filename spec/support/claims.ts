/**
 * Claims in a queue, made by hand for specs of what is read off it.
 */
import type { QueuedClaim } from '../../src/index.js';

export const claim = (token: number, more: Partial<QueuedClaim> = {}): QueuedClaim => ({
  id: `id-${String(token)}`,
  token: BigInt(token),
  stamp: String(token),
  kind: 'mutex',
  owner: `owner ${String(token)}`,
  since: undefined,
  meta: undefined,
  ...more,
});
