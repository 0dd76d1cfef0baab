/**
 * The aborts of a user's signals: one listener for each signal, however many contend with it.
 */
import { EMPTY, Observable } from 'rxjs';

/**
 * A contention ended by its user's signal. The reason is whatever the user gave, so the engine carries it and never
 * looks at it: it may be no error, one of ours from another lock, or throw when it is converted.
 */
export class Aborted extends Error {
  override readonly name = 'Aborted';
  readonly reason: unknown;

  constructor(reason: unknown) {
    super('the signal was aborted');
    this.reason = reason;
  }
}

/** What the user is told of: the reason as it was given. */
export const unwrapped = (error: unknown): unknown => (error instanceof Aborted ? error.reason : error);

/** Where a signal keeps those who listen through its one listener; shared by all copies of the package. */
const LISTENERS = Symbol.for('rxlock.abortListeners');

/** Errors with {@link Aborted}, at once where it was aborted before: its event does not come again. */
export function aborted(signal: AbortSignal | undefined): Observable<never> {
  if (!signal) return EMPTY;
  return new Observable((subscriber) => {
    const abort = (): void => subscriber.error(new Aborted(reasonOf(signal)));
    if (signal.aborted) return abort();
    return listen(signal, abort);
  });
}

/** A polyfill may know no reasons: then it is that of the platform. */
const reasonOf = ({ reason }: AbortSignal): unknown =>
  reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;

/** Node warns of the eleventh listener of a signal. */
function listen(signal: AbortSignal, listener: () => void): () => void {
  const listeners = listenersOf(signal);
  const tell = (): void => tellAll(listeners);
  // The one listener goes with the contender that brought it; another one takes its place while there are any.
  if (listeners.size === 0) signal.addEventListener('abort', tell);
  listeners.set(listener, listeners.size === 0 ? tell : undefined);
  return () => {
    const brought = listeners.get(listener);
    listeners.delete(listener);
    if (!brought) return;
    const [next] = listeners.keys();
    if (next) listeners.set(next, brought);
    else signal.removeEventListener('abort', brought);
  };
}

type Listeners = Map<() => void, (() => void) | undefined>;

function listenersOf(signal: AbortSignal): Listeners {
  const there: unknown = Reflect.get(signal, LISTENERS);
  if (there instanceof Map) return there as Listeners;
  const listeners: Listeners = new Map();
  // A frozen signal takes no property: then each contender listens by itself.
  Reflect.defineProperty(signal, LISTENERS, { value: listeners });
  return listeners;
}

/**
 * All of them, whatever one of them throws. The latest first: a waiter withdraws before the holder in front of it gives
 * the lock back, or it would hold for a moment what nobody wants any more.
 */
function tellAll(listeners: Listeners): void {
  const failures: unknown[] = [];
  for (const listener of [...listeners.keys()].reverse()) {
    try {
      if (listeners.has(listener)) listener();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
