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
export interface Resource<R> {
  readonly what: string;
  readonly timeout: number;
  readonly limiter?: Limiter | undefined;
  /** Whether it is acquired without the server. */
  readonly isLocal?: boolean | undefined;
  /** One attempt to acquire it. Its answer is waited for even after the release, since it may be granted. */
  send(): Observable<R>;
  /** Whether to try again; without it, a few times. */
  again?(error: BackendError): boolean;
  /** It was acquired. */
  use(resource: R): void;
  /** It could not be acquired. */
  failed(error: unknown): void;
  /** The use ends here. */
  stop(): void;
  /**
   * Releases what was granted, or may have been. Not called where nothing was sent, nor where every attempt failed with
   * the outcome `none`.
   *
   * @param answer of the last attempt, where it was answered
   * @param isClear whether the outcome of every attempt is known: one that is not may still arrive at the server
   */
  dispose(answer: R | undefined, isClear: boolean): Observable<unknown>;
  /** It was disposed of, or nothing more can be done about it. */
  disposed(): void;
}

/**
 * However the use ends (released at any moment, even before the grant), the resource is disposed of exactly once, after
 * the use was stopped, in the background.
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
  /** Whether the outcome of every attempt is known: one that is not may have been carried out, or still arrive. */
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
    // Unless it was answered or released at once.
    if (this.#answer === undefined) this.#step ??= step;
  }

  release(): void {
    if (!this.#isWanted) return;
    this.#isWanted = false;
    // First: a resource that is being released is used no more.
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

  /** An attempt failed: not under way during the pause before the next. */
  failed({ outcome }: BackendError): void {
    this.#isUnderWay = false;
    if (outcome === 'unknown') this.#isClear = false;
  }

  next(answer: R): void {
    this.#isUnderWay = false;
    this.#answer = answer;
    // Not kept while it is held: there may be ten thousand.
    this.#step = undefined;
    if (this.#isWanted) this.#resource.use(answer);
    else this.#dispose();
  }

  error(error: unknown): void {
    if (this.#isWanted) this.#resource.failed(error);
    else this.#dispose();
  }

  complete(): void {
    // It comes with the answer.
  }

  stop(): void {
    this.#step?.unsubscribe();
    this.#end();
  }

  #dispose(): void {
    this.#step?.unsubscribe();
    // Nothing was sent, or all was refused; or the background was stopped.
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
      // Last: work that `disposed` begins, such as the revoke of a lease, is under way by then.
      this.#runtime.background.end(this);
    }
  }
}
