/**
 * What a manager writes into its claims, for {@link LockManager.query} of others.
 */
import type { JsonValue } from '../index.js';

interface Note {
  readonly clientId?: string;
  /** Where it cannot be read off the key. */
  readonly name?: string;
}

/** The same for all requests of a manager at a name. */
export const noteOf = (clientId: string, name: string | undefined): JsonValue => ({
  clientId,
  ...(name !== undefined && { name }),
});

/** Nothing where the claim is not of a lock manager. */
export function readNote(meta: JsonValue | undefined): Note {
  if (typeof meta !== 'object' || meta === null || !('clientId' in meta)) return {};
  const { clientId, name } = meta;
  return {
    ...(typeof clientId === 'string' && { clientId }),
    ...(typeof name === 'string' && { name }),
  };
}
