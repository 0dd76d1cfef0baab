/**
 * The queue of a key, followed for as long as anybody here wants to know: one watch a key, whoever looks.
 */
import {
  ReplaySubject,
  catchError,
  concat,
  defer,
  finalize,
  ignoreElements,
  map,
  of,
  race,
  repeat,
  share,
  takeUntil,
} from 'rxjs';
import type { Observable } from 'rxjs';
import { failAt } from '../core/clock.js';
import { BackendError } from '../core/errors.js';
import type { Queue } from '../core/port.js';
import { backoff } from '../core/timing.js';
import type { Engine } from '../session/engine.js';

/** The queue as far as we know it, or why we do not. */
export type View =
  { readonly status: 'known'; readonly queue: Queue } | { readonly status: 'unknown'; readonly cause: Error };

/** The views of a key: the latest at once, then each change. Ends with the `Locks`. */
export type Queues = (key: string) => Observable<View>;

export function createQueues(engine: Engine, closed$: Observable<unknown>): Queues {
  const followed = new Map<string, Observable<View>>();

  return (key) =>
    defer(() => {
      const view$ =
        followed.get(key) ??
        follow(engine, key).pipe(
          takeUntil(closed$),
          finalize(() => followed.delete(key)),
          share({ connector: () => new ReplaySubject(1) }),
        );
      followed.set(key, view$);
      return view$;
    });
}

/**
 * Reads, then watches; reads again when the watch breaks, and once in a while against an event that got lost:
 * events say that something changed, reads say what is.
 */
function follow(engine: Engine, key: string): Observable<View> {
  const { backend, time, settings } = engine;
  const answerTime = settings.ttl / 6;
  let failures = 0;

  const watched$ = defer(() => {
    const silent$ = failAt(time.after(answerTime), () => silence(engine, key, answerTime));
    return race(backend.queue(key, answerTime), silent$);
  }).pipe(
    map((queue): View => {
      failures = 0;
      return { status: 'known', queue };
    }),
    takeUntil(time.after(settings.ttl * (1 + settings.random()))),
  );

  const round$ = watched$.pipe(
    catchError((cause: unknown) => {
      failures += 1;
      const unknown: View = { status: 'unknown', cause: cause instanceof Error ? cause : new Error(String(cause)) };
      return concat(of(unknown), pause(engine, failures));
    }),
  );
  return round$.pipe(repeat());
}

const silence = ({ backend }: Engine, key: string, ms: number): BackendError =>
  new BackendError(`${backend.name} did not say within ${Math.round(ms)} ms who holds "${key}".`, { retryable: true });

const pause = ({ time, settings }: Engine, failures: number): Observable<never> =>
  time.after(backoff(failures, settings.ttl, settings.random)).pipe(ignoreElements());
