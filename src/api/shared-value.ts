/**
 * The value of an election that shares a source: the latest value of the source, its number, and whether the source has
 * ended.
 */
import { LONGEST_RESULT, plainJson } from './plain-data.js';

/** How the source ended. */
export type SharedEnd = { readonly type: 'completed' } | { readonly type: 'failed'; readonly reason: string };

export interface Envelope {
  /** Counts the values of one leader, from 1; 0 before the first value. */
  readonly number: number;
  /** The label of the leader. */
  readonly by: string;
  /** The value as JSON. */
  readonly json?: string | undefined;
  readonly end?: SharedEnd | undefined;
}

/** The position of a value among all values of all leaders. */
export interface Position {
  readonly token: bigint;
  readonly number: number;
}

export const isNewer = (one: Position, than: Position): boolean =>
  one.token > than.token || (one.token === than.token && one.number > than.number);

/** An election carries 64 KiB, the fields around the value included. */
const LONGEST_VALUE = LONGEST_RESULT - 4096;

/** The value as JSON, or the reason why it cannot be shared. */
export const sharedJson = (value: unknown): ReturnType<typeof plainJson> => plainJson(value, LONGEST_VALUE);

export function writtenEnvelope({ number, by, json, end }: Envelope): string {
  const around = JSON.stringify({ rxlock: 'shared', number, by, end });
  // The checked JSON is inserted as it is: to write it again could change it.
  return json === undefined ? around : `${around.slice(0, -1)},"value":${json}}`;
}

/** An envelope as it was read back. */
export interface ReadEnvelope {
  readonly number: number;
  readonly by: string;
  readonly value: unknown;
  readonly end: SharedEnd | undefined;
}

export function readEnvelope(text: string): ReadEnvelope | undefined {
  try {
    const read: unknown = JSON.parse(text);
    if (!isRecord(read) || read['rxlock'] !== 'shared') return undefined;
    const { number, by, value, end } = read;
    if (typeof number !== 'number' || typeof by !== 'string') return undefined;
    return { number, by, value, end: endOf(end) };
  } catch {
    // Not JSON: the value of a candidate that shares nothing.
    return undefined;
  }
}

function endOf(end: unknown): SharedEnd | undefined {
  if (!isRecord(end)) return undefined;
  if (end['type'] === 'completed') return { type: 'completed' };
  const reason = end['reason'];
  return { type: 'failed', reason: typeof reason === 'string' ? reason : 'unknown' };
}

const isRecord = (read: unknown): read is Readonly<Record<string, unknown>> =>
  typeof read === 'object' && read !== null;
