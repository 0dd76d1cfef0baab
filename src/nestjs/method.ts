/**
 * What is common to the decorators of methods: which method they are on, and how it is wrapped.
 */
import type {} from 'reflect-metadata';
import type { Observable } from 'rxjs';
import { InvalidOptionError } from '../index.js';
import type { Lock, Locks } from '../index.js';
import { FORM } from './tokens.js';

/** What can be done under a lock: something that takes time. */
export type LockableMethod = (...args: never[]) => PromiseLike<unknown> | Observable<unknown>;

/** The decorator of a method that can be called with what its key is made of. */
export type MethodDecoratorFor<A extends readonly unknown[]> = <M extends LockableMethod>(
  prototype: object,
  name: string | symbol,
  descriptor: TypedPropertyDescriptor<M> & (Parameters<M> extends readonly [...A, ...unknown[]] ? unknown : never),
) => void;

/** A key, or how it is made of the arguments of the method; `this` is its object. */
export type KeyOf<A extends readonly unknown[]> = string | ((...args: A) => string);

/** Whether what a method does begins when it is called, or when it is subscribed to. */
export type Form = 'promise' | 'observable';

/** A method under a decorator. */
export interface Decorated {
  /** For messages: `@WithLock on Invoices.bill`. */
  readonly what: string;
  readonly form: Form;
}

/** How a decorator makes its lock of a key. */
export type LockOf = (locks: Locks, key: string) => Lock;

/** A call of a decorated method. */
export interface Call {
  readonly self: unknown;
  readonly args: unknown[];
  /** Runs the method itself. */
  run(): unknown;
}

/** What a decorator is on, or an error that says what it should be on. */
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

/** The method with something around each call. It keeps its name, its length and the metadata that others put on it. */
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

/** As the user says, else as the compiler has written down (emitDecoratorMetadata), else a promise. */
export function formOf(prototype: object, name: string | symbol, said: Form | undefined): Form {
  if (said !== undefined && !['promise', 'observable'].includes(said)) {
    throw new InvalidOptionError('returns', said, "give 'promise' or 'observable'.");
  }
  const type: unknown = Reflect.getMetadata('design:returntype', prototype, name);
  return said ?? (isObservableClass(type) ? 'observable' : 'promise');
}

/** Writes the form down, for who looks at the methods of an application. */
export const markForm = (method: object, form: Form): void => Reflect.defineMetadata(FORM, form, method);

/** By shape: another copy of RxJS has another class. */
const isObservableClass = (type: unknown): boolean => {
  const prototype: unknown = typeof type === 'function' ? type.prototype : undefined;
  return typeof prototype === 'object' && prototype !== null && 'subscribe' in prototype && 'pipe' in prototype;
};

/** The key of a call. That the method takes what its key is made of was checked by the compiler. */
export function keyFor(key: string | CallableFunction, { self, args }: Call): string {
  if (typeof key === 'string') return key;
  const made: unknown = Reflect.apply(key, self, args);
  if (typeof made === 'string') return made;
  throw new InvalidOptionError('key', made, 'have the function make a text of the arguments.');
}

export const mutex: LockOf = (locks, key) => locks.mutex(key);
