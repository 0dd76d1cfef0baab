/**
 * `locks.ping()`: whether the server answers, and whether the role may read.
 */
import { defer, map, merge, take, using } from 'rxjs';
import type { Observable } from 'rxjs';
import { BackendError } from '../../api/errors.js';
import { failAt } from '../../time/clock.js';
import { request } from '../io/request.js';
import type { Runtime } from '../runtime.js';

/** Emits once the server has answered. Repeated while there is time, since one of several endpoints may be down. */
export const pinged$ = (runtime: Runtime, key: string, within: number): Observable<void> =>
  defer(() => {
    const { time, backend, timing } = runtime;
    const until = time.now() + within;
    const timeout = Math.min(within, timing.attempt);
    let failure: BackendError | undefined;
    const answered$ = request(runtime, {
      what: `read "${key}"`,
      timeout,
      send: () => backend.queue(key, timeout).pipe(take(1)),
      again: ({ retryable }) => retryable && time.now() < until,
      failed: (error) => (failure = error),
    });
    const late = (): BackendError =>
      new BackendError(
        `${backend.name} did not answer a ping within ${within} ms.${failure ? ` ${failure.message}` : ''}`,
        {
          retryable: true,
          cause: failure,
        },
      );
    // Keeps the process alive until the check has ended.
    return using(
      () => time.awake(),
      () => merge(answered$, failAt(time.after(within), late)).pipe(take(1)),
    );
  }).pipe(map(() => undefined));
