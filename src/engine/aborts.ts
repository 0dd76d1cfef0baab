/**
 * Aborts of the user's signals: one listener for each signal, however many contenders use it.
 */
import { EMPTY, Observable } from 'rxjs';

/**
 * A signal of the user ended the contention. The engine passes the reason on and never inspects it: it may be no error,
 * an error of ours from another lock, or an object that throws when it is converted.
 */
export class Aborted extends Error {
  override readonly name = 'Aborted';
  readonly reason: unknown;

  constructor(reason: unknown) {
    super('the signal was aborted');
    this.reason = reason;
  }
}

/** The error for the user: of an abort, the reason as it was given. */
export const unwrapped = (error: unknown): unknown => (error instanceof Aborted ? error.reason : error);

/** The property of a signal that keeps our listeners; shared by all copies of the package. */
const LISTENERS = Symbol.for('rxlock.abortListeners');

/** Errors with {@link Aborted}; at once if the signal was aborted before, since its event does not come again. */
export function aborted(signal: AbortSignal | undefined): Observable<never> {
  if (!signal) return EMPTY;
  return new Observable((subscriber) => {
    const abort = (): void => subscriber.error(new Aborted(reasonOf(signal)));
    if (signal.aborted) return abort();
    return listen(signal, abort);
  });
}

/** The signal of a polyfill may have no reason: then use the platform's default reason. */
const reasonOf = ({ reason }: AbortSignal): unknown =>
  reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;

/** One event listener for all contenders: Node warns when a signal gets its eleventh. */
function listen(signal: AbortSignal, listener: () => void): () => void {
  const listeners = listenersOf(signal);
  const tell = (): void => tellAll(listeners);
  // The event listener belongs to the first contender. When that one leaves, it passes to another, or is removed.
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
  // A frozen signal takes no property: then each contender adds a listener of its own.
  Reflect.defineProperty(signal, LISTENERS, { value: listeners });
  return listeners;
}

/**
 * Calls all listeners, even if one throws. The latest comes first: a waiter must withdraw before the holder ahead of it
 * releases, else it would hold for a moment.
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
