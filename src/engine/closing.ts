/**
 * The end of a `Locks`: holders may finish for some time, then everything ends, then the server acknowledges.
 */
import { EMPTY, Subject, concat, defer, finalize, ignoreElements, lastValueFrom, merge, take, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import { at } from '../time/clock.js';
import type { Time } from '../time/clock.js';
import type { Contenders } from './contenders.js';
import type { Background } from './io/background.js';

/**
 * How long `close()` waits for the server, milliseconds. A claim whose release is not acknowledged by then ends with
 * its ttl.
 */
const CLOSE_WITHIN = 2000;

/** The parts of a `Locks` that are closed. */
export interface Closables {
  readonly time: Time;
  readonly contenders: Contenders;
  readonly background: Background;
  /** Ends all contenders, holders and observers, and the sessions under them. */
  end(): void;
  /** Ends the wait for acknowledgements. */
  stop(): void;
}

export interface Closing {
  /** Whether new contenders are refused. */
  isClosing(): boolean;
  /** Whether everything has ended or is ending: then the end of the lease deletes all claims. */
  isClosed(): boolean;
  /** Resolves when everything has ended. A second call with 0 ends the drain. */
  close(drain: number): Promise<void>;
}

export function createClosing({ time, contenders, background, end, stop }: Closables): Closing {
  let stage: 'open' | 'draining' | 'closed' = 'open';
  let over: Promise<void> | undefined;
  const cut = new Subject<void>();

  const drained$ = (drain: number): Observable<never> =>
    defer(() => {
      stage = 'draining';
      contenders.drain();
      return merge(contenders.idle$, at(time, time.now() + drain), cut).pipe(take(1), ignoreElements());
    });
  const ended$ = defer((): Observable<never> => {
    stage = 'closed';
    end();
    return background.idle$.pipe(takeUntil(time.after(CLOSE_WITHIN)));
  });
  const stopped$ = defer((): Observable<never> => {
    stop();
    return EMPTY;
  });

  return {
    isClosing: () => stage !== 'open',
    isClosed: () => stage === 'closed',
    close(drain) {
      if (over && drain === 0) cut.next();
      if (over) return over;
      const awake = time.awake();
      const closed$ = concat(drain > 0 ? drained$(drain) : EMPTY, ended$, stopped$);
      over = lastValueFrom(closed$.pipe(finalize(() => awake.unsubscribe())), { defaultValue: undefined });
      return over;
    },
  };
}
