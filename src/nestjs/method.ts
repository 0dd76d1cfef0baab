/**
 * Common to the method decorators: checks the method and wraps it.
 */
import type {} from 'reflect-metadata';
import type { Observable } from 'rxjs';
import { InvalidOptionError } from '../index.js';
import type { Lock, Locks } from '../index.js';
import { FORM } from './tokens.js';

/** A method that can run under a lock: it returns a promise or an Observable. */
export type LockableMethod = (...args: never[]) => PromiseLike<unknown> | Observable<unknown>;

/** A decorator for methods whose arguments begin with those of the key function. */
export type MethodDecoratorFor<A extends readonly unknown[]> = <M extends LockableMethod>(
  prototype: object,
  name: string | symbol,
  descriptor: TypedPropertyDescriptor<M> & (Parameters<M> extends readonly [...A, ...unknown[]] ? unknown : never),
) => void;

/** A key, or a function that makes it from the arguments of the method; `this` is the object of the method. */
export type KeyOf<A extends readonly unknown[]> = string | ((...args: A) => string);

/** Whether the work of a method begins at its call (`promise`) or at the subscription (`observable`). */
export type Form = 'promise' | 'observable';

/** Makes the lock of a decorator from its key. */
export type LockOf = (locks: Locks, key: string) => Lock;

/** A call of a decorated method. */
export interface Call {
  readonly self: unknown;
  readonly args: unknown[];
  /** Runs the method itself. */
  run(): unknown;
}

/** The decorated method. Throws an InvalidOptionError if the decorator is on anything else. */
export function checkedMethod<M extends LockableMethod>(
  decorator: string,
  prototype: unknown,
  name: string | symbol | object,
  descriptor: TypedPropertyDescriptor<M> | undefined,
): { readonly what: string; readonly method: M } {
  const refuse = (advice: string): never => {
    throw new InvalidOptionError('decorator', decorator, '', `${decorator}: ${advice}`);
  };
  if (typeof name === 'object') {
    return refuse("set experimentalDecorators in tsconfig.json, as Nest needs: these are TypeScript's own decorators.");
  }
  const owner = typeof prototype === 'object' && prototype !== null ? prototype.constructor.name : 'static';
  const what = `${decorator} on ${owner}.${String(name)}`;
  if (typeof prototype === 'function') {
    return refuse('a static method has no object that Nest could give Locks to. Put it on a method of a provider.');
  }
  const method = descriptor?.value;
  if (typeof method !== 'function') return refuse('it goes on a method, not on a property, an accessor or a class.');
  return { what, method };
}

/** Wraps each call of the method. The result keeps the name, the length and the metadata of the method. */
export function wrapped<M extends LockableMethod>(method: M, around: (call: Call) => unknown): M {
  const wrapper = new Proxy(method, {
    apply: (target, self: unknown, args: unknown[]) =>
      around({ self, args, run: (): unknown => Reflect.apply(target, self, args) }),
  });
  for (const key of Reflect.getOwnMetadataKeys(method)) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, method), wrapper);
  }
  return wrapper;
}

/** The form that the user gave, else that of the compiled metadata (emitDecoratorMetadata), else `promise`. */
export function formOf(prototype: object, name: string | symbol, said: Form | undefined): Form {
  if (said !== undefined && !['promise', 'observable'].includes(said)) {
    throw new InvalidOptionError('returns', said, "give 'promise' or 'observable'.");
  }
  const type: unknown = Reflect.getMetadata('design:returntype', prototype, name);
  return said ?? (isObservableClass(type) ? 'observable' : 'promise');
}

/** Stores the form as metadata, for the check at the start of the application. */
export const markForm = (method: object, form: Form): void => Reflect.defineMetadata(FORM, form, method);

/** Checked by shape, since another copy of RxJS has another class. */
const isObservableClass = (type: unknown): boolean => {
  const prototype: unknown = typeof type === 'function' ? type.prototype : undefined;
  return typeof prototype === 'object' && prototype !== null && 'subscribe' in prototype && 'pipe' in prototype;
};

/** The key of a call. The compiler has checked that the arguments of the method fit the key function. */
export function keyFor(key: string | CallableFunction, { self, args }: Call): string {
  if (typeof key === 'string') return key;
  const made: unknown = Reflect.apply(key, self, args);
  if (typeof made === 'string') return made;
  throw new InvalidOptionError('key', made, 'have the function make a text of the arguments.');
}

export const mutex: LockOf = (locks, key) => locks.mutex(key);
