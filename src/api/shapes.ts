/**
 * Told by shape, since an object may come from another realm, a polyfill or another copy of the package.
 */
import { InvalidOptionError } from './errors.js';

const has = (value: unknown, name: PropertyKey, type: 'function' | 'string' | 'boolean'): boolean =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
  typeof Reflect.get(value, name) === type;

/** Whether it is one that can be told of an abort. */
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

/** A lock, or an InvalidOptionError that says what was taken for one. */
export function checkedLock(lock: unknown): void {
  if (has(lock, 'lock$', 'function') && has(lock, 'key', 'string')) return;
  throw new InvalidOptionError('lock', lock, adviceForLock(lock));
}

/** What {@link Locks.once} makes, or an InvalidOptionError. */
export function checkedOnce(once: unknown): void {
  if (has(once, 'turn$', 'function') && has(once, 'key', 'string')) return;
  const advice = has(once, 'lock$', 'function') ? 'this is a lock. ' : '';
  throw new InvalidOptionError('once', once, `${advice}Give locks.once(key, { keep }).`);
}

/** An election, or an InvalidOptionError. */
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

/** A function, or an InvalidOptionError. */
export function checkedFunction(what: string, given: unknown, advice: string): void {
  if (typeof given === 'function') return;
  throw new InvalidOptionError(what, given, advice);
}

/** What makes an InvalidOptionError of anything but a backend. */
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

/** What was given beside the arguments that a call takes was meant for something else. */
export function checkedArguments(call: string, rest: readonly unknown[], advice: string): void {
  const index = rest.findIndex((one) => one !== undefined);
  if (index < 0) return;
  throw new InvalidOptionError('argument', rest[index], '', `${call} takes no options: ${advice}`);
}
