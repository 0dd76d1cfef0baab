/**
 * The options of the API. They are checked once, at the call: behind it they are complete and valid.
 */
import { platform } from '#platform';
import type { SchedulerLike } from 'rxjs';
import type { Clock } from '../time/clock.js';
import { InvalidOptionError } from './errors.js';
import { builtInClass, checkedNames } from './known-options.js';
import { checkedFunction, checkedSignal } from './shapes.js';
import type { JsonValue } from './json.js';
import { described, shown } from './texts.js';
import type { RevokeOptions } from './revocation.js';

/** The options of `createLocks`. Durations are milliseconds. */
export interface LocksOptions {
  /**
   * How long the server keeps our locks after the last renewal, 10 000 by default. The server may grant more (etcd:
   * whole seconds, at least 2).
   */
  readonly ttl?: number | undefined;
  /** The label shown to observers, `host:pid` by default. Never used to decide ownership. */
  readonly owner?: string | undefined;
  /** The time from one renewal to the next, a third of the granted ttl by default. */
  readonly renewEvery?: number | undefined;
  /** How long before the server's expiry a lock counts as lost, `max(250, 10 % of the granted ttl)` by default. */
  readonly safetyMargin?: number | undefined;
  /**
   * Where locks are renewed from. `main`, the default: in the thread that holds them, so a body that blocks the event
   * loop for longer than about half a ttl loses them. `worker`: a second thread renews them while the first one is
   * blocked. On etcd v3 only, with rxlock's own client.
   */
  readonly renewIn?: 'main' | 'worker' | undefined;
  /**
   * With `renewIn: 'worker'`: how long the event loop may be blocked before its locks run out nevertheless,
   * milliseconds; six times the ttl by default, but a minute at most. Another client can hold them at most `maxStall` +
   * ttl after the event loop stopped.
   */
  readonly maxStall?: number | undefined;
  /**
   * Put before every key on the server, and nowhere else: errors, events and states show the keys that you give. So
   * teams can share a server, each with a role for its own prefix. None by default.
   */
  readonly prefix?: string | undefined;
  /**
   * Where timers run. In a marble test give the TestScheduler, which is then the clock, too. A scheduler of real time
   * is never the clock.
   */
  readonly scheduler?: SchedulerLike | undefined;
  /**
   * The clock that deadlines are compared with: by default the scheduler if it is a virtual one, else a clock that
   * counts the sleep of the machine.
   */
  readonly clock?: Clock | undefined;
  /** The source of jitter, `Math.random` by default. Give a seeded one for repeatable tests. */
  readonly random?: (() => number) | undefined;
}

/** The options of contending for a lock. */
export interface ContendOptions {
  /** How long to contend, milliseconds. `Infinity` by default, `0` tries once. */
  readonly wait?: number | undefined;
  /** Aborting it withdraws a waiter and releases a holder; the stream errors with the signal's reason, unchanged. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Aborting it ends the wait only: a lock that is already held stays held. The stream errors with the signal's reason.
   */
  readonly waitSignal?: AbortSignal | undefined;
  /**
   * What happens when `wait` is over while others hold the lock. `error`, the default: the stream errors with an
   * {@link AlreadyLockedError} or a {@link LockTimeoutError}. `skip`: the stream completes without a value; `acquire`
   * and `use` resolve with `undefined`.
   */
  readonly onBusy?: 'error' | 'skip' | undefined;
  /**
   * How long the lock stays taken, milliseconds from the moment it is held, even if it is released earlier or the
   * process ends. For jobs that may end before the clocks of other instances have reached the start time. If the lock
   * is released earlier, the claim moves to a lease of its own that nobody renews; the server may keep it longer (etcd:
   * whole seconds, at least 2). `0` by default.
   */
  readonly atLeast?: number | undefined;
  /**
   * How long the lock may be held, milliseconds. After that it is lost, with reason `overdue`, and the next contender
   * gets it. For work that may hang. `Infinity` by default.
   */
  readonly atMost?: number | undefined;
  /** Shown to observers beside the owner: any JSON, copied at the call. Not stored on etcd v2. */
  readonly meta?: Meta | undefined;
}

/** Any value that JSON can carry. `object` admits interfaces, which have no index signature. */
export type Meta = string | number | boolean | null | object;

