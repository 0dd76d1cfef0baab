/**
 * What a scenario of the web platform's tests is here: run against a lock manager of ours, or against the one of Node.
 * Only `node:assert` is used, so that nothing here depends on whose it is.
 */
import assert from 'node:assert/strict';

/** What the platform's lock managers and ours have in common. */
export interface Manager {
  request(...given: readonly unknown[]): Promise<unknown>;
  query(): Promise<{ readonly held: readonly Info[]; readonly pending: readonly Info[] }>;
}

export interface Info {
  readonly name: string;
  readonly mode: string;
  readonly clientId: string;
}

export interface GrantedLock {
  readonly name: string;
  readonly mode: string;
}

/** A manager of a client of its own: other `Locks`, another process, a worker. */
export interface Client extends Manager {
  /** Ends without releasing anything. */
  terminate(): Promise<void>;
}

/** A lock that is held until it is released. */
export interface Hold {
  /** Resolves with the lock. */
  readonly granted: Promise<GrantedLock | null>;
  /** What the request settles with. */
  readonly done: Promise<unknown>;
  release(value?: unknown): void;
}

/** The managers of one run of a scenario. */
export interface Test {
  readonly here: Manager;
  /** Who contends with it: the same one, or that of another process. */
  readonly there: Manager;
  /** Another client. */
  client(): Promise<Client>;
  /** A name that no other run uses. */
  name(label?: string): string;
  hold(manager: Manager, name: string, options?: object): Hold;
  /** Asks one manager after another, so that the requests are made in this order. */
  inOrder(managers: readonly Manager[], ask: (manager: Manager, index: number) => Promise<unknown>): Promise<Asked>;
  /** Compares what was granted. Where requests for different names are not ordered, those of each name by themselves. */
  grantedInOrder(actual: readonly string[], expected: readonly string[]): void;
}

/** Wrapped, so that awaiting that they have been made does not await their end. */
export interface Asked {
  readonly requests: readonly Promise<unknown>[];
}

export interface Scenario {
  /** The file of the platform's tests. */
  readonly of: string;
  readonly title: string;
  readonly run: (test: Test) => Promise<void>;
}

/** The scenarios of one file. */
export const scenariosOf = (of: string, runs: Readonly<Record<string, Scenario['run']>>): readonly Scenario[] =>
  Object.entries(runs).map(([title, run]) => ({ of, title, run }));

export const rejects = (promise: Promise<unknown>, name: string): Promise<void> => assert.rejects(promise, { name });

/** Rejects with this very value. */
export async function rejectsWith(promise: Promise<unknown>, reason: unknown): Promise<void> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  assert.ok('error' in outcome, 'rejects');
  assert.equal(outcome.error, reason);
}

/** A promise that rejects with what may be no error. */
export const rejected = (reason: unknown): Promise<never> => new Promise((_, reject) => reject(reason));

export const never = (): never => assert.fail('the callback is not called');

export interface Deferred {
  readonly promise: Promise<unknown>;
  readonly resolve: (value?: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

export function deferred(): Deferred {
  let resolve: Deferred['resolve'] = () => undefined;
  let reject: Deferred['reject'] = () => undefined;
  const promise = new Promise<unknown>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}

/** Those of a name, as an array of this realm: what `query()` of Node gives may be of another. */
export const of = (name: string) => (list: readonly Info[]) => [...list].filter((info) => info.name === name);

/** A promise of the platform, and not only something with a `then`. */
export function isPromise(promise: Promise<unknown>): void {
  const { resolve } = promise.constructor as typeof Promise;
  assert.equal(resolve.call(promise.constructor, promise), promise);
}
