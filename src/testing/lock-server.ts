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
   * Each request and each reply takes up to this much longer, milliseconds, none as long as the other; 0 by default.
   * Less than a frame for diagrams that hold whatever the order, with {@link wholeFrames}.
   */
  readonly jitter?: number;
  /** What the jitter of all clients is drawn from: the same seed, the same delays. 1 by default. */
  readonly seed?: number;
  /** Put around the server, to see or to refuse what arrives there: `decorate` with a wrap of your own. */
  readonly around?: (server: QueueBackend) => QueueBackend;
}

/** A client of the server: its locks, the network it has to itself, the process it runs in. */
export interface TestClient extends Locks {
  readonly network: Network;
  /** Where the timers of its process run: what you schedule there stands still with it. */
  readonly scheduler: SchedulerLike;
  /**
   * Its process stands still for so long, milliseconds: no timer of its locks runs, its clock runs on. `Infinity`, with
   * a partition, is a process that is killed.
   */
  pauseClient(ms: number): void;
  /**
   * Somebody sets the wall clock of its machine, by so many milliseconds: back changes nothing, ahead by more than
   * 25 counts as time gone by.
   */
  setClock(by: number): void;
}

/** A server to be contended on. */
export interface LockServer {
  /** Another client, as another process would be. */
  client(options?: Omit<LocksOptions, 'scheduler'>): TestClient;
  /** Ends the lease of whoever holds the key, as a server that loses patience does: the holder is told. */
  expire(key: string): void;
}

/**
 * A server in memory whose time is the given scheduler's, with a network for each client that can be made to fail.
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
