/**
 * Gives an object the `Locks` of its application, by Nest's own injection.
 */
import { Inject } from '@nestjs/common';
import { InvalidOptionError } from '../index.js';
import type { Locks } from '../index.js';
import { LOCKS } from './tokens.js';

/**
 * Injects the `Locks` of the {@link LocksModule}.
 *
 * @example
 * class Invoices {
 *   constructor(@InjectLocks() private readonly locks: Locks) {}
 *   bill = (id: string) => this.locks.mutex(`invoices/${id}`).use(() => fetch('http://127.0.0.1/bill'));
 * }
 */
export const InjectLocks = (): PropertyDecorator & ParameterDecorator => Inject(LOCKS);

/** Makes Nest inject the `Locks` into each object of this class, in addition to what the class asks for itself. */
export function injectLocksInto(prototype: object): void {
  // Nest also injects what a base class asks for.
  if (LOCKS in prototype) return;
  // Not enumerable, or loggers would print the `Locks` with each object.
  const set = function (this: object, locks: unknown): void {
    Object.defineProperty(this, LOCKS, { value: locks, configurable: true });
  };
  Object.defineProperty(prototype, LOCKS, { configurable: true, get: () => undefined, set });
  Inject(LOCKS)(prototype, LOCKS);
}

/** Whether the object wants the `Locks` and Nest did not inject them: it was made by a factory, or is a value. */
export const wantsLocks = (one: object): boolean => LOCKS in one && Reflect.get(one, LOCKS) === undefined;

/** Sets the `Locks` of an object that Nest did not make. */
export const giveLocks = (one: object, locks: Locks): void => void Reflect.set(one, LOCKS, locks);

/** The `Locks` of the object whose method is called. */
export function locksOf(one: unknown, what: string): Locks {
  const locks: unknown = typeof one === 'object' && one !== null ? Reflect.get(one, LOCKS) : undefined;
  if (isLocks(locks)) return locks;
  const advice =
    'import LocksModule.forRoot({ backend }) once, and let Nest make the object; in a test without Nest, call the method that does the work without a lock.';
  throw new InvalidOptionError('locks', locks, '', `${what} finds no Locks in its object: ${advice}`);
}

const isLocks = (value: unknown): value is Locks => typeof value === 'object' && value !== null && 'mutex' in value;
