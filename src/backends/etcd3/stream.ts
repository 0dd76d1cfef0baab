/**
 * A bidirectional stream of etcd as an Observable: one request, many replies.
 */
import { Observable, catchError, throwError } from 'rxjs';
import type { DuplexStream } from './client/duplex.js';
import { toBackendError } from './errors.js';

/** The replies to one request. Errors when the stream breaks or ends; cancelled on unsubscribe. */
export function streamed<Request, Reply>(
  what: string,
  open: () => Promise<DuplexStream<Request, Reply>>,
  request: Request,
): Observable<Reply> {
  return new Observable<Reply>((subscriber) => {
    const failed = (error: unknown): void => subscriber.error(error);
    let opened: DuplexStream<Request, Reply> | undefined;
    const close = (): void => {
      // End the stream before cancelling it. npm etcd3 takes a cancelled stream that is still writable for a failure of
      // the host: it drops its connections, and counts the failure towards its circuit breaker (measured).
      opened?.end();
      opened?.cancel();
    };

    open().then((stream) => {
      opened = stream;
      stream.on('error', failed);
      stream.on('end', () => failed(new Error('the stream ended')));
      stream.on('data', (reply) => subscriber.next(reply));
      if (subscriber.closed) close();
      else stream.write(request);
    }, failed);

    return close;
  }).pipe(catchError((error: unknown) => throwError(() => toBackendError(what, error))));
}
