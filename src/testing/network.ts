/**
 * The network between one client and its server, with its faults.
 */
import { NEVER, Subject, concatMap, defer, filter, map, mergeMap, of, takeUntil } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import { failAt, timeOf } from '../time/clock.js';
import { BackendError, InvalidOptionError } from '../api/errors.js';
import { checkedNames } from '../api/known-options.js';
import { isDuration } from '../api/options.js';
import { checkedBackend, checkedTime } from '../api/shapes.js';
import { decorate } from '../backend/decorate.js';
import type { LockBackend } from '../backend/port.js';
import { randomFrom } from './random.js';

/** The faults that a test can cause in the network of one client. */
export interface Network {
  /** From now on nothing gets through, without any error: no request, no reply, no event. */
  partition(): void;
  /** Ends a partition. Streams that were open break, as sockets do. */
  heal(): void;
  /** The next request gets lost: it is not carried out, and there is no answer. */
  dropNextRequest(): void;
  /** The next request is carried out, but its reply gets lost. */
  dropNextReply(): void;
  /** The next request, or the next `times` requests, fail at once, as on a closed port. */
  refuseNext(times?: number): void;
  /** From now on each reply takes this much longer, milliseconds. */
  delayReplies(ms: number): void;
  /** From now on the reply to each renewal takes this much longer, milliseconds. */
  delayRenewals(ms: number): void;
  /**
   * From now on each request and each reply takes up to `ms` milliseconds longer, by a random amount, so that requests
   * that are sent together arrive in any order. Events of a watch stay in order. `0` ends it.
   */
  jitter(ms: number): void;
}

/** The options of {@link behindNetwork}. */
export interface NetworkOptions {
  /** The scheduler of the delays; the machine's time by default. In a marble test give the TestScheduler. */
  readonly scheduler?: SchedulerLike;
  /** The time of a request or of a reply, one way, milliseconds; 0 by default. */
  readonly latency?: number;
  /** The initial {@link Network.jitter}, milliseconds; 0 by default. */
  readonly jitter?: number;
  /** The seed of the jitter: the same seed gives the same delays. 1 by default. */
  readonly seed?: number;
}

/** The number of different delays if the jitter is less than a millisecond. */
const GRAINS = 16;

/**
 * Puts any backend behind a network that can be made to fail.
 *
 * @example
 * const { backend, network } = behindNetwork(memoryBackend());
 * const locks = createLocks(backend);
 * network.partition(); // locks held by this client are lost, others get them
 */
export function behindNetwork(
  backend: LockBackend,
  options: NetworkOptions = {},
): { backend: LockBackend; network: Network } {
  checkedBackend(backend);
  checkedNames('behindNetwork', options);
  checkedTime(options);
  const { scheduler, latency = 0, jitter = 0, seed = 1 } = options;
  for (const [name, ms] of [
    ['latency', latency],
    ['jitter', jitter],
  ] as const) {
    if (!isDuration(ms)) throw new InvalidOptionError(name, ms, 'give milliseconds, 0 or more.');
  }
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

  /**
   * The delay of one way, in whole milliseconds. A jitter below a millisecond is divided into sixteenths: their sums
   * are exact in floating point.
   */
  const oneWay = (): number => {
    const grain = spread < 1 ? spread / GRAINS : 1;
    return spread === 0 ? latency : latency + Math.round((random() * spread) / grain) * grain;
  };

  /** One way: takes `ms`, and gets lost if the network is cut at the start or at the end. */
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

  /** A stream of events: they stay in order, and the end of a partition breaks the stream. */
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
