/**
 * Every error that a user of rxlock can get. "Held by another client", "lost" and "server out of reach" are always
 * different classes.
 */
import { errorFields } from './json.js';
import type { JsonValue } from './json.js';
import type { Holder } from './ownership.js';
import { inWords } from './revocation.js';
import type { ForeignWrite, Revocation } from './revocation.js';
import { described, quoted, shown, withoutCredentials } from './texts.js';

/** The stable code of each error. Compare the code where two copies of the package may be loaded. */
export type LockErrorCode =
  | 'ALREADY_LOCKED'
  | 'LOCK_TIMEOUT'
  | 'LOCK_LOST'
  | 'LOCK_NOT_OWNED'
  | 'LOCKS_CLOSED'
  | 'INVALID_OPTION'
  | 'BACKEND'
  | 'RUN_FAILED'
  | 'RUN_RESULT';

/** Marks our error classes and their instances; the symbol is shared by all copies of the package. */
const BRAND = Symbol.for('rxlock.LockError');

/**
 * The base of all errors of rxlock. `instanceof` works across copies of the package (import and require). For your own
 * subclasses it works as usual.
 */
export abstract class LockError extends Error {
  /** The code of the class; none for the base. */
  static readonly code: LockErrorCode | undefined = undefined;
  abstract readonly code: LockErrorCode;
  // A literal, here and below: a minifier renames the classes.
  override readonly name: string = 'LockError';

  static {
    mark(this);
  }

  /** Two builds have two copies of each class; both copies have the same code. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (!Object.hasOwn(this, BRAND)) return Function.prototype[Symbol.hasInstance].call(this, value);
    if (typeof value !== 'object' || value === null || !(BRAND in value && 'code' in value)) return false;
    return this.code === undefined || this.code === value.code;
  }

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    mark(this);
  }

  /** Name, code, message, the fields of the class, and the cause: for logs. */
  toJSON(): JsonValue {
    return errorFields(this);
  }
}

function mark(one: object): void {
  Object.defineProperty(one, BRAND, { value: true });
}

/** The longest key that a message shows in full, in characters. */
const LONGEST_KEY = 1024;

/** A message lists this many holders at most. */
const MOST_NAMES = 5;

const names = (holders: readonly Holder[]): string => {
  if (holders.length === 0) return 'another client';
  const more = holders.length > MOST_NAMES ? ` and ${holders.length - MOST_NAMES} more` : '';
  return `${holders
    .slice(0, MOST_NAMES)
    .map(({ owner }) => shown(owner))
    .join(', ')}${more}`;
};

/**
 * How a contender is related to the holder: `itself` if it contends inside the holder's body, `same` if the holder is
 * of the same `Locks`.
 */
export type Relation = 'itself' | 'same' | undefined;

const RELATED: Readonly<Record<'itself' | 'same', string>> = {
  itself: ' The contender runs inside the body of the holder, so it waits for itself: locks are not reentrant.',
  same: ' The holder is of the same `Locks`.',
};

const related = (relation: Relation): string => (relation ? RELATED[relation] : '');

/** The lock was tried once (`wait: 0`), and another client holds it. */
export class AlreadyLockedError extends LockError {
  static override readonly code = 'ALREADY_LOCKED';

  static {
    mark(this);
  }

  override readonly name = 'AlreadyLockedError';
  readonly code = 'ALREADY_LOCKED';
  readonly key: string;
  readonly holders: readonly Holder[];

  constructor({ key, holders, relation }: { key: string; holders: readonly Holder[]; relation?: Relation }) {
    const advice = relation === 'itself' ? '' : ' Give a longer `wait` to queue for it.';
    super(`${quoted(key, LONGEST_KEY)} is held by ${names(holders)}.${related(relation)}${advice}`);
    this.key = key;
    this.holders = holders;
  }
}

interface Waited {
  readonly key: string;
  readonly wait: number;
  readonly holders: readonly Holder[];
  readonly relation?: Relation;
}

/** The `wait` of a contender ran out before its turn came. */
export class LockTimeoutError extends LockError {
  static override readonly code = 'LOCK_TIMEOUT';

