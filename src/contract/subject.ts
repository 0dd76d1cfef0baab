/**
 * The backend under test.
 */
import type { LockBackend } from '../backend/port.js';

/** The backend under test, and what the tests can do to its server from outside. */
export interface ContractSubject {
  /** Whether it is a QueueBackend or a SlotBackend. A slot promises no order. */
  readonly kind: 'queue' | 'slot';
  /** The backend of one client. Called for each client; it may return the same backend each time. */
  backend(): LockBackend;
  /** The ttl of all locks in the tests, milliseconds: as short as the server allows. 2000 by default. */
  readonly ttl?: number | undefined;
  /** Deletes the claim of the holder of the key. If it is left out, the rules about that are not tested. */
  readonly deleteHolder?: ((key: string) => Promise<void>) | undefined;
  /** Overwrites the claim of the holder of the key. If it is left out, the rules about that are not tested. */
  readonly overwriteHolder?: ((key: string) => Promise<void>) | undefined;
}