/** The options of {@link Locks.close}. */
export interface CloseOptions {
  /**
   * How long holders may go on, milliseconds. Waiters are withdrawn at once, and no new contender is let in. `0` by
   * default: everything ends at once.
   */
  readonly drain?: number | undefined;
}

/** The options of {@link Locks.ping}. */
export interface PingOptions {
  /** How long to wait for the answer, milliseconds; 5 000 by default. */
  readonly within?: number | undefined;
  /** The lock whose queue is read: a key that the role may read. `ping` by default, below the `prefix`. */
  readonly key?: string | undefined;
}

/** Options with which a contender completes without an error if others hold the lock. */
export type SkipOptions = ContendOptions & { readonly onBusy: 'skip' };

/** As the user gave them; `undefined` stands for the default. */
export interface TimingOptions {
  readonly renewEvery: number | undefined;
  readonly safetyMargin: number | undefined;
}

/** {@link LocksOptions} without gaps. */
export interface Settings extends TimingOptions {
  readonly ttl: number;
  readonly owner: string;
  readonly renewIn: 'main' | 'worker';
  readonly maxStall: number;
  /** The prefix of all keys on the server; it is checked together with each key. */
  readonly prefix: string;
  readonly random: () => number;
}

/** The signals that end a contention from outside. */
export interface Signals {
  /** Ends the wait and the hold. */
  readonly always: AbortSignal | undefined;
  /** Ends the wait. */
  readonly waiting: AbortSignal | undefined;
}

/** {@link ContendOptions} without gaps. */
export interface AcquireOptions {
  readonly wait: number;
  /** `undefined` if the user gave no signal. */
  readonly signal: Signals | undefined;
  /** Milliseconds from the moment the lock is held; 0 for none. */
  readonly atLeast: number;
  /** Milliseconds from the moment the lock is held; `Infinity` for no limit. */
  readonly atMost: number;
  /** A copy: later changes of the user's object must not change what was checked. */
  readonly meta: JsonValue | undefined;
}

const DEFAULT_TTL = 10_000;

/** A longer lease would keep a dead client's locks for more than a day. */
const LONGEST_TTL = 24 * 60 * 60 * 1000;

/**
 * A lease must outlive a few round trips and its own renewal. Not checked in virtual time, where a millisecond can be a
 * whole frame.
 */
const SHORTEST_TTL = 1000;

/**
 * Checks and completes the options, or throws an InvalidOptionError. `isVirtual`: durations are frames of a marble
 * diagram, and may be short.
 */
export function checkedSettings(options: LocksOptions, isVirtual = true): Settings {
  const { ttl: givenTtl = DEFAULT_TTL } = options;
  const ttl = checkedDuration('ttl', givenTtl);
  if (ttl > LONGEST_TTL) {
    throw new InvalidOptionError(
      'ttl',
      ttl,
      'more than a day. Renewal is automatic: give how long a lock outlives its process, not how long it is held.',
    );
  }
  if (ttl < SHORTEST_TTL && !isVirtual) {
    const meant = String(Math.round(ttl * 1000)).replace(/\B(?=(?:\d{3})+$)/g, '_');
    const advice = `Did you mean ${meant}? Durations are milliseconds, and a ttl is at least ${SHORTEST_TTL}.`;
    throw new InvalidOptionError('ttl', ttl, '', `ttl is ${ttl} ms. ${advice}`);
  }
  const { safetyMargin, renewEvery, random = Math.random, prefix = '' } = options;
  if (safetyMargin !== undefined && !isDuration(safetyMargin, ttl)) {
    throw new InvalidOptionError('safetyMargin', safetyMargin, `give milliseconds, from 0 to less than ttl (${ttl}).`);
  }
  if (renewEvery !== undefined && checkedDuration('renewEvery', renewEvery) >= ttl) {
    throw new InvalidOptionError('renewEvery', renewEvery, `give less than ttl (${ttl}), else no renewal is in time.`);
  }
  const { renewIn = 'main' } = options;
  if (!['main', 'worker'].includes(renewIn)) {
    throw new InvalidOptionError('renewIn', renewIn, "give 'main' or 'worker'.");
  }
  const maxStall = checkedMaxStall(options, ttl);
  const { owner = platform.processLabel() } = options;
  if (typeof owner !== 'string' || owner === '' || owner.length > 256) {
    throw new InvalidOptionError('owner', owner, 'give a label of 1 to 256 characters that tells who holds the lock.');
  }
  checkedUnicode('owner', owner);
  checkedFunction('random', random, 'give a function such as Math.random.');
  return { ttl, owner, renewEvery, safetyMargin, renewIn, maxStall, random, prefix };
}

