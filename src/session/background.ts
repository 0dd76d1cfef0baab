/**
 * Work that outlives its subscriber: a release after an unsubscribe, a revoke after a loss.
 */
import { EMPTY, Subject, defer, ignoreElements, take } from 'rxjs';
import type { Observable, Subscription } from 'rxjs';

export interface Background {
  /** Starts the work now, whoever listens. `over` is called when it has ended, however it went. */
  run(work$: Observable<unknown>, over?: () => void): void;
  /** Completes when nothing is under way. */
  readonly idle$: Observable<never>;
  /** Ends what is under way: nobody waits for it any more. */
  stop(): void;
}

/** @param onError hears of work that failed for good; nobody else is there to listen */
export function createBackground(onError: (error: unknown) => void): Background {
  const underWay = new Set<Subscription>();
  const idle = new Subject<void>();

  return {
    run(work$, over) {
      const work = work$.subscribe({ error: onError });
      underWay.add(work);
      work.add(() => {
        underWay.delete(work);
        over?.();
        if (underWay.size === 0) idle.next();
      });
    },
    idle$: defer(() => (underWay.size === 0 ? EMPTY : idle.pipe(take(1), ignoreElements()))),
    stop() {
      for (const work of [...underWay]) work.unsubscribe();
    },
  };
}
