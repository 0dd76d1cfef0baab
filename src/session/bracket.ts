/**
 * The asynchronous acquire-use-release. RxJS's `using` cannot wait for a resource, and a plain `switchMap` drops the
 * one whose grant arrives after the unsubscribe.
 */
import { Observable, ReplaySubject, switchMap } from 'rxjs';
import type { Background } from './background.js';

/** How the resource is obtained, what is done with it, how it is given back. */
export interface Bracket<R, T> {
  readonly acquire$: Observable<R>;
  /** `letGo` gives the resource back early: what it returns completes when that is done. */
  use(resource: R, letGo: () => Observable<never>): Observable<T>;
  /** Begins whether or not anything was granted: what is still under way may be. */
  release(): Observable<unknown>;
}

/**
 * Mirrors `use`. However it ends (complete, error, unsubscribe at any instant, even before the grant), the resource is
 * released exactly once, after the use has been torn down, in the background.
 *
 * ```text
 * acquire$   --r|
 * use          --a--b--|
 * result     ----a--b--|
 * release              r--|      goes on by itself
 * ```
 */
export function bracket<R, T>(background: Background, { acquire$, use, release }: Bracket<R, T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    let released: ReplaySubject<never> | undefined;
    const letGo = (): Observable<never> => {
      if (!released) {
        // Known before the release begins, which may come back here.
        released = new ReplaySubject<never>(1);
        background.run(release()).subscribe(released);
      }
      return released;
    };

    const used$ = acquire$.pipe(switchMap((resource) => use(resource, letGo)));
    // Finalizers run in the order they were added: the use first, then the release. A subscription of its own, since
    // an inner stream of `switchMap` that starts later would be added to `subscriber` behind the release.
    subscriber.add(
      used$.subscribe({
        next: (value) => subscriber.next(value),
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
    subscriber.add(letGo);
  });
}
