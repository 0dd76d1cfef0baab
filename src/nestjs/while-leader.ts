import type { Observable } from 'rxjs';
import { checkedObject } from '../api/known-options.js';
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
  /** Makes the lock from the key; a mutex by default. */
  readonly lock?: LockOf | undefined;
}

type LeaderMethodDecorator = <M extends (held: HeldLock) => PromiseLike<unknown> | Observable<unknown>>(
  prototype: object,
  name: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

/** The metadata of a method that leads. */
export interface Leads {
  readonly what: string;
  readonly key: string;
  readonly lockOf: LockOf;
  readonly options: LeaderOptions;
}

/**
 * Runs the method in one instance of the fleet at a time. From the start of the application on, each instance contends
 * for the lock of that key, and runs the method while it holds. At a loss the returned Observable is unsubscribed, or
 * `signal` aborts; another instance runs the method, and this one contends again.
 *
 * ```text
 * instance a   --h====#                #: killed, lost, or failed
 * instance b   --w------h===========   =: the method runs
 * ```
 *
 * The method is called with the `HeldLock`, whose `signal` also aborts when the application shuts down; the lock is
 * released when the method has ended. If the method ends by itself, this instance does not run it again, and another
 * instance does. If it fails, the error is logged, and this instance contends again a second later.
 *
 * @param key the key of the lock
 * @throws InvalidOptionError at the decoration; at the start of the application if the object is request-scoped, or if
 *   the method is on a schedule as well
 * @example
 * class Outbox {
 *   @WhileLeader('outbox')
 *   send(): Observable<unknown> {
 *     return jobs$.pipe(concatMap(run));
 *   }
 * }
 */
export function WhileLeader(key: string, given: WhileLeaderOptions = {}): LeaderMethodDecorator {
  checkedObject(given, ['wait', 'signal']);
  const { lock: lockOf = mutex, ...options } = given;
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
