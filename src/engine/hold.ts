/**
 * A lock while it is held: the `HeldLock` of the user, and its end.
 */
import { platform } from '#platform';
import { NEVER, Observable, Subject, defer, map, startWith } from 'rxjs';
import { LockLostError, LockNotOwnedError } from '../api/errors.js';
import { jsonOf } from '../api/json.js';
import type { JsonValue } from '../api/json.js';
import type { HeldLock, ReleaseOptions, Renewal } from '../api/lock.js';
import { checkedRelease } from '../api/options.js';
import type { Revocation } from '../api/revocation.js';
import { SERVER_CLAIMS } from '../backend/prefixed.js';
import type { ServerClaim } from '../backend/prefixed.js';
import { inSubscriberContext } from '../platform/in-context.js';
import { unwrapped } from './aborts.js';
import type { ContendingClaim } from './contending-claim.js';
import type { Runtime } from './runtime.js';
import type { Session } from './session.js';

/** The contender that holds, as its hold sees it. */
export interface Holding {
  readonly keys: readonly string[];
  /** The claim that it holds with. */
  readonly claim: ContendingClaim | undefined;
  /** The user asked for the release. */
  release(handOff: boolean): void;
}

/** The engine's side of a {@link HeldLock}. */
export class Hold {
  readonly held: HeldLock;
  /** When it was acquired, on the clock of the `Locks`. */
  readonly since: number;
  readonly runtime: Runtime;
  /** `atMost` after it was acquired: then it is lost, even if the lease is alive. */
  readonly overdueAt: number;
  readonly #session: Session;
  readonly #holder: Holding;
  readonly #renewalsBefore: number;
  #isOver = false;
  #isLeft = false;
  #loss: Error | undefined;
  /** For `ended$`, which ends before any other stream of the hold. */
  #ended: Subject<never> | undefined;
  #streamsEnded: Subject<never> | undefined;
  /** The latest request to release, and the subscribers that get the next. */
  #revocation: Revocation | undefined;
  #revocations: Subject<Revocation> | undefined;
  #aborter: AbortController | undefined;
  /** Aborts in the async context in which the signal was first read: the listeners run there. */
  #abort: (() => void) | undefined;
  #acknowledged: (() => void) | undefined;
  #released: Promise<void> | undefined;

  constructor(runtime: Runtime, key: string, session: Session, token: bigint, holder: Holding, atMost: number) {
    this.runtime = runtime;
    this.#session = session;
    this.#holder = holder;
    this.since = runtime.time.now();
    this.overdueAt = this.since + atMost;
    this.#renewalsBefore = session.renewals();
    this.held = new Held(this, key, token);
  }

  /** Whether it has ended, by a release or a loss. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Ends the hold; to be called once. With an error (a loss, an abort, a close), the streams end first, then the signal
   * aborts.
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

  /** Somebody asks the holder to release. */
  asked(revocation: Revocation): void {
    this.#revocation = revocation;
    this.#revocations?.next(revocation);
  }

  /** Its claim has left the queue, or will leave without us. */
  left(): void {
    this.#isLeft = true;
    this.#acknowledged?.();
  }

  keys(): readonly string[] {
    return this.#holder.keys;
  }

  /** The claim, while the lock is held. */
  claim(): ContendingClaim | undefined {
    return this.isHeld() ? this.#holder.claim : undefined;
  }

  isHeld(): boolean {
    return !this.#isOver && this.lossByTime() === undefined;
  }

  /** Why the hold has run out by now, before any timer has told so; `undefined` if it has not. */
  lossByTime(): 'expired' | 'overdue' | undefined {
    if (!this.#session.isAlive()) return 'expired';
    const isOverdue = this.overdueAt < Infinity && this.runtime.time.now() >= this.overdueAt;
    return isOverdue ? 'overdue' : undefined;
  }

  validUntil(): number {
    return Math.min(this.#session.validUntil(), this.overdueAt);
  }

  /** Whether it was lost, not released. */
  get isLost(): boolean {
    return this.#loss instanceof LockLostError;
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
        map(() => ({ count: session.renewals() - this.#renewalsBefore, validUntil: this.validUntil() })),
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

  /**
   * Ends with the hold. Errors of the session are left out: they arrive as the end of the hold, with an error that
   * names the key.
   */
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
    if (this.#loss || (!this.#isOver && !this.isHeld())) {
      return Promise.reject(new LockNotOwnedError({ key: this.held.key, cause: unwrapped(this.#loss) }));
    }
    if (this.#isLeft) return Promise.resolve();
    return new Promise((resolve) => {
      this.#acknowledged = resolve;
      if (!this.#isOver) this.#holder.release(handOff);
    });
  }
}

/** The property of a HeldLock for its hold. A private field would not work through a Proxy. */
const HOLD = Symbol('hold');

/** The hold of a HeldLock that this copy of the package made. */
export const holdOf = (held: HeldLock): Hold | undefined => (held instanceof Held ? held[HOLD] : undefined);

/**
 * Each method is made when it is read: so it needs no `this`, and ten thousand held locks do not keep methods in
 * memory.
 */
class Held implements HeldLock {
  readonly key: string;
  readonly owner: string;
  readonly fencingToken: bigint;
  declare readonly [HOLD]: Hold;

  constructor(hold: Hold, key: string, token: bigint) {
    this.key = key;
    this.owner = hold.runtime.settings.owner;
    this.fencingToken = token;
    Object.defineProperty(this, HOLD, { value: hold });
  }

  get keys(): readonly string[] {
    return this[HOLD].keys();
  }

  get validUntil(): number {
    return this[HOLD].validUntil();
  }

  get [SERVER_CLAIMS](): readonly ServerClaim[] {
    const hold = this[HOLD];
    const ids = hold.claim()?.ids;
    return hold.keys().map((key, i) => ({ key: hold.runtime.settings.prefix + key, id: ids?.[i] }));
  }

  get ended$(): Observable<never> {
    return this[HOLD].ended$();
  }

  get renewals$(): Observable<Renewal> {
    return this[HOLD].renewal$();
  }

  get revocation$(): Observable<Revocation> {
    return this[HOLD].revocation$();
  }

  get signal(): AbortSignal {
    return this[HOLD].signal();
  }

  get isHeld(): () => boolean {
    const hold = this[HOLD];
    return () => hold.isHeld();
  }

  get remaining(): () => number {
    const hold = this[HOLD];
    return () => (hold.isHeld() ? hold.validUntil() - hold.runtime.time.now() : 0);
  }

  get release(): (options?: ReleaseOptions) => Promise<void> {
    const hold = this[HOLD];
    return (options) => {
      try {
        return hold.release(checkedRelease(options));
      } catch (error) {
        return Promise.reject(error);
      }
    };
  }

  get [Symbol.asyncDispose](): () => Promise<void> {
    const hold = this[HOLD];
    return () => hold.release(false);
  }

  get toJSON(): () => JsonValue {
    const { key, keys, owner, fencingToken, validUntil } = this;
    const hold = this[HOLD];
    return () => jsonOf({ key, keys, owner, fencingToken, validUntil, isHeld: hold.isHeld() });
  }
}

const isOfOurs = (held: HeldLock): held is Held => HOLD in held;

/** The claim of a held lock, if it is still held and belongs to this `Locks`. */
export function claimOf(runtime: Runtime, held: HeldLock): ContendingClaim | undefined {
  return isOfOurs(held) && held[HOLD].runtime === runtime ? held[HOLD].claim() : undefined;
}
