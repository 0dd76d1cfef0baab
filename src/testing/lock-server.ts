/**
 * A lock server in virtual time, for marble tests.
 */
import type { SchedulerLike } from 'rxjs';
import { memoryBackend } from '../backends/memory/backend.js';
import type { MemoryBackendOptions } from '../backends/memory/backend.js';
import type { Locks } from '../core/lock.js';
import type { LocksOptions } from '../core/options.js';
import { createLocks } from '../locks.js';
import { behindNetwork } from './network.js';
import type { Network } from './network.js';

/** The options of {@link lockServer}. */
export interface LockServerOptions extends Omit<MemoryBackendOptions, 'scheduler'> {
  /** The time of a request or of a reply, one way, milliseconds; 0 by default. */
  readonly latency?: number;
}

/** A client of the server: its locks, and the network it has to itself. */
export interface TestClient extends Locks {
  readonly network: Network;
}

/** A server to be contended on. */
export interface LockServer {
  /** Another client, as another process would be. */
  client(options?: Omit<LocksOptions, 'scheduler'>): TestClient;
}

/**
 * A server in memory whose time is the given scheduler's, with a network for each client that can be made to fail.
 *
 * @example
 * const server = lockServer(testScheduler, { latency: 1 });
 * const a = server.client({ owner: 'a', ttl: 12, safetyMargin: 2 });
 * const b = server.client({ owner: 'b', ttl: 12, safetyMargin: 2 });
 * a.network.partition(); // a loses its locks, b gets them
 */
export function lockServer(scheduler: SchedulerLike, { latency = 0, ...memory }: LockServerOptions = {}): LockServer {
  const shared = memoryBackend({ scheduler, ...memory });
  return {
    client(options) {
      const { backend, network } = behindNetwork(shared, { scheduler, latency });
      return { ...createLocks(backend, { random: () => 0, ...options, scheduler }), network };
    },
  };
}
