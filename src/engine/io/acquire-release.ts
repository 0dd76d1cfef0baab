/**
 * Acquire, use, release, all asynchronous. RxJS's `using` cannot wait for a resource, and a plain `switchMap` forgets a
 * resource whose grant arrives after the unsubscribe.
 */
import type { Observable, Observer, Subscription } from 'rxjs';
import type { BackendError } from '../../api/errors.js';
import { retryFewTimes, request } from './request.js';
import type { Request } from './request.js';
import type { Job } from './background.js';
import type { Runtime } from '../runtime.js';
import type { Limiter } from './limiter.js';

/** How a resource is acquired, used and released. */
export interface Resource<R> extends Pick<Request<R>, 'what' | 'timeout' | 'limiter' | 'isLocal'> {
  /** One attempt to acquire it. Its answer is awaited even after the release, since it may be a grant. */
  send(): Observable<R>;
  /** Whether to try again; if left out, a few attempts are made. */
  again?(error: BackendError): boolean;
  /** The resource was acquired. */
  use(resource: R): void;
  /** The resource could not be acquired. */
  failed(error: unknown): void;
  /** The use must end now. */
  stop(): void;
  /**
   * Releases a resource that was granted or may have been. Not called if nothing was sent, or if every attempt failed
   * with the outcome `none`.
   *
   * @param answer the answer of the last attempt, if there was one
   * @param isClear whether the outcome of every attempt is known: an attempt without an outcome may still arrive at the
   *   server
   */
  dispose(answer: R | undefined, isClear: boolean): Observable<unknown>;
  /** It was disposed of, or the attempts to do so have been given up. */
  disposed(): void;
}

/**
 * However the use ends (released at any moment, even before the grant), the resource is disposed of exactly once, in
 * the background, after the use was stopped.
 *
 * ```text
 * send       --r
 * use          r----x
 * release    -------!
 * dispose           r--|      goes on by itself
 *
 * release    -!
 * send       --r              the answer is waited for
 * dispose      r--|
 * ```
 */
export class AcquireRelease<R> implements Request<R>, Observer<R>, Job {
  readonly #runtime: Runtime;
  readonly #resource: Resource<R>;
  /** Whether the outcome of every attempt is known. Otherwise one may have been carried out, or may still be. */
  #isClear = true;
  #answer: R | undefined;
  #isUnderWay = false;
  #isWanted = true;
  /** The request to acquire it, then the one to dispose of it. */
  #step: Subscription | undefined;

  constructor(runtime: Runtime, resource: Resource<R>) {
    this.#runtime = runtime;
    this.#resource = resource;
  }

  get what(): string {
    return this.#resource.what;
  }

  get timeout(): number {
    return this.#resource.timeout;
  }

  get isLocal(): boolean | undefined {
    return this.#resource.isLocal;
  }

  get limiter(): Limiter | undefined {
    return this.#resource.limiter;
  }

  begin(): void {
    const step = request(this.#runtime, this).subscribe(this);
    // `request` may have been answered, or this object released, within the call.
    if (this.#answer === undefined) this.#step ??= step;
  }

  release(): void {
    if (!this.#isWanted) return;
    this.#isWanted = false;
    // First, so that nobody uses a resource that is being released.
    this.#resource.stop();
    this.#runtime.background.begin(this);
    if (!this.#isUnderWay) this.#dispose();
  }

  send(): Observable<R> {
    this.#isUnderWay = true;
    return this.#resource.send();
  }

  again(error: BackendError, failures: number): boolean {
    if (!this.#isWanted) return false;
    return this.#resource.again ? this.#resource.again(error) : retryFewTimes(error, failures);
  }

  /** An attempt failed: none is under way during the pause before the next. */
  failed({ outcome }: BackendError): void {
    this.#isUnderWay = false;
    if (outcome === 'unknown') this.#isClear = false;
  }

  next(answer: R): void {
    this.#isUnderWay = false;
    this.#answer = answer;
    // Not kept while the resource is held, to save memory: there may be ten thousand.
    this.#step = undefined;
    if (this.#isWanted) this.#resource.use(answer);
    else this.#dispose();
  }

  error(error: unknown): void {
    if (this.#isWanted) this.#resource.failed(error);
    else this.#dispose();
  }

  complete(): void {
    // Comes right after the answer.
  }

  stop(): void {
    this.#step?.unsubscribe();
    this.#end();
  }

  #dispose(): void {
    this.#step?.unsubscribe();
    // Nothing is on the server: nothing was sent, or every attempt was refused.
    const isNothing = this.#isClear && this.#answer === undefined;
    if (isNothing || this.#runtime.background.isStopped) return this.#end();
    this.#step = this.#resource.dispose(this.#answer, this.#isClear).subscribe({
      error: (error: unknown) => {
        this.#runtime.background.failed(error);
        this.#end();
      },
      complete: () => this.#end(),
    });
  }

  #end(): void {
    try {
      this.#resource.disposed();
    } finally {
      // Last, so that work that `disposed` begins, such as the revoke of a lease, is already counted.
      this.#runtime.background.end(this);
    }
  }
}
