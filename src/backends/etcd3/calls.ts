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

/** What every answer of etcd begins with. */
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
  /** At the endpoint of now, unless another is given. One that has not answered in time is followed by the next one. */
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
              // The next request gets a token of its own.
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
 * Whether it had been waited for until the end: to give up sooner says nothing about the server. Timers may fire a little
 * early, and what travels in a group is sent a little later than it was asked for.
 */
export const isGivenUpLate = (clock: Clock, since: number, timeout: number): boolean =>
  clock.now() - since >= 0.9 * timeout;

/** An answer of the server that its client reports as an error. */
export const orWhen = <T>(
  isAnswer: (cause: unknown) => boolean,
  answer: () => Observable<T>,
): MonoTypeOperatorFunction<T> =>
  catchError((error: unknown) =>
    error instanceof BackendError && isAnswer(error.cause) ? answer() : throwError(() => error),
  );
