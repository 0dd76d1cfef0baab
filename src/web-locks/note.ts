/**
 * The note that a manager writes into its claims, so that the {@link LockManager.query} of others can read it.
 */
import type { JsonValue } from '../index.js';

interface Note {
  readonly clientId?: string;
  /** The name, if it cannot be derived from the key. */
  readonly name?: string;
}

/** Equal for all requests of a manager for the same name. */
export const noteOf = (clientId: string, name: string | undefined): JsonValue => ({
  clientId,
  ...(name !== undefined && { name }),
});

/** Empty if the claim is not that of a lock manager. */
export function readNote(meta: JsonValue | undefined): Note {
  if (typeof meta !== 'object' || meta === null || !('clientId' in meta)) return {};
  const { clientId, name } = meta;
  return {
    ...(typeof clientId === 'string' && { clientId }),
    ...(typeof name === 'string' && { name }),
  };
}
