/**
 * A lock while it is held: the HeldLock its user gets, and the end of it.
 */
import { platform } from '#platform';
import { NEVER, Observable, Subject, defer, map, startWith } from 'rxjs';
import { LockNotOwnedError } from '../api/errors.js';
import { jsonOf } from '../api/json.js';
import type { JsonValue } from '../api/json.js';
import type { HeldLock, ReleaseOptions, Renewal } from '../api/lock.js';
import { checkedRelease } from '../api/options.js';
import type { Revocation } from '../api/revocation.js';
import { inSubscriberContext } from '../platform/in-context.js';
import { unwrapped } from './aborts.js';
import type { ContendingClaim } from './claim.js';
import type { Runtime } from './runtime.js';
import type { Session } from './session.js';

/** Who holds. */
export interface Holding {
  readonly keys: readonly string[];
  /** What it holds with. */
  readonly claim: ContendingClaim | undefined;
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
  /** Who watches the end is told of it before any other stream on the hold. */
  #ended: Subject<never> | undefined;
  #streamsEnded: Subject<never> | undefined;
  /** What it was asked last, and who hears the next. */
  #revocation: Revocation | undefined;
  #revocations: Subject<Revocation> | undefined;
  #aborter: AbortController | undefined;
  /** In the context of whoever asked for the signal first: its listeners run there. */
  #abort: (() => void) | undefined;
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
   * It is over from this instant on; to be called once. With an error (a loss, an abort, a close): the streams on it
   * are told first, then the signal aborts.
   */
  end(error?: Error): void {
    this.#isOver = true;
    this.#loss = error;
    for (const ended of [this.#ended, this.#streamsEnded]) {
      if (error) ended?.error(unwrapped(error));
      else ended?.complete();
    }
    if (error) this.#abort?.();
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

  /** What it is held with. */
  claim(): ContendingClaim | undefined {
    return this.isHeld() ? this.#holder.claim : undefined;
  }

  isHeld(): boolean {
    return !this.#isOver && this.#session.isAlive();
  }

  signal(): AbortSignal {
    return (this.#aborter ??= this.#newAborter()).signal;
  }

  #newAborter(): AbortController {
    const aborter = new AbortController();
    const context = platform.captureContext();
    this.#abort = () => context(() => aborter.abort(unwrapped(this.#loss)));
    if (this.#loss) this.#abort();
    return aborter;
  }

  release(handOff: boolean): Promise<void> {
    return (this.#released ??= this.#release(handOff));
  }

  ended$(): Observable<never> {
    return this.#untilEnded(NEVER, () => (this.#ended ??= new Subject()));
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
  #untilEnded<T>(
    source$: Observable<T>,
    endOf = (): Subject<never> => (this.#streamsEnded ??= new Subject()),
  ): Observable<T> {
    const untilEnded$ = new Observable<T>((subscriber) => {
      if (this.#loss) return subscriber.error(unwrapped(this.#loss));
      if (this.#isOver) return subscriber.complete();
      subscriber.add(endOf().subscribe(subscriber));
      subscriber.add(source$.subscribe((value) => subscriber.next(value)));
    });
    return untilEnded$.pipe(inSubscriberContext());
  }

  #release(handOff: boolean): Promise<void> {
    if (this.#loss || (!this.#isOver && !this.#session.isAlive())) {
      return Promise.reject(new LockNotOwnedError({ key: this.held.key, cause: unwrapped(this.#loss) }));
    }
    if (this.#isLeft) return Promise.resolve();
    return new Promise((resolve) => {
      this.#acknowledged = resolve;
      if (!this.#isOver) this.#holder.release(handOff);
    });
  }
}

/** Where a HeldLock keeps its hold: no private field, which a Proxy of it would not have. */
const HOLD = Symbol('hold');

/** Its methods are made when asked for, so that each works by itself, and ten thousand held locks carry none. */
class Held implements HeldLock {
  readonly key: string;
  readonly owner: string;
  readonly fencingToken: bigint;
  declare readonly [HOLD]: { readonly hold: Hold; readonly runtime: Runtime; readonly session: Session };

  constructor(hold: Hold, runtime: Runtime, key: string, session: Session, token: bigint) {
    this.key = key;
    this.owner = runtime.settings.owner;
    this.fencingToken = token;
    Object.defineProperty(this, HOLD, { value: { hold, runtime, session } });
  }

  get keys(): readonly string[] {
    return this[HOLD].hold.keys();
  }

  get validUntil(): number {
    return this[HOLD].session.validUntil();
  }

  get ended$(): Observable<never> {
    return this[HOLD].hold.ended$();
  }

  get renewals$(): Observable<Renewal> {
    return this[HOLD].hold.renewal$();
  }

  get revocation$(): Observable<Revocation> {
    return this[HOLD].hold.revocation$();
  }

  get signal(): AbortSignal {
    return this[HOLD].hold.signal();
  }

  get isHeld(): () => boolean {
    const { hold } = this[HOLD];
    return () => hold.isHeld();
  }

  get remaining(): () => number {
    const { hold, runtime, session } = this[HOLD];
    return () => (hold.isHeld() ? session.validUntil() - runtime.time.now() : 0);
  }

  get release(): (options?: ReleaseOptions) => Promise<void> {
    const { hold } = this[HOLD];
    return (options) => {
      try {
        return hold.release(checkedRelease(options));
      } catch (error) {
        return Promise.reject(error);
      }
    };
  }

  get [Symbol.asyncDispose](): () => Promise<void> {
    const { hold } = this[HOLD];
    return () => hold.release(false);
  }

  get toJSON(): () => JsonValue {
    const { key, keys, owner, fencingToken, validUntil } = this;
    const { hold } = this[HOLD];
    return () => jsonOf({ key, keys, owner, fencingToken, validUntil, isHeld: hold.isHeld() });
  }
}

const isOfOurs = (held: HeldLock): held is Held => HOLD in held;

/** What a lock is held with, while it is, if it is one of these `Locks`. */
export function claimOf(runtime: Runtime, held: HeldLock): ContendingClaim | undefined {
  return isOfOurs(held) && held[HOLD].runtime === runtime ? held[HOLD].hold.claim() : undefined;
}
