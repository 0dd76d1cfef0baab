/**
 * The arguments of `request`, converted and checked as browsers do: in the order of the argument list, members of a
 * dictionary in alphabetical order (https://webidl.spec.whatwg.org/), then the steps of the Web Locks API.
 */
import { notSupported } from './dom-exception.js';
import type { LockMode, WebLock } from './lock-manager.js';

/** A request with all its options. */
export interface CheckedRequest {
  readonly name: string;
  readonly mode: LockMode;
  readonly ifAvailable: boolean;
  readonly steal: boolean;
  readonly signal: AbortSignal | undefined;
  readonly callback: (lock: WebLock | null) => unknown;
}

/**
 * Checks and completes the arguments. Throws a TypeError, a NotSupportedError, or the reason of a signal that is
 * already aborted.
 */
export function checkedRequest(given: readonly unknown[]): CheckedRequest {
  if (given.length < 2)
    throw new TypeError(`request() needs a name and a callback, and got ${given.length} arguments.`);
  const name = asString(given[0]);
  const options = given.length > 2 ? converted(given[1]) : DEFAULTS;
  const callback = given.length > 2 ? given[2] : given[1];
  if (!isCallback(callback)) throw new TypeError('The callback of request() has to be a function.');
  const { ifAvailable, mode, signal, steal } = options;
  const refusal = refusalOf(name, options);
  if (refusal !== undefined) throw notSupported(refusal);
  signal?.throwIfAborted();
  return { name, mode, ifAvailable, steal, signal, callback };
}

/** Every value except a symbol can be converted to a string. */
function asString(value: unknown): string {
  if (typeof value === 'symbol') throw new TypeError('A symbol cannot be converted to a string.');
  return String(value);
}

type Options = Omit<CheckedRequest, 'name' | 'callback'>;

const DEFAULTS: Options = { ifAvailable: false, mode: 'exclusive', signal: undefined, steal: false };

function converted(given: unknown): Options {
  if (given === undefined || given === null) return DEFAULTS;
  if (typeof given !== 'object' && typeof given !== 'function') {
    throw new TypeError('The options of request() have to be an object.');
  }
  const { ifAvailable, mode, signal, steal }: { readonly [option in keyof Options]?: unknown } = given;
  return {
    ifAvailable: Boolean(ifAvailable),
    mode: mode === undefined ? 'exclusive' : checkedMode(mode),
    signal: signal === undefined ? undefined : checkedSignal(signal),
    steal: Boolean(steal),
  };
}

function checkedMode(mode: unknown): LockMode {
  const text = asString(mode);
  if (text === 'exclusive' || text === 'shared') return text;
  throw new TypeError(`The mode has to be "exclusive" or "shared", and is ${JSON.stringify(text)}.`);
}

function checkedSignal(signal: unknown): AbortSignal {
  if (isSignal(signal)) return signal;
  throw new TypeError('The signal has to be an AbortSignal. Of an AbortController, give its `signal`.');
}

/** Checked by its tag, since it may come from another realm. */
const isSignal = (signal: unknown): signal is AbortSignal =>
  Object.prototype.toString.call(signal) === '[object AbortSignal]';

const isCallback = (callback: unknown): callback is CheckedRequest['callback'] => typeof callback === 'function';

/** Why the request is not allowed; the checks are in the order of the specification. */
function refusalOf(name: string, { ifAvailable, mode, signal, steal }: Options): string | undefined {
  if (name.startsWith('-')) return 'Names that begin with "-" are reserved.';
  if (steal && ifAvailable) return '`steal` and `ifAvailable` exclude each other.';
  if (steal && mode !== 'exclusive') return '`steal` is possible for exclusive locks only.';
  if (signal && (steal || ifAvailable)) return '`signal` cannot be used with `steal` or `ifAvailable`.';
  return undefined;
}
