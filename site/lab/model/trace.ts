/**
 * What was seen in a run, of the real engine or of a model of another client: all that the lab draws.
 */
import type { Contention } from './program.js';

export const CLIENTS = ['rxlock', 'set-nx', 'late-lease'] as const;
/** Which client was run. */
export type Client = (typeof CLIENTS)[number];

/**
 * How a contention ended; `open` where it had not when the lab stopped looking. `given`: another one has done it, and it
 * has the result of that.
 */
export type Ending = 'open' | 'done' | 'given' | 'lost' | 'busy' | 'left' | 'killed' | 'failed';

/** One contention, from the wish for a lock to the end of it. */
export interface HoldTrace {
  readonly contention: Contention;
  readonly heldAt: number | undefined;
  readonly token: string | undefined;
  /** From when on the holder must take the lock for lost, as it knew when the work stopped. Models have no such instant. */
  readonly validUntil: number | undefined;
  /** When the work under the lock stopped. */
  readonly stoppedAt: number | undefined;
  /** When the user of the lock was told the end. */
  readonly endedAt: number | undefined;
  readonly ending: Ending;
  /** What the user was told as an error. */
  readonly code: string | undefined;
  /** Who has done it, where the result of another one was given. */
  readonly givenBy: string | undefined;
}

/** One that is being written. */
export type HoldDraft = { -readonly [K in keyof HoldTrace]: HoldTrace[K] };

/** Before anything is known of it. */
export const newHold = (contention: Contention): HoldDraft => ({
  contention,
  heldAt: undefined,
  token: undefined,
  validUntil: undefined,
  stoppedAt: undefined,
  endedAt: undefined,
  ending: 'open',
  code: undefined,
  givenBy: undefined,
});

/** Something that happened to a process, worth a mark in its lane. */
export interface Note {
  readonly at: number;
  /** The process by its id. */
  readonly process: string;
  readonly type: 'renewed' | 'renewal-failed' | 'requeued' | 'disconnected' | 'connected' | 'lost';
  readonly text: string;
}

export interface ClaimView {
  readonly owner: string;
  readonly kind: string;
  /** Nothing where the server hands out none. */
  readonly token: string | undefined;
  readonly holds: boolean;
}

/** The queue of a key, from this tick on. */
export interface QueueView {
  readonly at: number;
  readonly key: string;
  readonly revision: string | undefined;
  readonly claims: readonly ClaimView[];
}

/** A lease, from this tick on until the next view of it. */
export interface LeaseView {
  readonly at: number;
  /** Numbered in the order of their grants. */
  readonly lease: number;
  readonly owner: string;
  /** Nothing once it was revoked. */
  readonly expiresAt: number | undefined;
}

/** That work of `once` is done, kept beside the queue of its key. */
export interface MarkView {
  readonly at: number;
  readonly key: string;
  readonly by: string;
  readonly until: number;
}

/** A write that arrived at the counter of a key. */
export interface WriteView {
  readonly at: number;
  readonly key: string;
  readonly process: string;
  /** When it was sent. */
  readonly sentAt: number;
  readonly token: string | undefined;
  /** The counter that takes every write, before and after. */
  readonly plain: { readonly before: number; readonly after: number };
  /** The counter that refuses smaller tokens than it has seen; nothing without tokens. */
  readonly fenced: { readonly after: number; readonly refused: boolean } | undefined;
}

export interface Trace {
  readonly client: Client;
  readonly holds: readonly HoldTrace[];
  readonly notes: readonly Note[];
  readonly queues: readonly QueueView[];
  readonly leases: readonly LeaseView[];
  readonly marks: readonly MarkView[];
  readonly writes: readonly WriteView[];
}
