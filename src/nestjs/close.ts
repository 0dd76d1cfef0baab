import type { Locks } from '../index.js';

/** Closes the locks: new contenders are refused, and holders may finish for `drain` milliseconds. */
export function closeWithin(locks: Locks, drain: number): Promise<void> {
  const close: (options: { readonly drain: number }) => Promise<void> = locks.close;
  return close({ drain });
}
