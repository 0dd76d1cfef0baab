/**
 * One request for a lock, from the call to the end of its hold.
 */
import { Subscription } from 'rxjs';
import type { ContendOptions, HeldLock, Lock, LockState } from '../index.js';
import type { CheckedRequest } from './arguments.js';
import { aborted } from './dom-exception.js';

/**
 * ```text
 * new -> asked -> waiting -> held -> over
 *  ^       |         |
 *  +-------+---------+   deferred, for a request that steals
 * ```
 */
type Status = 'new' | 'asked' | 'waiting' | 'held' | 'over';

type Waiting = Extract<LockState, { status: 'waiting' }>;

export class LockRequest {
  readonly name: string;
  readonly steals: boolean;
  /** Resolves when the lock is held; rejects with the reason why it is not. */
  readonly granted: Promise<HeldLock>;
  readonly #lock: Lock;
  readonly #options: ContendOptions;
  #status: Status = 'new';
  #states = new Subscription();
  #grant!: (held: HeldLock) => void;
  #refuse!: (reason: unknown) => void;
  /** Callbacks of {@link decided}. */
  #toldDecided: (() => void)[] = [];
  #loss: Error | undefined;
  #toldLost: ((error: Error) => void) | undefined;
  #toldWaiting: ((state: Waiting) => void) | undefined;

  constructor({ name, steal }: Pick<CheckedRequest, 'name' | 'steal'>, lock: Lock, options: ContendOptions) {
    this.name = name;
    this.steals = steal;
    this.#lock = lock;
    this.#options = options;
    this.granted = new Promise((resolve, reject) => {
      this.#grant = resolve;
      this.#refuse = reject;
    });
  }

  get isWaiting(): boolean {
    return this.#status === 'waiting';
  }

  /** Resolves when the request is in the queue on the server, is granted, or has ended. */
  decided(): Promise<void> {
    if (this.#status !== 'new' && this.#status !== 'asked') return Promise.resolve();
    return new Promise((resolve) => this.#toldDecided.push(resolve));
  }

  /** Contends, unless the request was ended before. */
  begin(onWaiting?: (state: Waiting) => void): void {
    if (this.#status !== 'new') return;
    this.#status = 'asked';
    this.#toldWaiting = onWaiting;
    this.#states = new Subscription();
    try {
      this.#states.add(
        this.#lock.lock$(this.#options).subscribe({
          next: (state) => (state.status === 'held' ? this.#held(state.held) : this.#waiting(state)),
          error: (error: unknown) => this.#ended(error),
        }),
      );
    } catch (error) {
      this.end(error);
    }
  }

  /** Leaves the queue, to begin again later. */
  defer(): void {
    if (this.#status === 'held' || this.#status === 'over') return;
    this.#states.unsubscribe();
    this.#status = 'new';
  }

  /** Ends a request that has not been granted yet. */
  end(reason: unknown): void {
    if (this.#status === 'held' || this.#status === 'over') return;
    this.#states.unsubscribe();
    this.#status = 'over';
    this.#refuse(reason);
    this.#tellDecided();
  }

  /** Releases a lock that nobody uses, in the background. */
  abandon(): void {
    this.#status = 'over';
    this.#states.unsubscribe();
  }

  /**
   * Runs the body while the lock is held, releases when the body has ended, and settles as it did. Rejects at a loss.
   */
  async whileHeld<T>(held: HeldLock, body: () => T): Promise<Awaited<T>> {
    if (this.#loss) throw this.#loss;
    const lost = new Promise<never>((_, reject) => (this.#toldLost = reject));
    const running = new Promise<T>((done) => done(body()));
    const ended = running.then(
      (value) => ({ isFulfilled: true, settle: () => value }) as const,
      (error: unknown) => ({ isFulfilled: false, settle: () => Promise.reject(error) }) as const,
    );
    const { isFulfilled, settle } = await Promise.race([ended, lost]);
    // `release()` rejects if the lock was lost: then the loss is the result.
    await Promise.race([held.release({ handOff: isFulfilled }).catch(() => lost), lost]);
    return await settle();
  }

  #waiting(state: Waiting): void {
    this.#status = 'waiting';
    this.#tellDecided();
    const told = this.#toldWaiting;
    this.#toldWaiting = undefined;
    told?.(state);
  }

  #held(held: HeldLock): void {
    this.#status = 'held';
    this.#grant(held);
    this.#tellDecided();
  }

  #ended(error: unknown): void {
    if (this.#status !== 'held') return this.end(error);
    this.#status = 'over';
    this.#loss = aborted(`The lock "${this.name}" was held and is not any more.`, error);
    this.#toldLost?.(this.#loss);
  }

  #tellDecided(): void {
    for (const told of this.#toldDecided.splice(0)) told();
  }
}
