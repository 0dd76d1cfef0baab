import { firstValueFrom } from 'rxjs';
import type { Locks } from '../index.js';

/** Resolves when the server answers, rejects with why it does not. */
export async function reachable(locks: Locks): Promise<void> {
  const ownership = await firstValueFrom(locks.mutex('ping').ownership$());
  if (ownership.status === 'unknown') throw ownership.cause;
}
