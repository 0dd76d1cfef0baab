/**
 * Who contends or holds at the moment. As long as there is anybody, the process stays alive.
 */
import { Observable } from 'rxjs';
import type { Subscription } from 'rxjs';
import { LocksClosedError } from '../api/errors.js';
import type { Time } from '../time/clock.js';
import { createSubscriptionOrder } from './subscription-order.js';
import type { SubscriptionOrder } from './subscription-order.js';
import type { ContendingClaim } from './claim.js';

/** What can be ended from outside. */
export interface Closable {
  close(): void;
}

/** A contender whose claim may be exchanged for that of another one that asks for the same. */
export interface Exchangeable {
  /** The claim that it waits with, while it waits. */
  readonly waitsWith: ContendingClaim | undefined;
  /** From now on it waits with this one. */
  exchanged(claim: ContendingClaim): void;
}

export interface Contenders {
  add(contender: Closable): void;
  delete(contender: Closable): void;
  /** Those that wait, in the order of their subscription. */
  readonly order: SubscriptionOrder<Exchangeable>;
}

export function createContenders(time: Time): Contenders & { close(): void } {
  const all = new Set<Closable>();
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
    },
    close() {
      for (const contender of [...all]) contender.close();
    },
  };
}

/** Errors when the `Locks` is closed; until then the process has to live. */
export const closed$ = (contenders: Contenders, key: string): Observable<never> =>
  new Observable((subscriber) => {
    const waiting = { close: () => subscriber.error(new LocksClosedError({ key })) };
    contenders.add(waiting);
    return () => contenders.delete(waiting);
  });
