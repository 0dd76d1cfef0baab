/**
 * `rxlock/backend/contract`: what every backend must do, as tests for a backend of your own. Needs Node, and no test
 * framework.
 *
 * @packageDocumentation
 */
import type { LockBackend } from '../backend/port.js';
import { endings } from './endings.js';
import { exclusion } from './exclusion.js';
import { deleted, losses, overwritten } from './losses.js';
import { observers } from './observers.js';
import { queues } from './queues.js';
import { revocation } from './revocation.js';
import { deletedOfSeveral, several } from './several.js';
import { queueVerbs, verbs } from './verbs.js';
import { withWorld } from './world.js';
import type { Rules } from './world.js';

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

/** One rule of the contract. */
export interface ContractRule {
  /** What must be so. */
  readonly title: string;
  /** Tries it, on a key of its own. Rejects where it is not so. Takes some seconds at most. */
  run(): Promise<void>;
}

/**
 * The rules that a backend must keep, each to be run by whatever runs your tests, one after another or many at a time.
 * What a backend says that it cannot do (`objection`, `maxClaims`, a verb that is absent) is not asked of it.
 *
 * @example
 * import { test } from 'node:test';
 * import { contract } from 'rxlock/backend/contract';
 *
 * const backend = memoryBackend();
 * for (const { title, run } of contract({ kind: 'queue', backend: () => backend })) test(title, run);
 */
export function contract(subject: ContractSubject): readonly ContractRule[] {
  const { kind, deleteHolder, overwriteHolder } = subject;
  const rules: Rules = {
    ...exclusion,
    ...endings,
    ...losses,
    ...observers,
    ...verbs,
    ...(kind === 'queue' && { ...queues, ...several, ...revocation, ...queueVerbs }),
    ...(deleteHolder && deleted),
    ...(deleteHolder && kind === 'queue' && deletedOfSeveral),
    ...(overwriteHolder && overwritten),
  };
  return Object.entries(rules).map(([title, rule]) => ({ title, run: () => withWorld(subject, rule) }));
}
