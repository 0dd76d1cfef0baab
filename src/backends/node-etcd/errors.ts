/**
 * What node-etcd's errors and the codes of the v2 API mean for a lock.
 */
import { BackendError } from '../../api/errors.js';

/** The server's no, with its reason and the index at which it was said. */
export interface Refusal {
  readonly code: number;
  readonly index: bigint;
}

/** Codes of the v2 API that answer what was asked. */
export const KEY_NOT_FOUND = 100;
export const COMPARE_FAILED = 101;
export const KEY_EXISTS = 105;
/** Of a watch: from its index on more than 1,000 things have happened in the store, and the first are forgotten. */
export const HISTORY_CLEARED = 401;
const ANSWERS: ReadonlySet<number> = new Set([KEY_NOT_FOUND, COMPARE_FAILED, KEY_EXISTS, HISTORY_CLEARED]);

const DIRECTORY =
  'the key is a directory: other keys lie below it, or did once. On etcd v2 `a` and `a/b` cannot both be locked: name ' +
  'them apart, and remove a directory that is empty with `curl -X DELETE .../v2/keys/a?dir=true`.';

const ADVICE: ReadonlyMap<number, string> = new Map([
  [102, DIRECTORY],
  [104, 'a part of the key is a key itself. On etcd v2 `a` and `a/b` cannot both be locked: name them apart.'],
  [107, 'the key is the root, which cannot be locked.'],
  [108, DIRECTORY],
  [
    110,
    'the user may not do that: give the client its user, and its role read and write on the keys of the locks, best ' +
      'on all below a folder (`/locks/*`), which is watched as one where there are many.',
  ],
]);

/** `undefined` when the error is none of the server's answers. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!hasCode(error) || !ANSWERS.has(error.errorCode)) return undefined;
  const index = 'index' in error.error && typeof error.error.index === 'number' ? error.error.index : 0;
  return { code: error.errorCode, index: BigInt(index) };
}

/** The client's error as ours, with a sentence that says what to do. */
export function toBackendError(what: string, error: unknown): BackendError {
  if (hasCode(error)) {
    const advice = ADVICE.get(error.errorCode) ?? `the server answers with error ${error.errorCode}.`;
    // Elections pass.
    const retryable = error.errorCode >= 300 && error.errorCode < 400;
    return new BackendError(`node-etcd could not ${what}: ${advice}`, { retryable, cause: error });
  }
  const text = reasonsOf(error);
  const advice = `${text}. Is etcd up, and are the hosts of the client right?`;
  return new BackendError(`node-etcd could not ${what}: ${advice}`, { retryable: true, cause: error });
}

/** There is a directory where a key was looked for. It is no error of the server's, but no key will ever be there. */
export const directoryError = (what: string): BackendError =>
  new BackendError(`node-etcd could not ${what}: ${DIRECTORY}`, { retryable: false });

/** node-etcd says only that all servers failed, and keeps how in a list. */
function reasonsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const tried: readonly unknown[] = 'errors' in error && Array.isArray(error.errors) ? error.errors : [];
  const reasons = tried.filter(isTry).map(({ server, httperror }) => `${server}: ${httperror.message}`);
  return [error.message, ...new Set(reasons)].join(', ');
}

interface Try {
  readonly server: string;
  readonly httperror: { readonly message: string };
}

const isTry = (entry: unknown): entry is Try =>
  hasText(entry, 'server') && 'httperror' in entry && hasText(entry.httperror, 'message');

const hasText = <Name extends string>(value: unknown, name: Name): value is Readonly<Record<Name, string>> =>
  typeof value === 'object' && value !== null && typeof Reflect.get(value, name) === 'string';

interface CodedError extends Error {
  readonly errorCode: number;
  readonly error: object;
}

const hasCode = (error: unknown): error is CodedError =>
  error instanceof Error &&
  'errorCode' in error &&
  typeof error.errorCode === 'number' &&
  'error' in error &&
  typeof error.error === 'object' &&
  error.error !== null;
