/**
 * How spans and metrics are named: few names, however many keys there are.
 */
import type { AcquireMessage, HoldMessage } from '../index.js';

/** What a key is counted under. */
export type NameOf = (key: string) => string;

/** `invoices` for `invoices/17`: a key is mostly a kind of thing, then which one of them. */
export const firstPart: NameOf = (key) => key.split('/', 1)[0] ?? key;

/** The attributes of spans and metrics. */
export const ATTRIBUTES = {
  /** Of the lock, by `nameOf`; for several keys at once all of theirs. */
  name: 'rxlock.name',
  kind: 'rxlock.kind',
  outcome: 'rxlock.outcome',
  reason: 'rxlock.reason',
  /** Of spans only: there may be any number of them. */
  key: 'rxlock.key',
  owner: 'rxlock.owner',
  fencingToken: 'rxlock.fencing_token',
} as const;

export const nameFor = (nameOf: NameOf, { keys }: AcquireMessage | HoldMessage): string =>
  [...new Set(keys.map((key) => nameOf(key)))].join(' + ');

export const inSeconds = (ms: number): number => ms / 1000;
