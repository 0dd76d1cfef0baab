import { reasonOf } from '../api/texts.js';
import type { Locks } from '../index.js';

/** The entry of the indicator. */
export type LocksHealth = { readonly status: 'up' | 'down'; readonly message?: string };

/**
 * Whether the server of the locks answers and lets us read. It has the shape of an indicator of `@nestjs/terminus`.
 *
 * @example
 * class Health {
 *   constructor(private readonly locks: LocksHealthIndicator) {}
 *   check = () => this.locks.isHealthy('locks'); // { locks: { status: 'up' } }
 * }
 */
export class LocksHealthIndicator {
  readonly #locks: Locks;

  constructor(locks: Locks) {
    this.#locks = locks;
  }

  /** Never rejects: a failure is in the `message` beside the status. */
  async isHealthy(key = 'locks'): Promise<Record<string, LocksHealth>> {
    try {
      await this.#locks.ping();
      return { [key]: { status: 'up' } };
    } catch (error) {
      return { [key]: { status: 'down', message: reasonOf(error) } };
    }
  }
}
