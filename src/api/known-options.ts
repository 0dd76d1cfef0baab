/**
 * The known options of each call, and the suggestion for an unknown name.
 */
import { InvalidOptionError } from './errors.js';
import { shown } from './texts.js';

/** All options, by call. */
const OPTIONS = {
  createLocks: [
    'ttl',
    'owner',
    'renewEvery',
    'safetyMargin',
    'renewIn',
    'maxStall',
    'prefix',
    'scheduler',
    'clock',
    'random',
  ],
  contending: ['wait', 'signal', 'waitSignal', 'onBusy', 'atLeast', 'atMost', 'meta'],
  whileLeader: ['wait', 'signal', 'waitSignal', 'onBusy', 'atLeast', 'atMost', 'meta', 'scheduler'],
  campaign$: ['wait', 'signal', 'waitSignal', 'onBusy'],
  once: ['keep'],
  runOnce: ['wait', 'signal', 'waitSignal', 'onBusy', 'atMost', 'meta', 'failures'],
  shareAcross: ['signal', 'scheduler'],
  revoke: ['reason', 'within', 'fencingToken'],
  release: ['handOff'],
  close: ['drain'],
  ping: ['within', 'key'],
  memoryBackend: ['scheduler', 'grantedTtl'],
  behindNetwork: ['scheduler', 'latency', 'jitter', 'seed'],
  createLockManager: ['prefix'],
  runCoordinator: ['keep', 'prefix'],
  instrumentLocks: ['nameOf', 'tracerProvider', 'meterProvider'],
} as const;

export type OptionsOf = keyof typeof OPTIONS;

/** The names that other libraries use for our options. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  wait: ['timeout', 'timeoutMs', 'acquireTimeout', 'waitTimeout', 'maxWait', 'deadline', 'retries', 'retryCount'],
  signal: ['abortSignal', 'controller'],
  meta: ['metadata'],
  onBusy: ['ifAvailable'],
  ttl: ['lease', 'leaseTime', 'lockTimeout', 'expires', 'expire', 'expiry', 'duration'],
  owner: ['name', 'id', 'identifier', 'nodeId'],
  prefix: ['namespace', 'keyPrefix'],
  atLeast: ['lockAtLeastFor', 'minHold'],
  atMost: ['lockAtMostFor', 'maxHold'],
  renewEvery: ['refreshInterval', 'heartbeat', 'keepAlive'],
  keep: ['keepFor'],
  within: ['grace'],
  fencingToken: ['token'],
  reason: ['message'],
};

/**
 * Throws an InvalidOptionError if `options` is no object or has an unknown name; the error suggests the nearest known
 * one.
 */
export function checkedNames(call: OptionsOf, options: unknown): void {
  const known: readonly string[] = OPTIONS[call];
  checkedObject(options, known);
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const value: unknown = Reflect.get(options, name);
    throw new InvalidOptionError(name, value, '', `${shown(name)} is ${unknown(call, name)}`);
  }
}

/** Throws an InvalidOptionError for what is no object with options; `known` are the names of some of them. */
export function checkedObject(options: unknown, known: readonly string[]): asserts options is object {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidOptionError('options', options, `give an object, such as { ${known[0] ?? ''}: … }.`);
  }
  const builtIn = builtInClass(options);
  if (builtIn !== undefined) {
    const advice = adviceFor(builtIn, known);
    throw new InvalidOptionError('options', options, '', `options is of the class ${shown(builtIn)}: ${advice}`);
  }
}

/**
 * The class of a built-in object, such as a signal, a promise or an error. It has no options, and its fields are not
 * enumerable: it would be taken for an empty object. `undefined` for objects of the user, of any class.
 */
export function builtInClass(options: object): string | undefined {
  const tag = Object.prototype.toString.call(options).slice('[object '.length, -1);
  return tag === 'Object' || tag === 'Module' ? undefined : tag;
}

function adviceFor(builtIn: string, known: readonly string[]): string {
  const takesSignal = known.includes('signal');
  if (builtIn === 'AbortSignal' && takesSignal) return 'give { signal }.';
  if (builtIn === 'AbortController' && takesSignal) return 'give { signal: controller.signal }.';
  if (builtIn === 'Promise') return 'await it.';
  return `give an object, such as { ${known[0] ?? ''}: … }.`;
}

function unknown(call: OptionsOf, name: string): string {
  const known: readonly string[] = OPTIONS[call];
  const among = call === 'contending' ? 'when contending' : `of ${call}()`;
  const alias = Object.keys(ALIASES).find((option) => ALIASES[option]?.includes(name));
  if (alias !== undefined && known.includes(alias)) return `no option ${among}. Did you mean ${alias}?`;
  const home = homeOf(name) ?? (alias === undefined ? undefined : homeOf(alias));
  if (home) return `no option ${among}: give ${alias ?? name} to ${home}.`;
  const near = nearest(name, known);
  return `no option ${among}. ${near === undefined ? `Known options: ${known.join(', ')}.` : `Did you mean ${near}?`}`;
}

const homeOf = (name: string): string | undefined => {
  if (isOneOf(OPTIONS.createLocks, name)) return 'createLocks()';
  if (isOneOf(OPTIONS.contending, name)) return 'lock$(), acquire(), use() or withLock()';
  if (isOneOf(OPTIONS.revoke, name)) return 'revoke()';
  if (isOneOf(OPTIONS.release, name)) return 'release()';
  return isOneOf(OPTIONS.close, name) ? 'close()' : undefined;
};

const isOneOf = (names: readonly string[], name: string): boolean => names.includes(name);

function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase().slice(0, 40);
  const distances = known.map((one) => ({ one, distance: distance(wanted, one.toLowerCase()) }));
  const [best] = distances.sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.max(1, Math.floor(best.one.length / 2)) ? best.one : undefined;
}

/** The Levenshtein distance: how many letters to add, drop or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(b).entries()) {
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
