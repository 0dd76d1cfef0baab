/**
 * Work that outlives its subscriber: a release after an unsubscribe, a revoke after a loss.
 */
import { EMPTY, Observable, ReplaySubject, catchError, ignoreElements } from 'rxjs';

export interface Background {
  /** Starts the work now, whoever listens. What is returned completes when the work is over, however it went. */
  run(work$: Observable<unknown>): Observable<never>;
  /** Completes when nothing is under way. */
  readonly idle$: Observable<never>;
}

/** @param onError hears of work that failed for good; nobody else is there to listen */
export function createBackground(onError: (error: unknown) => void): Background {
  const underWay = new Set<Observable<never>>();

  return {
    run(work$) {
      const over$ = new ReplaySubject<never>(1);
      underWay.add(over$);
      work$
        .pipe(
          ignoreElements(),
          catchError((error: unknown) => {
            onError(error);
            return EMPTY;
          }),
        )
        .subscribe({
          complete: () => {
            underWay.delete(over$);
            over$.complete();
          },
        });
      return over$;
    },

    idle$: new Observable<never>((subscriber) => {
      const wait = (): void => {
        const [next] = underWay;
        if (next) subscriber.add(next.subscribe({ complete: wait }));
        else subscriber.complete();
      };
      wait();
    }),
  };
}
