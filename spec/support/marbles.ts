/**
 * The cast of the marble specs: one server, and clients whose lease is 12 frames with a margin of 2, renewed every 4.
 * So a lock granted at 0 and never renewed is lost at 10, and the server gives it away at 12.
 */
import { EMPTY, Subject, defer, filter, map, mergeMap, take } from 'rxjs';
import type { Observable } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';
import { sleepProofClock } from '../../src/time/clock.js';
import type { Clock } from '../../src/time/clock.js';
import { decorate } from '../../src/backend/decorate.js';
import type { BackendCall } from '../../src/backend/decorate.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { createLocks } from '../../src/index.js';
import type { LockBackend, LockEvent, Locks, LocksOptions, QueueBackend } from '../../src/index.js';
import { behindNetwork, errorCodes, lockServer, ownershipLetters, stateLetters } from '../../src/testing/index.js';
import type { LockServer, LockServerOptions, Network } from '../../src/testing/index.js';
import { networkOf } from './networks.js';

export const TIMES = { ttl: 12, safetyMargin: 2, renewEvery: 4 } as const;

/** For a network that takes its time: twice of everything. */
export const SLOW = { ttl: 24, safetyMargin: 4, renewEvery: 8 } as const;

interface Marbles {
  readonly scheduler: TestScheduler;
}

export const serverOf = ({ scheduler }: Marbles, options?: LockServerOptions): LockServer =>
  lockServer(scheduler, { ...networkOf(scheduler), ...options });

/** Does something at a frame. */
export const atFrame = ({ scheduler }: Marbles, frame: number, action: () => void): void => {
  scheduler.schedule(action, frame);
};

export { errorCodes as codes, ownershipLetters as seen, stateLetters as letters };

/** The events of some types, each as the first letter that is given for it. */
export const events = (
  events$: Observable<LockEvent>,
  letter: Partial<Record<LockEvent['type'], string>>,
): Observable<string> =>
  events$.pipe(
    map(({ type }) => letter[type]),
    filter((known) => known !== undefined),
  );

/** Requests, each as a letter. */
const REQUESTS: Readonly<Partial<Record<BackendCall['verb'], string>>> = {
  grant: 'g',
  renew: 'r',
  revoke: 'x',
  enqueue: 'e',
  dequeue: 'l',
  queue: 'q',
  audit: 'a',
  probe: 'p',
};

export interface OpenServer {
  client(options?: LocksOptions): Locks & { readonly network: Network };
  /** Each request when it arrives, as the letter of its kind. */
  readonly requests$: Observable<string>;
  /** Claims in the queue of the key, when subscribed. */
  claims$(key: string): Observable<number>;
  /** Somebody deletes the first claim in the queue of the key. */
  deleteFirst(key: string): void;
  /** Leases that were granted and not revoked, when subscribed. */
  readonly leases$: Observable<number>;
}

/** A server that can be looked into. `as` makes another server of it, behind the network. */
export function openServer(
  { scheduler }: Marbles,
  latency = 0,
  as: (memory: QueueBackend) => LockBackend = (same) => same,
): OpenServer {
  const memory = memoryBackend({ scheduler });
  const requests = new Subject<string>();
  const leases = new Set<string>();
  const jitter = networkOf(scheduler);
  const shown = decorate(memory, (answer$, call) =>
    defer(() => {
      if (call.verb === 'grant') leases.add(call.args[0].id);
      if (call.verb === 'revoke') leases.delete(call.args[0].id);
      const isOfSeveral = (call.verb === 'enqueue' || call.verb === 'dequeue') && call.args[0].length > 1;
      const letter = isOfSeveral ? REQUESTS[call.verb]?.toUpperCase() : REQUESTS[call.verb];
      if (letter !== undefined) requests.next(letter);
      return answer$;
    }),
  );
  return {
    client(options) {
      const { backend, network } = behindNetwork(as(shown), { scheduler, latency, ...jitter });
      return { ...createLocks(backend, { random: () => 0, ...options, scheduler }), network };
    },
    requests$: requests,
    claims$: (key) =>
      defer(() => memory.queue(key, 0)).pipe(
        take(1),
        map(({ claims }) => claims.length),
      ),
    deleteFirst: (key) => {
      const first$ = memory.queue(key, 0).pipe(take(1));
      const deleted$ = first$.pipe(
        mergeMap(({ claims: [first] }) => {
          if (!first) return EMPTY;
          const [id = '', claimId = ''] = first.id.split('-');
          const lease = { id, ttl: 0, owner: '', key: undefined };
          const claim = { key, lease, id: claimId, kind: first.kind, since: new Date(0), meta: undefined };
          return memory.dequeue([claim], [first], 0);
        }),
      );
      deleted$.subscribe();
    },
    leases$: defer(() => [leases.size]),
  };
}

/** A machine whose wall clock can be set and which can sleep, both by hand; its real time is the scheduler's. */
export function machineOf({ scheduler }: Marbles): {
  clock: Clock;
  sleep(ms: number): void;
  setWall(ms: number): void;
} {
  let slept = 0;
  let step = 0;
  return {
    clock: sleepProofClock({
      monotonic: () => scheduler.now() - slept,
      wall: () => scheduler.now() + step,
      boot: () => scheduler.now(),
    }),
    /** As it wakes: for so long its monotonic clock has stood still. */
    sleep: (ms) => {
      slept += ms;
    },
    setWall: (ms) => {
      step += ms;
    },
  };
}
