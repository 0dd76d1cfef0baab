/**
 * Which `Locks` use a backend: when the last of them is closed, the backend is closed, too.
 */
import type { LockBackend } from '../backend/port.js';

/** A property of the backend, since two copies of the package may use it (import and require). */
const USERS = Symbol.for('rxlock.backendUsers');

/** Adds a user. The returned function ends its use, and closes the backend unless others use it. */
export function useBackend(backend: LockBackend): () => void {
  const users = usersOf(backend);
  const user = Symbol('user');
  users.add(user);
  return () => {
    users.delete(user);
    if (users.size === 0) backend.close?.();
  };
}

function usersOf(backend: LockBackend): Set<unknown> {
  const there: unknown = Reflect.get(backend, USERS);
  if (there instanceof Set) return there;
  const users = new Set();
  // A frozen backend takes no property: then each user closes it.
  Reflect.defineProperty(backend, USERS, { value: users });
  return users;
}