  static {
    mark(this);
  }

  override readonly name = 'LockTimeoutError';
  readonly code = 'LOCK_TIMEOUT';
  readonly key: string;
  /** The `wait` that ran out, milliseconds. */
  readonly wait: number;
  readonly holders: readonly Holder[];

  constructor({ key, wait, holders, relation }: Waited) {
    const held = `it is held by ${names(holders)}.${related(relation)}`;
    super(`${quoted(key, LONGEST_KEY)} did not become free within ${wait} ms: ${held}`);
    this.key = key;
    this.wait = wait;
    this.holders = holders;
  }
}

/**
 * How a lock was lost. `expired`: no renewal was answered in time. `deleted`, `overwritten`: another client deleted or
 * overwrote the claim. `revoked`: another client took the lock away and gave a reason. `session`: the server says that
 * the lease is gone. `overdue`: the lock was held for longer than its `atMost`.
 */
export type LossReason = 'expired' | 'deleted' | 'overwritten' | 'revoked' | 'session' | 'overdue';

const LOSS: Readonly<Record<LossReason, string>> = {
  expired: 'no renewal was answered before its deadline',
  deleted: 'its claim was deleted on the server',
  overwritten: 'its claim was overwritten on the server',
  revoked: 'it was taken away',
  session: 'the server says that its lease is gone',
  overdue: 'it was held for longer than its `atMost`',
};

interface Loss {
  readonly key: string;
  readonly reason: LossReason;
  readonly fencingToken: bigint;
  readonly cause?: unknown;
  /** What another client has written over the claim. */
  readonly by?: ForeignWrite | undefined;
}

/** An operator who overwrites a claim by hand mostly writes a message to its holder. */
const said = ({ revocation, value = '' }: ForeignWrite = {}): string => {
  if (revocation) return ` by ${inWords(revocation)}`;
  return value === '' ? '' : `, with ${quoted(value)}`;
};

/**
 * A lock that was held has been lost. The work under the lock must stop; its stream has been unsubscribed from already.
 */
export class LockLostError extends LockError {
  static override readonly code = 'LOCK_LOST';

  static {
    mark(this);
  }

  override readonly name = 'LockLostError';
  readonly code = 'LOCK_LOST';
  readonly key: string;
  readonly reason: LossReason;
  readonly fencingToken: bigint;
  /** Who took the lock away, and why; set if the reason is `revoked`. */
  readonly revocation: Revocation | undefined;

  constructor({ key, reason, fencingToken, cause, by }: Loss) {
    super(
      `Lost ${quoted(key, LONGEST_KEY)}: ${LOSS[reason]}${said(by)}. Another client may hold it now: stop writing, ` +
        `or have writes with fencing token ${fencingToken} refused.`,
      { cause },
    );
    this.key = key;
    this.reason = reason;
    this.fencingToken = fencingToken;
    this.revocation = by?.revocation;
  }
}

/** The lock was released, or used as if held, after it was lost or released. */
export class LockNotOwnedError extends LockError {
  static override readonly code = 'LOCK_NOT_OWNED';

  static {
    mark(this);
  }

  override readonly name = 'LockNotOwnedError';
  readonly code = 'LOCK_NOT_OWNED';
  readonly key: string;

  constructor({ key, message, cause }: { key: string; message?: string; cause?: unknown }) {
    super(
      message ??
        `${quoted(key, LONGEST_KEY)} is not held any more, so it cannot be released: see the cause, and take it again.`,
      {
        cause,
      },
    );
    this.key = key;
  }
}

/** The `Locks` was closed before the call, or while the contender waited or held. */
export class LocksClosedError extends LockError {
  static override readonly code = 'LOCKS_CLOSED';

  static {
    mark(this);
  }

  override readonly name = 'LocksClosedError';
  readonly code = 'LOCKS_CLOSED';
  readonly key: string;

  constructor({ key }: { key: string }) {
    super(
      `${quoted(key, LONGEST_KEY)} cannot be held: close() was called. Make new locks with createLocks() to go on.`,
    );
    this.key = key;
  }
}

/** No address is longer: of a longer text, a message shows the beginning only. */
const LONGEST_URL = 2000;

