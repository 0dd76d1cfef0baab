/**
 * All contenders and holders of a `Locks`. While there is one, the process stays alive.
 */
import { Observable, Subject, defer, of } from 'rxjs';
import type { Subscription } from 'rxjs';
import { LocksClosedError } from '../api/errors.js';
import type { Time } from '../time/clock.js';
import { createSubscriptionOrder } from './subscription-order.js';
import type { SubscriptionOrder } from './subscription-order.js';
import type { ContendingClaim } from './contending-claim.js';

/** A contender, as `close()` sees it. */
export interface Closable {
  close(): void;
  /** Ends it unless it holds. */
  drain?(): void;
}

/** A contender that may exchange its claim with another contender that asks for the same. */
export interface Exchangeable {
  /** The claim that it waits with, while it waits. */
  readonly waitsWith: ContendingClaim | undefined;
  /** From now on it waits with this claim. */
  exchanged(claim: ContendingClaim): void;
}

export interface Contenders {
  add(contender: Closable): void;
  delete(contender: Closable): void;
  /** Ends all that do not hold. */
  drain(): void;
  /** Emits when nobody contends or holds. */
  readonly idle$: Observable<unknown>;
  /** The waiting contenders, in the order of their subscription. */
  readonly order: SubscriptionOrder<Exchangeable>;
}

export function createContenders(time: Time): Contenders & { close(): void } {
  const all = new Set<Closable>();
  const idle = new Subject<void>();
  let awake: Subscription | undefined;
  return {
    order: createSubscriptionOrder(),
    add(contender) {
      awake ??= time.awake();
      all.add(contender);
    },
    delete(contender) {
      all.delete(contender);
      if (all.size > 0) return;
      awake?.unsubscribe();
      awake = undefined;
      idle.next();
    },
    drain() {
      for (const contender of [...all]) contender.drain?.();
    },
    idle$: defer(() => (all.size === 0 ? of(undefined) : idle)),
    close() {
      for (const contender of [...all]) contender.close();
    },
  };
}

/** Errors when the `Locks` is closed. While it is subscribed to, the process stays alive. */
export const closed$ = (contenders: Contenders, key: string): Observable<never> =>
  new Observable((subscriber) => {
    const close = (): void => subscriber.error(new LocksClosedError({ key }));
    const waiting = { close, drain: close };
    contenders.add(waiting);
    return () => contenders.delete(waiting);
  });
