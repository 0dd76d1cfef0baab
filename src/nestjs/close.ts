import type { Locks } from '../index.js';

/** Nobody new contends; who holds may finish for so long. */
export function closeWithin(locks: Locks, drain: number): Promise<void> {
  const close: (options: { readonly drain: number }) => Promise<void> = locks.close;
  return close({ drain });
}
