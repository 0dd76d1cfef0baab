/**
 * Streams that notify each subscriber in its own async context.
 */
import { platform } from '#platform';
import { Observable, Subscriber } from 'rxjs';
import type { MonoTypeOperatorFunction, Observer } from 'rxjs';
import type { AsyncContext } from './platform.js';

/**
 * Delivers notifications in the `AsyncLocalStorage` context of the subscriber, whatever causes them: a release in
 * another request, a timer, a socket. Without it, the work of one user would run in the context of another.
 *
 * ```text
 * subscribed by     alice    ^----------
 * delivered by      bob      ----a--b--|
 * told as           alice    ----a--b--|
 * ```
 */
export const inSubscriberContext =
  <T>(): MonoTypeOperatorFunction<T> =>
  (source$) =>
    new Observable((subscriber) => {
      // Linked as RxJS links its own operators: a subscriber that unsubscribes during a synchronous value stops the
      // source at once.
      // eslint-disable-next-line @typescript-eslint/no-deprecated
      const told = new Subscriber<T>(new InContext(platform.captureContext(), subscriber));
      subscriber.add(told);
      source$.subscribe(told);
    });

class InContext<T> implements Observer<T> {
  readonly #context: AsyncContext;
  readonly #observer: Observer<T>;

  constructor(context: AsyncContext, observer: Observer<T>) {
    this.#context = context;
    this.#observer = observer;
  }

  next(value: T): void {
    this.#context(() => this.#observer.next(value));
  }

  error(error: unknown): void {
    this.#context(() => this.#observer.error(error));
  }

  complete(): void {
    this.#context(() => this.#observer.complete());
  }
}
