/**
 * What the errors of node-etcd and the codes of the v2 API mean for a lock.
 */
import { BackendError } from '../../api/errors.js';
import { withoutCredentials } from '../../api/texts.js';

/** A refusal of the server, with its code and the index of the store. */
export interface Refusal {
  readonly code: number;
  readonly index: bigint;
}

/** Codes of the v2 API that are answers, not faults. */
export const KEY_NOT_FOUND = 100;
export const COMPARE_FAILED = 101;
export const NOT_A_KEY = 102;
export const KEY_EXISTS = 105;
export const NOT_EMPTY = 108;
/**
 * The answer to a watch: more than 1,000 events have happened since its index, and the first of them are no longer
 * stored.
 */
export const HISTORY_CLEARED = 401;
const ANSWERS: ReadonlySet<number> = new Set([
  KEY_NOT_FOUND,
  COMPARE_FAILED,
  NOT_A_KEY,
  KEY_EXISTS,
  NOT_EMPTY,
  HISTORY_CLEARED,
]);

const DIRECTORY =
  'the key is a directory, and other keys lie below it. On etcd v2 `a` and `a/b` cannot both be locked at a time: give ' +
  'them other names, and encode what users may choose (encodeURIComponent).';

const ADVICE: ReadonlyMap<number, string> = new Map([
  [
    104,
    'a part of the key is a key itself. On etcd v2 `a` and `a/b` cannot both be locked at a time: give them other names.',
  ],
  [107, 'the key is the root, which cannot be locked.'],
  [
    110,
    'the user may not do that: give the client its user, and its role read and write on the keys of the locks, best ' +
      'on all below a folder (`/locks/*`), which is watched as one where there are many.',
  ],
]);

/** The refusal that an error stands for; `undefined` if it is a fault. */
export function refusalOf(error: unknown): Refusal | undefined {
  const code = numberIn(error, 'errorCode');
  if (code === undefined || !ANSWERS.has(code)) return undefined;
  return { code, index: BigInt(numberIn(fieldOf(error, 'error'), 'index') ?? 0) };
}

/** The error of the client as a BackendError, with advice. */
export function toBackendError(what: string, error: unknown): BackendError {
  const cause = causeOf(error);
  const code = numberIn(error, 'errorCode');
  if (code !== undefined) {
    const advice = ADVICE.get(code) ?? `the server answers with error ${code}.`;
    // Codes 300 to 399 are about the cluster, such as an election of etcd: they pass.
    const retryable = code >= 300 && code < 400;
    return new BackendError(`node-etcd could not ${what}: ${advice}`, { retryable, cause });
  }
  const advice = `${cause.message}. Is etcd up, and are the hosts of the client right?`;
  return new BackendError(`node-etcd could not ${what}: ${advice}`, { retryable: true, cause });
}

/** The error for a directory with keys in it, in the place of a lock. */
export const directoryError = (what: string): BackendError =>
  new BackendError(`node-etcd could not ${what}: ${DIRECTORY}`, { retryable: false });

/**
 * A copy of the client's error with the parts that may be shown. The error itself contains the answers of the server,
 * and in them the requests with their credentials.
 */
function causeOf(error: unknown): Error {
  const message = typeof error === 'string' ? error : (textIn(error, 'message') ?? 'no reason was given');
  const tries = fieldOf(error, 'errors');
  const reasons = Array.isArray(tries) ? tries.map(reasonOf) : [];
  const text = [message, ...new Set(reasons)].join(', ');
  const code = numberIn(error, 'errorCode');
  return Object.assign(new Error(withoutCredentials(text)), code !== undefined && { errorCode: code });
}

/** The message of node-etcd says only that all servers failed; the reasons are in a list. */
function reasonOf(attempt: unknown): string {
  const server = textIn(attempt, 'server') ?? 'a server';
  const status = numberIn(attempt, 'httpstatus');
  const why = textIn(fieldOf(attempt, 'httperror'), 'message');
  return `${server}: ${why ?? (status === undefined ? 'no answer' : `HTTP status ${status}`)}`;
}

/**
 * Errors are read by their fields, not by their class: they may come from another realm or another copy of the client.
 */
const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

function textIn(value: unknown, name: string): string | undefined {
  const field = fieldOf(value, name);
  return typeof field === 'string' ? field : undefined;
}

function numberIn(value: unknown, name: string): number | undefined {
  const field = fieldOf(value, name);
  return typeof field === 'number' ? field : undefined;
}
