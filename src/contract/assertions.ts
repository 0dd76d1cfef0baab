/**
 * Assertions of the contract, in addition to those of Node.
 */
import { deepEqual, equal, fail, throws } from 'node:assert/strict';
import type { LockErrorCode } from '../api/errors.js';

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isPlain = (value: unknown): value is object =>
  isObject(value) && Object.getPrototypeOf(value) === Object.prototype;

/** The parts of `actual` that `expected` names. */
function partOf(actual: unknown, expected: unknown): unknown {
  if (Array.isArray(actual) && Array.isArray(expected)) {
    return actual.map((one: unknown, place) => (place < expected.length ? partOf(one, expected[place]) : one));
  }
  if (!isObject(actual) || !isPlain(expected)) return actual;
  return Object.fromEntries(
    Object.entries(expected).map(([name, value]) => [name, partOf(Reflect.get(actual, name), value)]),
  );
}

/** Asserts that `actual` has all that is expected; it may have more. */
export const matches = (actual: unknown, expected: unknown): void => deepEqual(partOf(actual, expected), expected);

/** The code of an error. Errors are compared by code, since a backend may be of another copy of the package. */
export const codeOf = (error: unknown): unknown => (isObject(error) ? Reflect.get(error, 'code') : error);

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => fail(`expected a rejection, got ${String(value)}`),
    (error: unknown) => error,
  );

export async function matchesRejection(promise: Promise<unknown>, expected: object): Promise<void> {
  matches(await failureOf(promise), expected);
}

export const rejectsWith = (promise: Promise<unknown>, code: LockErrorCode): Promise<void> =>
  matchesRejection(promise, { code });

/** Asserts a rejection with this same error object. */
export async function rejectsAs(promise: Promise<unknown>, reason: Error): Promise<void> {
  equal(await failureOf(promise), reason);
}

export const throwsWith = (call: () => unknown, code: LockErrorCode): void =>
  throws(call, (error: unknown) => codeOf(error) === code);
