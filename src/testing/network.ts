/**
 * The way between one client and its server, with what can go wrong on it.
 */
import { NEVER, Subject, concatMap, defer, filter, map, mergeMap, of, takeUntil } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import { failAt, timeOf } from '../time/clock.js';
import { BackendError } from '../api/errors.js';
import { decorate } from '../backend/decorate.js';
import type { LockBackend } from '../backend/port.js';

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
}

/** The options of {@link behindNetwork}. */
export interface NetworkOptions {
  /** Where delays run; the machine's time by default. In a marble test the TestScheduler. */
  readonly scheduler?: SchedulerLike;
  /** The time of a request or of a reply, one way, milliseconds; 0 by default. */
  readonly latency?: number;
}

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
  { scheduler, latency = 0 }: NetworkOptions = {},
): { backend: LockBackend; network: Network } {
  const time = timeOf({ scheduler });
  const healed = new Subject<void>();
  let cut = false;
  let requestsToDrop = 0;
  let repliesToDrop = 0;
  let refusals = 0;
  let extra = 0;
  let extraForRenewals = 0;

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
      return travel(latency).pipe(
        mergeMap(() => request$),
        mergeMap((reply) => (lost ? NEVER : travel(latency + extra + slower()).pipe(map(() => reply)))),
      );
    });

  /** What is told without being asked for: in order, and broken by the end of a partition. */
  const stream = <T>(source$: Observable<T>): Observable<T> =>
    defer(() => {
      const broken$ = failAt(healed, () => new BackendError('the connection was reset.', { retryable: true }));
      return travel(latency).pipe(
        mergeMap(() => source$),
        filter(() => !cut),
        latency === 0 ? map((event) => event) : concatMap((event) => travel(latency).pipe(map(() => event))),
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
    },
  };
}
