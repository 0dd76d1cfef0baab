/**
 * One event listener for each signal, for all that wait for it: Node warns when a signal has more than ten.
 */
export class AbortSignals {
  readonly #waiting = new WeakMap<AbortSignal, Set<() => void>>();

  /** Calls back once, when the signal aborts. The returned function cancels that. */
  onAbort(signal: AbortSignal, callback: () => void): () => void {
    const callbacks = this.#waiting.get(signal) ?? this.#listen(signal);
    callbacks.add(callback);
    return () => callbacks.delete(callback);
  }

  #listen(signal: AbortSignal): Set<() => void> {
    const callbacks = new Set<() => void>();
    this.#waiting.set(signal, callbacks);
    signal.addEventListener(
      'abort',
      () => {
        for (const callback of [...callbacks]) callback();
      },
      { once: true },
    );
    return callbacks;
  }
}
