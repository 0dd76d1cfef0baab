/**
 * `rxlock/backend/contract`: the rules for every backend, as tests for a backend of your own. It needs Node, but no
 * test framework.
 *
 * @packageDocumentation
 */
import { endings } from './endings.js';
import { exclusion } from './exclusion.js';
import { deleted, losses, overwritten } from './losses.js';
import { observers } from './observers.js';
import { queues } from './queues.js';
import { revocation } from './revocation.js';
import { deletedOfSeveral, several } from './several.js';
import type { ContractSubject } from './subject.js';
import { queueVerbs, verbs } from './verbs.js';
import { withWorld } from './world.js';
import type { Rules } from './world.js';

export type { ContractSubject } from './subject.js';

/** One rule of the contract. */
export interface ContractRule {
  /** The rule as a sentence. */
  readonly title: string;
  /** Tests the rule, on a key of its own. Rejects if the backend breaks it. Takes a few seconds at most. */
  run(): Promise<void>;
}

/**
 * The rules that a backend must keep. Run each with your test runner, one after another or many at a time. Features
 * that the backend does not have (by `objection`, `maxClaims` or an absent verb) are not tested.
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