/**
 * Invalid argument: thrown at the call, before anything is sent. Forms that return a promise reject with it.
 */
export class InvalidOptionError extends LockError {
  static override readonly code = 'INVALID_OPTION';

  static {
    mark(this);
  }

  override readonly name = 'InvalidOptionError';
  readonly code = 'INVALID_OPTION';
  readonly option: string;
  /** As it was given. Not enumerable, so that no log shows it: it may contain a password, or be a whole client. */
  declare readonly value: unknown;

  /** @param sentence the whole message, for cases where `option is value: advice` does not read well */
  constructor(
    option: string,
    value: unknown,
    advice: string,
    sentence = `${option} is ${described(typeof value === 'string' ? withoutCredentials(value.slice(0, LONGEST_URL)) : value)}: ${advice}`,
  ) {
    super(sentence);
    this.option = option;
    Object.defineProperty(this, 'value', { value });
  }
}

/** Whether the server may have carried out a request that failed. */
export type RequestOutcome = 'none' | 'unknown';

interface BackendFailure {
  readonly retryable: boolean;
  /** The default is `'unknown'` if `retryable`, else `'none'`. */
  readonly outcome?: RequestOutcome | undefined;
  readonly cause?: unknown;
}

/**
 * The server could not be reached, or refused the request. `cause` is the client's own error.
 *
 * | `retryable` | `outcome`   | for example                     | what the engine does                              |
 * | ----------- | ----------- | ------------------------------- | ------------------------------------------------- |
 * | `true`      | `'unknown'` | no answer, the connection broke | asks again; in the end, withdraws what was asked  |
 * | `false`     | `'none'`    | permission denied, bad request  | tells its user at once                            |
 * | `false`     | `'unknown'` | the server's disk is full       | tells its user at once; withdraws what was asked  |
 * | `true`      | `'none'`    | the request was never sent      | asks again                                        |
 */
export class BackendError extends LockError {
  static override readonly code = 'BACKEND';

  static {
    mark(this);
  }

  override readonly name = 'BackendError';
  readonly code = 'BACKEND';
  /**
   * Whether the same request may succeed later without a change by an administrator (credentials, a role, disk space).
   */
  readonly retryable: boolean;
  /** `'none'`: the request changed nothing on the server. `'unknown'`: it may have been carried out, now or later. */
  readonly outcome: RequestOutcome;

  constructor(message: string, { retryable, outcome, cause }: BackendFailure) {
    super(message, { cause });
    this.retryable = retryable;
    this.outcome = outcome ?? (retryable ? 'unknown' : 'none');
  }
}

/** Whether the server refused for good: it changed nothing, and asking again does not help. */
export const isRefusal = ({ retryable, outcome }: BackendError): boolean => !retryable && outcome === 'none';

/** The run of another process failed: a `runOnce` with `failures: 'count'`, or the source of `shareAcross`. */
export class RunFailedError extends LockError {
  static override readonly code = 'RUN_FAILED';

  static {
    mark(this);
  }

  override readonly name = 'RunFailedError';
  readonly code = 'RUN_FAILED';
  readonly key: string;
  /** The `owner` of the `Locks` that ran it. */
  readonly by: string;
  /** The message of its error. */
  readonly reason: string;

  constructor({ key, by, reason }: { key: string; by: string; reason: string }) {
    super(`${quoted(key, LONGEST_KEY)} has failed at ${shown(by)}: ${shown(reason)}`);
    this.key = key;
    this.by = by;
    this.reason = reason;
  }
}

/**
 * A run for the whole fleet produced a result that other processes cannot get: it is too large, or JSON would change
 * it.
 */
export class RunResultError extends LockError {
  static override readonly code = 'RUN_RESULT';

  static {
    mark(this);
  }

  override readonly name = 'RunResultError';
  readonly code = 'RUN_RESULT';
  readonly key: string;

  constructor({ key, objection, cause }: { key: string; objection: string; cause?: unknown }) {
    super(`The result of ${quoted(key, LONGEST_KEY)} cannot be kept for others: ${objection}`, { cause });
    this.key = key;
  }
}