/** Whether it is a number of milliseconds from 0 to less than the limit. */
export const isDuration = (ms: unknown, limit = Infinity): ms is number =>
  typeof ms === 'number' && ms >= 0 && ms < limit;

/**
 * The default must outlast a garbage collection, a large file or a slow SQLite query, and still free the locks of a
 * stuck process soon.
 */
const LONGEST_STALL = 60_000;

function checkedMaxStall({ renewIn, maxStall }: LocksOptions, ttl: number): number {
  if (maxStall === undefined) return Math.max(ttl, Math.min(6 * ttl, LONGEST_STALL));
  if (renewIn !== 'worker') {
    throw new InvalidOptionError('maxStall', maxStall, "it is for renewIn: 'worker' only.");
  }
  if (checkedDuration('maxStall', maxStall) >= ttl) return maxStall;
  throw new InvalidOptionError('maxStall', maxStall, `give at least the ttl (${ttl}).`);
}

/** Checked and completed, or an InvalidOptionError. */
export function checkedAcquireOptions(
  options: ContendOptions,
  call: 'contending' | 'whileLeader' | 'campaign$' = 'contending',
): AcquireOptions {
  checkedNames(call, options);
  const { wait = Infinity, signal, waitSignal, onBusy = 'error', meta } = options;
  if (typeof wait !== 'number' || !(wait >= 0)) {
    throw new InvalidOptionError('wait', wait, 'give milliseconds, 0 to try once, or Infinity to wait for ever.');
  }
  checkedSignal('signal', signal);
  checkedSignal('waitSignal', waitSignal);
  if (!['error', 'skip'].includes(onBusy)) {
    throw new InvalidOptionError('onBusy', onBusy, "give 'error' or 'skip'.");
  }
  return {
    wait,
    signal: signal || waitSignal ? { always: signal, waiting: waitSignal } : undefined,
    ...checkedHold(options),
    meta: meta === undefined ? undefined : checkedMeta(meta),
  };
}

/** A longer time is a mistaken unit. */
const LONGEST_HOLD = 366 * 24 * 60 * 60 * 1000;

function checkedHold({ atLeast = 0, atMost = Infinity }: ContendOptions): Pick<AcquireOptions, 'atLeast' | 'atMost'> {
  if (typeof atLeast !== 'number' || !(atLeast >= 0 && atLeast <= LONGEST_HOLD)) {
    throw new InvalidOptionError('atLeast', atLeast, 'give milliseconds, from 0 to a year.');
  }
  if (typeof atMost !== 'number' || !(atMost > 0)) {
    throw new InvalidOptionError('atMost', atMost, 'give milliseconds greater than 0, or Infinity for no limit.');
  }
  if (atLeast > atMost) {
    throw new InvalidOptionError(
      'atLeast',
      atLeast,
      `more than atMost (${atMost}): the lock cannot be held for that long.`,
    );
  }
  return { atLeast, atMost };
}

/**
 * How long `close()` lets holders finish, milliseconds. Throws an InvalidOptionError. The name of a process signal and
 * built-in objects, such as an error, are ignored: so `close` can be passed as a callback.
 */
export function checkedClose(options: CloseOptions): number {
  if (isOfCallback(options)) return 0;
  checkedNames('close', options);
  const { drain = 0 } = options;
  if (isDuration(drain)) return drain;
  throw new InvalidOptionError('drain', drain, 'give milliseconds, 0 or more: how long holders may go on.');
}

const isOfCallback = (given: unknown): boolean =>
  typeof given === 'string' ||
  (typeof given === 'object' && given !== null && !Array.isArray(given) && builtInClass(given) !== undefined);

/** How long `ping()` waits and which key it reads. Throws an InvalidOptionError. */
export function checkedPing(options: PingOptions): { readonly within: number; readonly key: string } {
  checkedNames('ping', options);
  const { within = PING_WITHIN, key = 'ping' } = options;
  return { within: checkedDuration('within', within), key };
}

const PING_WITHIN = 5000;

