/**
 * Streams that are told in the async context of whoever subscribed to them.
 */
import { platform } from '#platform';
import { Observable, Subscriber } from 'rxjs';
import type { MonoTypeOperatorFunction, Observer } from 'rxjs';
import type { AsyncContext } from './platform.js';

/**
 * Values and ends arrive in the `AsyncLocalStorage` context of the subscriber, whoever delivers them: another
 * request's release, a timer, a socket. Without it the work of one user would run under another one's id.
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
      // As RxJS links its own operators: one who unsubscribes at a synchronous value is gone for the source at once.
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
