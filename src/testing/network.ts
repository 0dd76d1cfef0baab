/**
 * The way between one client and its server, with what can go wrong on it.
 */
import { NEVER, Subject, concatMap, defer, filter, map, mergeMap, of, takeUntil } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import { failAt, timeOf } from '../time/clock.js';
import { BackendError } from '../api/errors.js';
import { decorate } from '../backend/decorate.js';
import type { LockBackend } from '../backend/port.js';
import { randomFrom } from './random.js';

/** What a test can do to the network of one client. */
export interface Network {
  /** From now on nothing gets through, and nobody is told: no request, no reply, no event. */
  partition(): void;
  /** Ends a partition. Streams that were open break, as sockets do. */
  heal(): void;
  /** The next request gets lost on its way: it is not carried out, and nobody answers. */
  dropNextRequest(): void;
  /** The next request arrives and is carried out; its reply gets lost. */
  dropNextReply(): void;
  /** The next request fails at once, as on a closed port. */
  refuseNext(times?: number): void;
  /** From now on each reply takes this much longer, milliseconds. */
  delayReplies(ms: number): void;
  /** From now on the reply to each renewal takes this much longer, milliseconds. */
  delayRenewals(ms: number): void;
  /**
   * From now on each request and each reply takes up to this much longer, milliseconds, none as long as the other: what
   * is sent together arrives in any order. Events of a watch stay in order. `0` ends it.
   */
  jitter(ms: number): void;
}

/** The options of {@link behindNetwork}. */
export interface NetworkOptions {
  /** Where delays run; the machine's time by default. In a marble test the TestScheduler. */
  readonly scheduler?: SchedulerLike;
  /** The time of a request or of a reply, one way, milliseconds; 0 by default. */
  readonly latency?: number;
  /** As if {@link Network.jitter} were called with it, milliseconds; 0 by default. */
  readonly jitter?: number;
  /** What the jitter is drawn from: the same seed, the same delays. 1 by default. */
  readonly seed?: number;
}

/** So many different delays there are where the jitter is less than a millisecond. */
const GRAINS = 16;

/**
 * Any backend, behind a network that can be made to fail.
 *
 * @example
 * const { backend, network } = behindNetwork(memoryBackend());
 * const locks = createLocks(backend);
 * network.partition(); // locks held by this client are lost, others get them
 */
export function behindNetwork(
  backend: LockBackend,
  { scheduler, latency = 0, jitter = 0, seed = 1 }: NetworkOptions = {},
): { backend: LockBackend; network: Network } {
  const time = timeOf({ scheduler });
  const healed = new Subject<void>();
  let cut = false;
  let requestsToDrop = 0;
  let repliesToDrop = 0;
  let refusals = 0;
  let extra = 0;
  let extraForRenewals = 0;
  let spread = jitter;
  const random = randomFrom(seed);

  /** Whole milliseconds, or sixteenths of less: diagrams count in frames, and a sum of sixteenths is exact. */
  const oneWay = (): number => {
    const grain = spread < 1 ? spread / GRAINS : 1;
    return spread === 0 ? latency : latency + Math.round((random() * spread) / grain) * grain;
  };

  /** One way: takes its time, and gets lost where the network is cut when it leaves or when it arrives. */
  const travel = (ms: number): Observable<unknown> => {
    if (cut) return NEVER;
    if (ms === 0) return of(0);
    return time.after(ms).pipe(mergeMap(() => (cut ? NEVER : of(0))));
  };

  const carry = <T>(request$: Observable<T>, slower = (): number => 0): Observable<T> =>
    defer(() => {
      if (refusals > 0) {
        refusals -= 1;
        throw new BackendError('the connection was refused.', { retryable: true });
      }
      if (requestsToDrop > 0) {
        requestsToDrop -= 1;
        return NEVER;
      }
      const lost = repliesToDrop > 0;
      if (lost) repliesToDrop -= 1;
      return travel(oneWay()).pipe(
        mergeMap(() => request$),
        mergeMap((reply) => (lost ? NEVER : travel(oneWay() + extra + slower()).pipe(map(() => reply)))),
      );
    });

  /** What is told without being asked for: in order, and broken by the end of a partition. */
  const stream = <T>(source$: Observable<T>): Observable<T> =>
    defer(() => {
      const broken$ = failAt(healed, () => new BackendError('the connection was reset.', { retryable: true }));
      let arrival = -Infinity;
      return travel(oneWay()).pipe(
        mergeMap(() => source$),
        filter(() => !cut),
        map((event) => {
          arrival = Math.max(arrival, time.now() + oneWay());
          return { event, arrival };
        }),
        concatMap(({ event, arrival }) => travel(Math.max(0, arrival - time.now())).pipe(map(() => event))),
        takeUntil(broken$),
      );
    });

  return {
    backend: decorate(backend, (source$, { verb, isStream }) => {
      if (isStream) return stream(source$);
      return carry(source$, verb === 'renew' ? () => extraForRenewals : undefined);
    }),
    network: {
      partition: () => {
        cut = true;
      },
      heal: () => {
        cut = false;
        healed.next();
      },
      dropNextRequest: () => {
        requestsToDrop += 1;
      },
      dropNextReply: () => {
        repliesToDrop += 1;
      },
      refuseNext: (times = 1) => {
        refusals += times;
      },
      delayReplies: (ms) => {
        extra = ms;
      },
      delayRenewals: (ms) => {
        extraForRenewals = ms;
      },
      jitter: (ms) => {
        spread = ms;
      },
    },
  };
}
