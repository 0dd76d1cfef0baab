/**
 * How many `Locks` use one backend: the last of them that is closed closes its connections.
 */
import type { LockBackend } from '../backend/port.js';

/** On the backend itself: its users may be of two copies of the package (import and require). */
const USERS = Symbol.for('rxlock.backendUsers');

/** One more user. Returns what ends its use, and closes the backend unless others use it. */
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
  // A frozen backend takes no property: then each of its users closes it.
  Reflect.defineProperty(backend, USERS, { value: users });
  return users;
}
