/**
 * What a user may say, checked once at the edge: inside, options are complete and sound.
 */
import { hostname } from 'node:os';
import type { SchedulerLike } from 'rxjs';
import type { Clock } from '../time/clock.js';
import { InvalidOptionError } from './errors.js';
import type { JsonValue } from './json.js';
import type { RevokeOptions } from './revocation.js';

/** The options of `createLocks`. Durations are milliseconds. */
export interface LocksOptions {
  /** How long the server keeps our locks after the last renewal, 10 000 by default. It may grant more (etcd: whole seconds, at least 2). */
  readonly ttl?: number;
  /** The label shown to observers, `host:pid` by default. Never used to decide ownership. */
  readonly owner?: string;
  /** From one renewal to the next, a third of the granted ttl by default. */
  readonly renewEvery?: number;
  /** How long before the server's expiry we call a lock lost, `max(250, 10 % of the granted ttl)` by default. */
  readonly safetyMargin?: number;
  /** Where every timer runs. In a marble test the TestScheduler, which is then the clock, too. */
  readonly scheduler?: SchedulerLike;
  /** What deadlines are read from: the scheduler where one is given, else a clock that counts sleep. */
  readonly clock?: Clock;
  /** The source of jitter, `Math.random` by default: give a seeded one for tests that repeat. */
  readonly random?: () => number;
}

/** How to contend. */
export interface ContendOptions {
  /** How long to contend, milliseconds. `Infinity` by default, `0` tries once. */
  readonly wait?: number;
  /** Aborting it withdraws or releases; the stream errors with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Shown to observers beside the owner. Not carried by etcd v2. */
  readonly meta?: JsonValue;
}

/** What the user asked for, or left to the defaults. */
export interface TimingOptions {
  readonly renewEvery: number | undefined;
  readonly safetyMargin: number | undefined;
}

/** {@link LocksOptions} without gaps. */
export interface Settings extends TimingOptions {
  readonly ttl: number;
  readonly owner: string;
  readonly random: () => number;
}

/** {@link ContendOptions} without gaps. */
export interface AcquireOptions {
  readonly wait: number;
  readonly signal: AbortSignal | undefined;
  readonly meta: JsonValue | undefined;
}

const DEFAULT_TTL = 10_000;

/** A longer lease would keep a dead client's locks for more than a day. */
const LONGEST_TTL = 24 * 60 * 60 * 1000;

/** Checked and completed, or an InvalidOptionError. */
export function checkedSettings(options: LocksOptions): Settings {
  const ttl = checkedDuration('ttl', options.ttl ?? DEFAULT_TTL);
  if (ttl > LONGEST_TTL) {
    throw new InvalidOptionError('ttl', ttl, 'more than a day. Renewal is automatic: give seconds, not a lifetime.');
  }
  const { safetyMargin, renewEvery } = options;
  if (safetyMargin !== undefined && !(safetyMargin >= 0 && safetyMargin < ttl)) {
    throw new InvalidOptionError('safetyMargin', safetyMargin, `give milliseconds, from 0 to less than ttl (${ttl}).`);
  }
  if (renewEvery !== undefined && checkedDuration('renewEvery', renewEvery) >= ttl) {
    throw new InvalidOptionError('renewEvery', renewEvery, `give less than ttl (${ttl}), or nothing is ever renewed.`);
  }
  const owner = options.owner ?? `${hostname()}:${process.pid}`;
  if (typeof owner !== 'string' || owner === '' || owner.length > 256) {
    throw new InvalidOptionError('owner', owner, 'give a label of 1 to 256 characters that tells who holds the lock.');
  }
  return { ttl, owner, renewEvery, safetyMargin, random: options.random ?? Math.random };
}

/** Checked and completed, or an InvalidOptionError. */
export function checkedAcquireOptions({ wait = Infinity, signal, meta }: ContendOptions): AcquireOptions {
  if (typeof wait !== 'number' || !(wait >= 0)) {
    throw new InvalidOptionError('wait', wait, 'give milliseconds, 0 to try once, or Infinity to wait for ever.');
  }
  if (meta !== undefined && Buffer.byteLength(asJson(meta)) > LONGEST_META) {
    throw new InvalidOptionError('meta', '…', `more than ${LONGEST_META} bytes of JSON. Keep what is large elsewhere.`);
  }
  return { wait, signal, meta };
}

/** It is read by every observer of the key. */
const LONGEST_META = 64 * 1024;

function asJson(meta: JsonValue): string {
  try {
    // Typed as a string, yet undefined for what JSON does not know, such as a function.
    const write: (value: unknown) => string | undefined = JSON.stringify;
    const json = write(meta);
    if (json !== undefined) return json;
  } catch (cause) {
    throw new InvalidOptionError('meta', typeof meta, `it cannot be written as JSON: ${String(cause)}`);
  }
  throw new InvalidOptionError('meta', typeof meta, 'it cannot be written as JSON. Give plain data.');
}

/** The value of a candidate as given, or an InvalidOptionError. */
export function checkedValue(value: string): string {
  const refuse = (advice: string): never => {
    throw new InvalidOptionError('value', value, advice);
  };
  if (typeof value !== 'string') return refuse('give the text to be published, such as an address.');
  // Surrogates without their other half would all be read back as U+FFFD.
  if (/\p{Surrogate}/u.test(value))
    return refuse('it is not well-formed Unicode (half of a surrogate pair). Encode it.');
  if (Buffer.byteLength(value) <= LONGEST_META) return value;
  throw new InvalidOptionError('value', '…', `more than ${LONGEST_META} bytes. Keep what is large elsewhere.`);
}

export const isPermits = (permits: number): boolean => Number.isSafeInteger(permits) && permits >= 1;

/** The permits of a semaphore as given, or an InvalidOptionError. */
export function checkedPermits(permits: number): number {
  if (isPermits(permits)) return permits;
  throw new InvalidOptionError('permits', permits, 'give a whole number from 1 on: how many may hold at a time.');
}

/** It is shown in one line. */
const LONGEST_REASON = 1024;

/** {@link RevokeOptions} without gaps. */
export interface RevokeRequest {
  readonly reason: string;
  readonly within: number;
  readonly fencingToken: bigint | undefined;
}

/** Checked and completed, or an InvalidOptionError. */
export function checkedRevokeRequest({ reason, within = Infinity, fencingToken }: RevokeOptions): RevokeRequest {
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
    throw new InvalidOptionError('fencingToken', fencingToken, 'give that of a holder, a bigint, or leave it out.');
  }
  return { reason, within, fencingToken };
}

function checkedDuration(option: string, ms: number): number {
  if (typeof ms !== 'number' || !(ms > 0) || ms === Infinity) {
    throw new InvalidOptionError(option, ms, 'give a number of milliseconds greater than 0.');
  }
  return ms;
}
