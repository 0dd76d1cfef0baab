/**
 * Lets a number of requests be under way at a time. The others wait for their turn here, in the order of their coming:
 * what has not been sent has not gone unanswered, so its time has not begun.
 */
import { Observable } from 'rxjs';

/** Completes without a value where nobody wants the answer any more when its turn comes: then it was never sent. */
export type Gate = <T>(request$: Observable<T>, isWanted: () => boolean) => Observable<T>;

export function createGate(most: number): Gate {
  const waiting: (() => void)[] = [];
  let underWay = 0;

  const letIn = (): void => {
    while (underWay < most) {
      const next = waiting.shift();
      if (!next) return;
      next();
    }
  };

  return (request$, isWanted) =>
    new Observable((subscriber) => {
      const send = (): void => {
        if (subscriber.closed || !isWanted()) return subscriber.complete();
        underWay += 1;
        subscriber.add(() => {
          underWay -= 1;
          letIn();
        });
        subscriber.add(request$.subscribe(subscriber));
      };
      if (underWay < most) send();
      else waiting.push(send);
    });
}
