/**
 * The asynchronous acquire-use-release. RxJS's `using` cannot wait for a resource, and a plain `switchMap` drops the
 * one whose grant arrives after the unsubscribe.
 */
import { Observable, Subscription, defer } from 'rxjs';
import { aFewTimes, retried } from './attempts.js';
import type { Engine } from './engine.js';

/** How the resource is obtained, what is done with it, how it is given back. */
export interface Bracket<R, T> {
  /**
   * One attempt to obtain it. What was sent is heard out, even if nobody wants it any more: it may be granted. One that
   * completes without an answer was never sent.
   */
  attempt(isWanted: () => boolean): Observable<R>;
  /** `letGo` gives the resource back early; the result completes when that is done. */
  use(resource: R, letGo: () => void): Observable<T>;
  /**
   * Gives back what was granted. Not called where nothing was ever sent.
   *
   * @param answer of the last attempt, where it was answered
   * @param isClear whether every attempt was answered: one that was not may still arrive at the server
   */
  giveBack(answer: R | undefined, isClear: boolean): Observable<unknown>;
}

/**
 * Mirrors `use`. However it ends (complete, error, unsubscribe at any instant, even before the grant), the resource is
 * given back exactly once, after the use has been torn down, in the background.
 *
 * ```text
 * attempt    --r
 * use          --a--b--|
 * result     ----a--b--|
 * giveBack             r--|      goes on by itself
 *
 * result     -!
 * attempt    --r                 heard out
 * giveBack     r--|
 * ```
 */
export function bracket<R, T>(engine: Engine, { attempt, use, giveBack }: Bracket<R, T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    let attempts = 0;
    let answer: R | undefined;
    let isUnderWay = false;
    let isWanted = true;
    let using: Subscription | undefined;
    /** Called when the attempt under way has ended and nobody wants the resource any more. */
    let heardOut: (() => void) | undefined;

    const back$ = new Observable<unknown>((over) => {
      const give = (): void => {
        acquiring.unsubscribe();
        if (attempts === 0) over.complete();
        else giveBack(answer, answer !== undefined && attempts === 1).subscribe(over);
      };
      if (isUnderWay) heardOut = give;
      else give();
      return acquiring;
    });
    const letGo = (): void => {
      if (!isWanted) return;
      isWanted = false;
      // First: nothing is done with a resource that is being given back.
      using?.unsubscribe();
      engine.background.run(back$, () => subscriber.complete());
    };

    const begin = (resource: R): void => {
      using = use(resource, letGo).subscribe({
        next: (value) => subscriber.next(value),
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
      // Let go while it began.
      if (!isWanted) using.unsubscribe();
    };

    const acquire$ = defer(() => {
      attempts += 1;
      isUnderWay = true;
      return attempt(() => isWanted);
    }).pipe(
      retried(engine, {
        again: (error, failures) => isWanted && aFewTimes.again(error, failures),
        failed: () => (isUnderWay = false),
      }),
    );
    const acquiring = new Subscription();
    acquiring.add(
      acquire$.subscribe({
        next: (resource) => {
          isUnderWay = false;
          answer = resource;
          if (isWanted) begin(resource);
          else heardOut?.();
        },
        error: (error: unknown) => {
          isUnderWay = false;
          if (isWanted) subscriber.error(error);
          else heardOut?.();
        },
        complete: () => {
          if (answer !== undefined) return;
          attempts -= 1;
          isUnderWay = false;
          heardOut?.();
        },
      }),
    );
    return letGo;
  });
}
