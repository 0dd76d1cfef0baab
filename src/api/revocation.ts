/**
 * To be asked to give a lock back: what is asked, and what it is written as.
 */
import type { JsonValue } from './json.js';
import { quoted, shown } from './texts.js';

/** Somebody wants a lock back from who holds it. */
export interface Revocation {
  /** For people: it is what the holder, its observers and the loser read. */
  readonly reason: string;
  /** The `owner` of the locks by which it was asked; unknown where it was written by hand. */
  readonly by?: string;
  /** When it was asked, by the wall clock of who asked. */
  readonly at?: Date;
  /** How long the holder has, milliseconds, before the lock is taken from it; `Infinity`: as long as it likes. */
  readonly within: number;
}

/** What somebody else has written over a claim. */
export interface ForeignWrite {
  readonly value?: string | undefined;
  readonly revocation?: Revocation | undefined;
}

/** How to ask for a lock. */
export interface RevokeOptions {
  /** Why, for people to read. */
  readonly reason: string;
  /**
   * How long the holders have to give it back, milliseconds: then it is taken from them. `Infinity` by default, which
   * only asks. `0` takes it at once.
   */
  readonly within?: number | undefined;
  /** Only of the holder with this token; of all who hold it by default. */
  readonly fencingToken?: bigint | undefined;
}

/** As JSON, which knows neither dates nor `Infinity`. */
export const writtenRevocation = ({ reason, by, at, within }: Revocation): JsonValue => ({
  reason,
  ...(by !== undefined && { by }),
  ...(at && { at: at.toISOString() }),
  ...(within < Infinity && { within }),
});

/** Read back. By hand, `{"reason": "…"}` is enough. */
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
