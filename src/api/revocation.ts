/**
 * A request to release a lock, and how it is written as JSON.
 */
import type { JsonValue } from './json.js';
import { quoted, shown } from './texts.js';

/** A request to the holder to release. */
export interface Revocation {
  /** For people: the holder and its observers read it, and it is in the error of a loss. */
  readonly reason: string;
  /** The `owner` of the `Locks` that asked; not known if the request was written by hand. */
  readonly by?: string;
  /** When it was asked, by the wall clock of the process that asked. */
  readonly at?: Date;
  /** How long the holder has, milliseconds, before the lock is taken away; `Infinity`: no limit. */
  readonly within: number;
}

/** What another client has written over a claim. */
export interface ForeignWrite {
  readonly value?: string | undefined;
  readonly revocation?: Revocation | undefined;
}

/** The options of {@link Lock.revoke}. */
export interface RevokeOptions {
  /** Why, for people to read. */
  readonly reason: string;
  /**
   * How long the holders have to release, milliseconds; after that the lock is taken from them. `Infinity`, the
   * default, only asks. `0` takes it at once.
   */
  readonly within?: number | undefined;
  /** Asks only the holder with this token; by default all holders are asked. */
  readonly fencingToken?: bigint | undefined;
}

/** As JSON, which has neither dates nor `Infinity`. */
export const writtenRevocation = ({ reason, by, at, within }: Revocation): JsonValue => ({
  reason,
  ...(by !== undefined && { by }),
  ...(at && { at: at.toISOString() }),
  ...(within < Infinity && { within }),
});

/** Reads it back. A request written by hand needs only `{"reason": "…"}`. */
export function readRevocation(written: JsonValue | undefined): Revocation | undefined {
  if (typeof written !== 'object' || written === null || !('reason' in written)) return undefined;
  const { reason, by, at, within } = written;
  if (typeof reason !== 'string') return undefined;
  const when = typeof at === 'string' ? new Date(at) : undefined;
  return {
    reason,
    ...(typeof by === 'string' && { by }),
    ...(when && !Number.isNaN(when.getTime()) && { at: when }),
    within: typeof within === 'number' && within >= 0 ? within : Infinity,
  };
}

/** In words, for an error. */
export const inWords = ({ reason, by = 'somebody' }: Revocation): string => `${shown(by)}: ${quoted(reason)}`;

export const isSameRevocation = (a: Revocation | undefined, b: Revocation | undefined): boolean =>
  a?.reason === b?.reason && a?.by === b?.by && a?.within === b?.within && a?.at?.getTime() === b?.at?.getTime();
