/**
 * Checks objects by their shape, since an object may come from another realm, a polyfill or another copy of the
 * package.
 */
import type { Clock } from '../time/clock.js';
import { InvalidOptionError } from './errors.js';

const has = (value: unknown, name: PropertyKey, type: 'function' | 'string' | 'boolean'): boolean =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  typeof Reflect.get(value, name) === type;

/** Throws an InvalidOptionError for anything but `undefined` or an AbortSignal. */
export function checkedSignal(option: string, signal: unknown): void {
  if (signal === undefined) return;
  const listens = has(signal, 'addEventListener', 'function') && has(signal, 'removeEventListener', 'function');
  if (listens && has(signal, 'aborted', 'boolean')) return;
  const isController = has(signal, 'abort', 'function');
  throw new InvalidOptionError(
    option,
    signal,
    isController ? 'this is an AbortController, give its `signal`.' : 'give an AbortSignal.',
  );
}

/** Throws an InvalidOptionError for anything but a lock, and says what was given instead. */
export function checkedLock(lock: unknown): void {
  if (has(lock, 'lock$', 'function') && has(lock, 'key', 'string')) return;
  throw new InvalidOptionError('lock', lock, adviceForLock(lock));
}

/** Throws an InvalidOptionError for anything but a result of {@link Locks.once}. */
export function checkedOnce(once: unknown): void {
  if (has(once, 'turn$', 'function') && has(once, 'key', 'string')) return;
  const advice = has(once, 'lock$', 'function') ? 'this is a lock. ' : '';
  throw new InvalidOptionError('once', once, `${advice}Give locks.once(key, { keep }).`);
}

/** Throws an InvalidOptionError for anything but an election. */
export function checkedElection(election: unknown): void {
  if (has(election, 'proclaim$', 'function') && has(election, 'candidate', 'function')) return;
  throw new InvalidOptionError('election', election, 'give one, such as locks.election(name).');
}

function adviceForLock(lock: unknown): string {
  if (has(lock, 'campaign$', 'function')) return 'an election is no lock. Give election.candidate(value).';
  if (has(lock, 'release', 'function')) return 'this one is held already. Give the lock it was acquired from.';
  if (has(lock, 'mutex', 'function')) return 'these are all locks. Give one of them, such as locks.mutex(key).';
  return 'give a lock, such as locks.mutex(key).';
}

/** Throws an InvalidOptionError for anything but a function. */
export function checkedFunction(what: string, given: unknown, advice: string): void {
  if (typeof given === 'function') return;
  throw new InvalidOptionError(what, given, advice);
}

/** Throws an InvalidOptionError for anything but a scheduler, and for a clock that does not tell a time. */
export function checkedTime({ scheduler, clock }: { readonly scheduler?: unknown; readonly clock?: unknown }): void {
  const isScheduler = has(scheduler, 'schedule', 'function') && has(scheduler, 'now', 'function');
  if (scheduler !== undefined && !isScheduler) {
    throw new InvalidOptionError('scheduler', scheduler, 'give a scheduler of RxJS.');
  }
  if (clock !== undefined && !(isClock(clock) && Number.isFinite(clock.now()))) {
    throw new InvalidOptionError('clock', clock, 'give an object with now(), which returns milliseconds.');
  }
}

const isClock = (clock: unknown): clock is Clock => has(clock, 'now', 'function');

/** Throws an InvalidOptionError for anything but a `Locks`. */
export function checkedLocks(locks: unknown): void {
  if (has(locks, 'once', 'function')) return;
  throw new InvalidOptionError('locks', locks, 'give what createLocks() returns.');
}

/** Throws an InvalidOptionError for anything but a held lock. */
export function checkedHeld(held: unknown): void {
  if (has(held, 'release', 'function') && has(held, 'key', 'string')) return;
  throw new InvalidOptionError('held', held, 'give the HeldLock under which the work was done.');
}

/** Throws an InvalidOptionError for anything but a backend. */
export function checkedBackend(backend: unknown): void {
  const queues = has(backend, 'enqueue', 'function') || has(backend, 'take', 'function');
  if (queues && has(backend, 'name', 'string')) return;
  throw new InvalidOptionError('backend', backend, adviceForBackend(backend));
}

const BACKENDS = 'memoryBackend(), etcd3Backend({ hosts }) or nodeEtcdBackend(client)';

function adviceForBackend(given: unknown): string {
  if (typeof given === 'function') return `call it: give what it returns, such as ${BACKENDS}.`;
  if (has(given, 'then', 'function')) return 'this is a promise: await it.';
  if (has(given, 'mutex', 'function') && has(given, 'watchAll$', 'function')) return 'these are locks already.';
  if (typeof given === 'string' || Array.isArray(given))
    return 'give addresses to the backend: etcd3Backend({ hosts }).';
  if (typeof given === 'object' && given !== null && 'hosts' in given) {
    return 'give hosts to the backend: createLocks(etcd3Backend({ hosts })).';
  }
  if (has(given, 'put', 'function') && has(given, 'lease', 'function'))
    return 'wrap this client: etcd3Backend(client).';
  if (has(given, 'compareAndSwap', 'function')) return 'wrap this client: nodeEtcdBackend(client).';
  return `give one, such as ${BACKENDS}.`;
}

/** Throws an InvalidOptionError for an argument beyond those that the call takes. */
export function checkedArguments(call: string, rest: readonly unknown[], advice: string): void {
  const index = rest.findIndex((one) => one !== undefined);
  if (index < 0) return;
  throw new InvalidOptionError('argument', rest[index], '', `${call} takes no options: ${advice}`);
}
