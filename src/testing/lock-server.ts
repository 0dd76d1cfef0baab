/**
 * A lock server in virtual time, for marble tests.
 */
import { EMPTY, mergeMap, take } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { memoryBackend } from '../backends/memory/backend.js';
import type { MemoryBackendOptions } from '../backends/memory/backend.js';
import type { Locks } from '../api/locks.js';
import type { LocksOptions } from '../api/options.js';
import { createLocks } from '../engine/locks.js';
import type { QueueBackend } from '../backend/port.js';
import { sleepProofClock } from '../time/clock.js';
import { behindNetwork } from './network.js';
import type { Network } from './network.js';
import { randomFrom } from './random.js';
import { heardBy, stallable } from './stalls.js';

/** The options of {@link lockServer}. */
export interface LockServerOptions extends Omit<MemoryBackendOptions, 'scheduler'> {
  /** The time of a request or of a reply, one way, milliseconds; 0 by default. */
  readonly latency?: number;
  /**
   * Each request and each reply takes up to this much longer, milliseconds, by a random amount; 0 by default. Give less
   * than a frame, and use {@link wholeFrames}, for diagrams that hold in any order of arrival.
   */
  readonly jitter?: number;
  /** The seed of the jitter of all clients: the same seed gives the same delays. 1 by default. */
  readonly seed?: number;
  /** Wraps the server, to record or to refuse its requests: use `decorate` with your own function. */
  readonly around?: (server: QueueBackend) => QueueBackend;
}

/** A client of the server: its locks, its own network, and its simulated process. */
export interface TestClient extends Locks {
  readonly network: Network;
  /** The scheduler of its process: work that you schedule here stands still with the process. */
  readonly scheduler: SchedulerLike;
  /**
   * Its process stands still for `ms` milliseconds: no timer of its locks runs, while its clock goes on. `Infinity`,
   * together with a partition, is a killed process.
   */
  pauseClient(ms: number): void;
  /**
   * Sets the wall clock of its machine ahead (or back, if negative), by so many milliseconds. Back changes nothing;
   * ahead by more than 25 counts as elapsed time.
   */
  setClock(by: number): void;
}

/** A lock server in virtual time. */
export interface LockServer {
  /** Makes another client, like another process. */
  client(options?: Omit<LocksOptions, 'scheduler'>): TestClient;
  /** Ends the lease of the holder of the key, as if it had expired on the server. The holder is notified. */
  expire(key: string): void;
}

/**
 * A server in memory, in the time of the given scheduler. Each client has a network that can be made to fail.
 *
 * @param scheduler the TestScheduler of `rxjs/testing`, or `m.scheduler` of rxjs-marbles
 * @example
 * const server = lockServer(testScheduler, { latency: 1 });
 * const a = server.client({ owner: 'a', ttl: 24, safetyMargin: 4 });
 * const b = server.client({ owner: 'b', ttl: 24, safetyMargin: 4 });
 * a.network.partition(); // a loses its locks, b gets them
 */
export function lockServer(scheduler: SchedulerLike, options: LockServerOptions = {}): LockServer {
  const { latency = 0, jitter = 0, seed = 1, around = (server: QueueBackend) => server, ...memory } = options;
  const seeds = randomFrom(seed);
  const shared = around(memoryBackend({ scheduler, ...memory }));
  return {
    client(options) {
      const process = stallable(scheduler);
      const { backend, network } = behindNetwork(shared, {
        scheduler: process,
        latency,
        jitter,
        seed: seeds() * 2 ** 32,
      });
      let wallStep = 0;
      const now = (): number => scheduler.now();
      const clock = sleepProofClock({ monotonic: now, wall: () => now() + wallStep, boot: now });
      const always = { random: () => 0, clock };
      const locks = createLocks(heardBy(process, backend), { ...always, ...options, scheduler: process });
      return {
        ...locks,
        network,
        scheduler: process,
        pauseClient: (ms) => process.stall(ms),
        setClock: (by) => {
          wallStep += by;
        },
      };
    },
    expire: (key) => {
      const holder$ = shared.queue(key, 0).pipe(take(1));
      holder$
        .pipe(
          mergeMap(({ claims: [holder] }) => {
            const id = holder?.id.split('-')[0];
            return id === undefined ? EMPTY : shared.revoke({ id, ttl: 0, owner: '', key: undefined }, 0);
          }),
        )
        .subscribe();
    },
  };
}
