import type { Observable } from 'rxjs';
import { checkedFunction } from '../api/shapes.js';
import { checkedAcquireOptions } from '../api/options.js';
import { InvalidOptionError } from '../index.js';
import type { HeldLock, LeaderOptions } from '../index.js';
import { injectLocksInto } from './inject-locks.js';
import { checkedMethod, mutex } from './method.js';
import type { LockOf } from './method.js';
import { LEADS } from './tokens.js';

/** The options of {@link WhileLeader}. */
export interface WhileLeaderOptions extends LeaderOptions {
  /** Which lock of that key, a mutex by default. */
  readonly lock?: LockOf | undefined;
}

type LeaderMethodDecorator = <M extends (held: HeldLock) => PromiseLike<unknown> | Observable<unknown>>(
  prototype: object,
  name: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

/** What a method leads, as it is written on it. */
export interface Leads {
  readonly what: string;
  readonly key: string;
  readonly lockOf: LockOf;
  readonly options: LeaderOptions;
}

/**
 * Runs the method in one instance of the fleet at a time: from the start of the application on, whenever it holds the
 * lock of that key. At a loss the Observable that it returned is unsubscribed, or `signal` aborts; another instance runs
 * it, and this one contends again.
 *
 * ```text
 * instance a   --h====#                #: killed, lost, or failed
 * instance b   --w------h===========   =: the method runs
 * ```
 *
 * It is called with the `HeldLock`, whose `signal` aborts when the application shuts down, too; the lock is given back
 * when the method has ended. When it ends by itself, it is done here, and another instance runs it. When it fails, that
 * is logged, and this instance contends again a second later.
 *
 * @param key of the lock
 * @throws InvalidOptionError at the decoration; at the start of the application where the object is not there for all of
 * its life (request scope), or the method is on a schedule as well
 * @example
 * class Outbox {
 *   @WhileLeader('outbox')
 *   send(): Observable<unknown> {
 *     return jobs$.pipe(concatMap(run));
 *   }
 * }
 */
export function WhileLeader(
  key: string,
  { lock: lockOf = mutex, ...options }: WhileLeaderOptions = {},
): LeaderMethodDecorator {
  if (typeof key !== 'string')
    throw new InvalidOptionError('key', key, 'give @WhileLeader a text: it is led, not called.');
  checkedFunction('lock', lockOf, 'give a function that makes the lock: (locks, key) => locks.writeLock(key).');
  checkedAcquireOptions(options, 'whileLeader');
  return (prototype, name, descriptor) => {
    const { what, method } = checkedMethod('@WhileLeader', prototype, name, descriptor);
    injectLocksInto(prototype);
    Reflect.defineMetadata(LEADS, { what, key, lockOf, options } satisfies Leads, method);
  };
}