function checkedMeta(meta: Meta): JsonValue {
  const json = asJson(meta);
  if (bytesOf(json) <= LONGEST_META) return JSON.parse(json) as JsonValue;
  throw new InvalidOptionError('meta', '…', `more than ${LONGEST_META} bytes of JSON. Store large data elsewhere.`);
}

/**
 * Throws an InvalidOptionError for a lone surrogate. In UTF-8 each becomes U+FFFD: the server would give back another
 * text, and different keys would be the same lock.
 */
export function checkedUnicode(option: string, text: string): void {
  if (!/\p{Surrogate}/u.test(text)) return;
  throw new InvalidOptionError(option, text, 'it is not well-formed Unicode (half of a surrogate pair). Encode it.');
}

/** The length in UTF-8. */
export const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** Every observer of the key reads it. */
const LONGEST_META = 64 * 1024;

function asJson(meta: Meta): string {
  try {
    // TypeScript says `string`, but `JSON.stringify` returns `undefined` for a function.
    const write: (value: unknown) => string | undefined = JSON.stringify;
    const json = write(meta);
    if (json !== undefined) return json;
  } catch (cause) {
    throw new InvalidOptionError(
      'meta',
      typeof meta,
      `it cannot be written as JSON: ${cause instanceof Error ? shown(String(cause)) : described(cause)}`,
    );
  }
  throw new InvalidOptionError('meta', typeof meta, 'it cannot be written as JSON. Give plain data.');
}

/** The value of a candidate, unchanged. Throws an InvalidOptionError. */
export function checkedValue(value: string): string {
  if (typeof value !== 'string') {
    throw new InvalidOptionError('value', value, 'give the text to be published, such as an address.');
  }
  checkedUnicode('value', value);
  if (bytesOf(value) <= LONGEST_META) return value;
  throw new InvalidOptionError('value', '…', `more than ${LONGEST_META} bytes. Store large data elsewhere.`);
}

export const isPermits = (permits: number): boolean => Number.isSafeInteger(permits) && permits >= 1;

/** The permits of a semaphore, unchanged. Throws an InvalidOptionError. */
export function checkedPermits(permits: number): number {
  if (isPermits(permits)) return permits;
  throw new InvalidOptionError('permits', permits, 'give a whole number, 1 or more: how many may hold at a time.');
}

/** It is shown on one line. */
const LONGEST_REASON = 1024;

/** {@link RevokeOptions} without gaps. */
export interface RevokeRequest {
  readonly reason: string;
  readonly within: number;
  readonly fencingToken: bigint | undefined;
}

/** Checked and completed, or an InvalidOptionError. */
export function checkedRevokeRequest(options: RevokeOptions): RevokeRequest {
  checkedNames('revoke', options);
  const { reason, within = Infinity, fencingToken } = options;
  if (typeof reason !== 'string' || reason === '' || reason.length > LONGEST_REASON) {
    throw new InvalidOptionError(
      'reason',
      reason,
      `say why in 1 to ${LONGEST_REASON} characters: the holder reads it.`,
    );
  }
  if (typeof within !== 'number' || !(within >= 0)) {
    throw new InvalidOptionError('within', within, 'give milliseconds, 0 to take it at once, or Infinity to only ask.');
  }
  if (fencingToken !== undefined && typeof fencingToken !== 'bigint') {
    throw new InvalidOptionError(
      'fencingToken',
      fencingToken,
      'give the fencing token of a holder, a bigint, or leave it out.',
    );
  }
  return { reason, within, fencingToken };
}

/**
 * Whether to hand off. Class instances, such as an event or an error, are ignored: so `release` can be passed as a
 * callback.
 */
export function checkedRelease(options: unknown): boolean {
  if (typeof options !== 'object' || options === null) return true;
  const prototype: unknown = Object.getPrototypeOf(options);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return true;
  checkedNames('release', options);
  const handOff: unknown = 'handOff' in options ? options.handOff : undefined;
  if (handOff === undefined || typeof handOff === 'boolean') return handOff ?? true;
  throw new InvalidOptionError('handOff', handOff, 'give true or false.');
}

function checkedDuration(option: string, ms: number): number {
  if (typeof ms !== 'number' || !(ms > 0) || ms === Infinity) {
    throw new InvalidOptionError(option, ms, 'give a number of milliseconds greater than 0.');
  }
  return ms;
}
