/**
 * One call to etcd, as one cold attempt at one endpoint.
 */
import { catchError, defer, finalize, tap, throwError } from 'rxjs';
import type { MonoTypeOperatorFunction, Observable } from 'rxjs';
import { BackendError } from '../../core/errors.js';
import type { ClientSource, Endpoint } from './client.js';
import type { EtcdClient } from './client/etcd-client.js';
import { toBackendError } from './errors.js';

/** At the endpoint of now. One that has not answered when it is given up is followed by the next one. */
export const tried = <T>(source: ClientSource, run: (endpoint: Endpoint) => Observable<T>): Observable<T> =>
  defer(() => {
    const endpoint = source.endpoint();
    let isAnswered = false;
    return run(endpoint).pipe(
      tap({
        next: () => (isAnswered = true),
        error: (error: unknown) => (isAnswered = !(error instanceof BackendError && error.retryable)),
      }),
      finalize(() => {
        if (!isAnswered) endpoint.failed();
      }),
    );
  });

export const call = <T>(
  source: ClientSource,
  what: string,
  run: (client: EtcdClient) => Observable<T>,
): Observable<T> =>
  tried(source, ({ client }) =>
    run(client).pipe(catchError((error: unknown) => throwError(() => toBackendError(what, error)))),
  );

/** An answer of the server that its client reports as an error. */
export const orWhen = <T>(
  isAnswer: (cause: unknown) => boolean,
  answer: () => Observable<T>,
): MonoTypeOperatorFunction<T> =>
  catchError((error: unknown) =>
    error instanceof BackendError && isAnswer(error.cause) ? answer() : throwError(() => error),
  );
