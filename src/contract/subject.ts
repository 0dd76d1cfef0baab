/**
 * What the contract is held against.
 */
import type { LockBackend } from '../backend/port.js';

/** The backend that the contract is held against, and what somebody who is no client of rxlock can do to its server. */
export interface ContractSubject {
  /** Whether it is a QueueBackend or a SlotBackend: a slot admits in no order. */
  readonly kind: 'queue' | 'slot';
  /** One client's way to the server. Called for each client; it may give the same backend each time. */
  backend(): LockBackend;
  /** Of all locks of the contract, milliseconds: as short as the server allows. 2000 by default. */
  readonly ttl?: number | undefined;
  /** Deletes the claim of whoever holds the key. Without it, what happens then is not tried. */
  readonly deleteHolder?: ((key: string) => Promise<void>) | undefined;
  /** Writes something else over the claim of whoever holds the key. Without it, what happens then is not tried. */
  readonly overwriteHolder?: ((key: string) => Promise<void>) | undefined;
}
