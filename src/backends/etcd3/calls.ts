/**
 * One call to etcd, as one cold attempt at one endpoint.
 */
import { catchError, defer, finalize, tap, throwError } from 'rxjs';
import type { MonoTypeOperatorFunction, Observable } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import { deadlineIn, sleepProofClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import type { ClientSource, Endpoint } from './client.js';
import type { EtcdClient } from './client/etcd-client.js';
import type { CallOptions } from './client/unary.js';
import { isTokenStale, toBackendError } from './errors.js';
import type { Header, Incarnation } from './incarnation.js';

/** Every answer of etcd has a header. */
interface Answer {
  readonly header: Header;
}

export interface Calls {
  /** A call with one answer. */
  call<T extends Answer>(
    what: string,
    timeout: number,
    run: (client: EtcdClient, options: CallOptions) => Observable<T>,
    endpoint?: Endpoint,
  ): Observable<T>;
  /**
   * Runs an attempt at the current endpoint, unless another is given. If the endpoint does not answer in time, later
   * attempts use the next one.
   */
  tried<T extends Answer>(
    timeout: number,
    run: (endpoint: Endpoint) => Observable<T>,
    endpoint?: Endpoint,
  ): Observable<T>;
}

export function createCalls(source: ClientSource, history: Incarnation, clock: Clock = sleepProofClock()): Calls {
  const calls: Calls = {
    call: (what, timeout, run, at) =>
      calls.tried(
        timeout,
        ({ client }) =>
          defer(() => run(client, deadlineIn(timeout))).pipe(
            catchError((error: unknown) => throwError(() => toBackendError(what, error))),
          ),
        at,
      ),

    tried: (timeout, run, at) =>
      defer(() => {
        const endpoint = at ?? source.endpoint();
        const since = clock.now();
        const asked = history.asked();
        let isOver = false;
        return run(endpoint).pipe(
          tap(({ header }) => history.heardFrom(asked, endpoint.client, header)),
          tap({
            next: () => (isOver = true),
            error: (error: unknown) => {
              isOver = true;
              if (!(error instanceof BackendError) || !error.retryable) return;
              // A stale token is no fault of the endpoint: the next request gets a new token.
              if (!isTokenStale(error.cause)) endpoint.failed();
            },
          }),
          finalize(() => {
            if (!isOver && isGivenUpLate(clock, since, timeout)) endpoint.failed();
          }),
        );
      }),
  };
  return calls;
}

/**
 * Whether a request was given up at its timeout: one that was cancelled earlier says nothing about the server. Not the
 * whole timeout, since timers may fire a little early, and a member of a group is sent a little later than it was
 * requested.
 */
export const isGivenUpLate = (clock: Clock, since: number, timeout: number): boolean =>
  clock.now() - since >= 0.9 * timeout;

/** Turns an error of the client that stands for an answer of the server into that answer. */
export const orWhen = <T>(
  isAnswer: (cause: unknown) => boolean,
  answer: () => Observable<T>,
): MonoTypeOperatorFunction<T> =>
  catchError((error: unknown) =>
    error instanceof BackendError && isAnswer(error.cause) ? answer() : throwError(() => error),
  );
