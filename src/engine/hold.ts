/**
 * A lock while it is held: the HeldLock its user gets, and the end of it.
 */
import { Observable, Subject, defer, map, startWith } from 'rxjs';
import { LockNotOwnedError } from '../api/errors.js';
import type { HeldLock, ReleaseOptions, Renewal } from '../api/lock.js';
import type { Revocation } from '../api/revocation.js';
import type { Runtime } from './runtime.js';
import type { Session } from './session.js';

/** Who holds. */
export interface Holding {
  readonly keys: readonly string[];
  /** Its user asks for it. */
  release(handOff: boolean): void;
}

/** The engine's side of a {@link HeldLock}. */
export class Hold {
  readonly held: HeldLock;
  /** When it was acquired. */
  readonly since: number;
  readonly #session: Session;
  readonly #holder: Holding;
  readonly #renewalsBefore: number;
  #isOver = false;
  #isLeft = false;
  #loss: Error | undefined;
  #ended: Subject<never> | undefined;
  /** What it was asked last, and who hears the next. */
  #revocation: Revocation | undefined;
  #revocations: Subject<Revocation> | undefined;
  #aborter: AbortController | undefined;
  #acknowledged: (() => void) | undefined;
  #released: Promise<void> | undefined;

  constructor(runtime: Runtime, key: string, session: Session, token: bigint, holder: Holding) {
    this.#session = session;
    this.#holder = holder;
    this.since = runtime.time.now();
    this.#renewalsBefore = session.renewals();
    this.held = new Held(this, runtime, key, session, token);
  }

  /** Whether it was ended, by a release or a loss. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * It is over from this instant on; to be called once. With an error: the streams on it are told first, then the
   * signal aborts.
   */
  end(error?: Error): void {
    this.#isOver = true;
    this.#loss = error;
    if (error) this.#ended?.error(error);
    else this.#ended?.complete();
    if (error) this.#aborter?.abort(error);
  }

  /** Somebody wants it. */
  asked(revocation: Revocation): void {
    this.#revocation = revocation;
    this.#revocations?.next(revocation);
  }

  /** Its claim is out of the queue, or will be without us. */
  left(): void {
    this.#isLeft = true;
    this.#acknowledged?.();
  }

  keys(): readonly string[] {
    return this.#holder.keys;
  }

  isHeld(): boolean {
    return !this.#isOver && this.#session.isAlive();
  }

  signal(): AbortSignal {
    this.#aborter ??= new AbortController();
    if (this.#loss) this.#aborter.abort(this.#loss);
    return this.#aborter.signal;
  }

  release(handOff: boolean): Promise<void> {
    return (this.#released ??= this.#release(handOff));
  }

  renewal$(): Observable<Renewal> {
    const session = this.#session;
    return this.#untilEnded(
      session.renewed$.pipe(
        map(() => ({ count: session.renewals() - this.#renewalsBefore, validUntil: session.validUntil() })),
      ),
    );
  }

  revocation$(): Observable<Revocation> {
    return this.#untilEnded(
      defer(() => {
        const revocations = (this.#revocations ??= new Subject());
        return this.#revocation ? revocations.pipe(startWith(this.#revocation)) : revocations;
      }),
    );
  }

  /** The end of the session reaches us as the end of this hold, with the error that names the key. */
  #untilEnded<T>(source$: Observable<T>): Observable<T> {
    return new Observable((subscriber) => {
      if (this.#loss) return subscriber.error(this.#loss);
      if (this.#isOver) return subscriber.complete();
      this.#ended ??= new Subject();
      subscriber.add(this.#ended.subscribe(subscriber));
      subscriber.add(source$.subscribe((value) => subscriber.next(value)));
    });
  }

  #release(handOff: boolean): Promise<void> {
    if (this.#loss || (!this.#isOver && !this.#session.isAlive())) {
      return Promise.reject(new LockNotOwnedError({ key: this.held.key, cause: this.#loss }));
    }
    if (this.#isLeft) return Promise.resolve();
    return new Promise((resolve) => {
      this.#acknowledged = resolve;
      if (!this.#isOver) this.#holder.release(handOff);
    });
  }
}

class Held implements HeldLock {
  readonly key: string;
  readonly owner: string;
  readonly fencingToken: bigint;
  readonly #hold: Hold;
  readonly #runtime: Runtime;
  readonly #session: Session;

  constructor(hold: Hold, runtime: Runtime, key: string, session: Session, token: bigint) {
    this.key = key;
    this.owner = runtime.settings.owner;
    this.fencingToken = token;
    this.#hold = hold;
    this.#runtime = runtime;
    this.#session = session;
  }

  get keys(): readonly string[] {
    return this.#hold.keys();
  }

  get validUntil(): number {
    return this.#session.validUntil();
  }

  get renewals$(): Observable<Renewal> {
    return this.#hold.renewal$();
  }

  get revocation$(): Observable<Revocation> {
    return this.#hold.revocation$();
  }

  get signal(): AbortSignal {
    return this.#hold.signal();
  }

  isHeld(): boolean {
    return this.#hold.isHeld();
  }

  remaining(): number {
    return this.isHeld() ? this.validUntil - this.#runtime.time.now() : 0;
  }

  release({ handOff: handOff = true }: ReleaseOptions = {}): Promise<void> {
    return this.#hold.release(handOff);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release({ handOff: false });
  }
}
