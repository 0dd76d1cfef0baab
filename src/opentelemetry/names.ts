/**
 * The names of spans and metrics: few names, even for many keys.
 */
import type { AcquireMessage, HoldMessage } from '../index.js';

/** Maps a key to the name under which it is counted. */
export type NameOf = (key: string) => string;

/** `invoices` for `invoices/17`: most keys are the kind of a thing, then its id. */
export const firstPart: NameOf = (key) => key.split('/', 1)[0] ?? key;

/** The attributes of spans and metrics. */
export const ATTRIBUTES = {
  /** The name of the lock by `nameOf`; for several keys, the names of all. */
  name: 'rxlock.name',
  kind: 'rxlock.kind',
  outcome: 'rxlock.outcome',
  reason: 'rxlock.reason',
  /** For spans only, since the number of keys is not limited. */
  key: 'rxlock.key',
  owner: 'rxlock.owner',
  fencingToken: 'rxlock.fencing_token',
} as const;

export const nameFor = (nameOf: NameOf, { keys }: AcquireMessage | HoldMessage): string =>
  [...new Set(keys.map((key) => nameOf(key)))].join(' + ');

export const inSeconds = (ms: number): number => ms / 1000;
