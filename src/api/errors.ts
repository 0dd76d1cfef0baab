/**
 * Every error a user of rxlock can meet. Held by another, lost, and out of reach are never the same class.
 */
import { errorFields } from './json.js';
import type { JsonValue } from './json.js';
import type { Holder } from './ownership.js';
import { inWords } from './revocation.js';
import type { ForeignWrite, Revocation } from './revocation.js';
import { described, quoted, shown } from './texts.js';

/** The stable code of each error: what to compare where two copies of the package may be loaded. */
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

/** What an error is known by, and each class of ours; shared by all copies of the package. */
const BRAND = Symbol.for('rxlock.LockError');

/**
 * The base of all errors of rxlock. `instanceof` works across copies of the package (import and require), and of your
 * own subclasses only for what was made by them.
 */
export abstract class LockError extends Error {
  /** The code of the class; none for the base. */
  static readonly code: LockErrorCode | undefined = undefined;
  abstract readonly code: LockErrorCode;
  // Literals, here and below: a minified bundle has other names for the classes.
  override readonly name: string = 'LockError';

  static {
    mark(this);
  }

  /** Two builds mean two copies of each class; the code is what they share. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (!Object.hasOwn(this, BRAND)) return Function.prototype[Symbol.hasInstance].call(this, value);
    if (typeof value !== 'object' || value === null || !(BRAND in value && 'code' in value)) return false;
    return this.code === undefined || this.code === value.code;
  }

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    mark(this);
  }

  /** Name, code, message, what it is about, and the cause: for logs. */
  toJSON(): JsonValue {
    return errorFields(this);
  }
}

function mark(one: object): void {
  Object.defineProperty(one, BRAND, { value: true });
}

/** As long as keys may be, and those of several together. */
const LONGEST_KEY = 1024;

/** More would be a page. */
const MOST_NAMES = 5;

const names = (holders: readonly Holder[]): string => {
  if (holders.length === 0) return 'another client';
  const more = holders.length > MOST_NAMES ? ` and ${holders.length - MOST_NAMES} more` : '';
  return `${holders
    .slice(0, MOST_NAMES)
    .map(({ owner }) => shown(owner))
    .join(', ')}${more}`;
};

/** How a contender is related to who is in its way: nested in it, or of the same `Locks`. */
export type Relation = 'itself' | 'same' | undefined;

const RELATED: Readonly<Record<'itself' | 'same', string>> = {
  itself: ' It is wanted inside the body that holds it, so it waits for itself: locks are not reentrant.',
  same: ' The holder is this same `Locks`.',
};

const related = (relation: Relation): string => (relation ? RELATED[relation] : '');

/** A lock tried once (`wait: 0`) is held by somebody else. */
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
  /** How long it waited, milliseconds. */
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
 * How a lock was lost. `expired`: no renewal was answered in time. `deleted`, `overwritten`: somebody removed or
 * rewrote the claim. `revoked`: somebody took it and said why. `session`: the server says that the lease is gone.
 * `overdue`: it was held for longer than its own `atMost`.
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
  /** What somebody has written over the claim. */
  readonly by?: ForeignWrite | undefined;
}

/** What is written over a claim by hand is mostly a word to whoever had it. */
const said = ({ revocation, value = '' }: ForeignWrite = {}): string => {
  if (revocation) return ` by ${inWords(revocation)}`;
  return value === '' ? '' : `, with ${quoted(value)}`;
};

/** A lock that was held is held no more. What it protected must stop, and has been unsubscribed from already. */
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
  /** Who took it away, and why, where the reason is `revoked`. */
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

/** Released or used as held, though it is not held any more. */
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

/** The `Locks` was closed while the lock was held or awaited, or before. */
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
  readonly value: unknown;

  /** @param sentence the whole message, where `option is value: advice` would not read well */
  constructor(
    option: string,
    value: unknown,
    advice: string,
    sentence = `${option} is ${described(value)}: ${advice}`,
  ) {
    super(sentence);
    this.option = option;
    this.value = value;
  }
}

/** Whether the server may have carried out a request that failed. */
export type RequestOutcome = 'none' | 'unknown';

interface BackendFailure {
  readonly retryable: boolean;
  /** `'unknown'` by default where `retryable`, else `'none'`. */
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
  /** Whether asking again may help without anybody changing something: credentials, a role, the space on a disk. */
  readonly retryable: boolean;
  /** `'none'`: the request changed nothing on the server. `'unknown'`: it may have been carried out, now or later. */
  readonly outcome: RequestOutcome;

  constructor(message: string, { retryable, outcome, cause }: BackendFailure) {
    super(message, { cause });
    this.retryable = retryable;
    this.outcome = outcome ?? (retryable ? 'unknown' : 'none');
  }
}

/** Whether it was refused for good: the server changed nothing, and asking again does not help. */
export const isRefusal = ({ retryable, outcome }: BackendError): boolean => !retryable && outcome === 'none';

/** What another process of the fleet ran for all has failed there: with `failures: 'count'`, and of a shared source. */
export class RunFailedError extends LockError {
  static override readonly code = 'RUN_FAILED';

  static {
    mark(this);
  }

  override readonly name = 'RunFailedError';
  readonly code = 'RUN_FAILED';
  readonly key: string;
  /** The `owner` of the locks under which it ran. */
  readonly by: string;
  /** What its error said. */
  readonly reason: string;

  constructor({ key, by, reason }: { key: string; by: string; reason: string }) {
    super(`${quoted(key, LONGEST_KEY)} has failed at ${shown(by)}: ${shown(reason)}`);
    this.key = key;
    this.by = by;
    this.reason = reason;
  }
}

/** What was run for the whole fleet has a result that the others cannot get: too large, or not the same after JSON. */
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
