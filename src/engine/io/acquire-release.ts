/**
 * The asynchronous acquire-use-release. RxJS's `using` cannot wait for a resource, and a plain `switchMap` drops the
 * one whose grant arrives after the unsubscribe.
 */
import type { Observable, Observer, Subscription } from 'rxjs';
import type { BackendError } from '../../api/errors.js';
import { retryFewTimes, request } from './request.js';
import type { Request } from './request.js';
import type { Job } from './background.js';
import type { Runtime } from '../runtime.js';
import type { Limiter } from './limiter.js';

/** How the resource is obtained, what is done with it, how it is given back. */
export interface Resource<R> {
  readonly what: string;
  readonly timeout: number;
  readonly limiter?: Limiter | undefined;
  /** Whether it is obtained without the server. */
  readonly isLocal?: boolean | undefined;
  /** One attempt to obtain it. What was sent is heard out, even if nobody wants it any more: it may be granted. */
  send(): Observable<R>;
  /** Whether to ask again, where that is not a matter of a few times. */
  again?(error: BackendError): boolean;
  /** It is there. */
  use(resource: R): void;
  /** It could not be obtained. */
  failed(error: unknown): void;
  /** Nothing is to be done with it from now on. */
  stop(): void;
  /**
   * Gives back what was granted, or may have been. Not called where nothing was sent, nor where every attempt failed with
   * the outcome `none`.
   *
   * @param answer of the last attempt, where it was answered
   * @param isClear whether the outcome of every attempt is known: one that is not may still arrive at the server
   */
  dispose(answer: R | undefined, isClear: boolean): Observable<unknown>;
  /** It is given back, or nothing more can be done about it. */
  disposed(): void;
}

/**
 * However the use ends (let go at any instant, even before the grant), the resource is given back exactly once, after
 * the use has been stopped, in the background.
 *
 * ```text
 * send       --r
 * use          r----x
 * letGo      -------!
 * giveBack          r--|      goes on by itself
 *
 * letGo      -!
 * send       --r              heard out
 * giveBack     r--|
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
  /** Of the asking, then of the giving back. */
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
    // Unless it was answered at once, or let go.
    if (this.#answer === undefined) this.#step ??= step;
  }

  release(): void {
    if (!this.#isWanted) return;
    this.#isWanted = false;
    // First: nothing is done with a resource that is being given back.
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
    // Answered and done: ten thousand that are held keep nothing of their asking.
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
    // Nothing was sent, or it was refused; or nobody waits for anything any more.
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
      // Last: what it sets off, such as the revoke of a lease that waited for it, is under way by then.
      this.#runtime.background.end(this);
    }
  }
}
