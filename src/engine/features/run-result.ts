/**
 * What is written into the marker of a key, and what is read out of one.
 */
import { RunFailedError, RunResultError } from '../../api/errors.js';
import { writable } from '../../api/json.js';
import type { HeldLock } from '../../api/lock.js';
import type { OnceResult } from '../../api/once.js';
import { reasonOf } from '../../api/texts.js';
import type { Marker } from '../../backend/port.js';
import { plainJson } from '../../api/plain-data.js';

interface Written {
  readonly by: string;
  readonly at: string;
  readonly token: string;
}

const writtenBy = ({ owner, fencingToken }: HeldLock, at: Date): Written => ({
  by: owner,
  at: at.toISOString(),
  token: fencingToken.toString(),
});

/** @throws RunResultError for what the others would not get as it is */
export function completed(key: string, held: HeldLock, at: Date, value: unknown): string {
  const written = writtenBy(held, at);
  if (value === undefined) return JSON.stringify(written);
  const plain = plainJson(value);
  if ('objection' in plain) throw new RunResultError({ key, objection: plain.objection });
  // What was checked is what is sent.
  return `${JSON.stringify(written).slice(0, -1)},"value":${plain.json}}`;
}

export const failed = (held: HeldLock, at: Date, error: unknown): string =>
  JSON.stringify({ ...writtenBy(held, at), failed: reasonOf(error) });

/**
 * A marker that cannot be read was written by hand: it is done, and nobody knows more.
 *
 * @typeParam T what the user says that its runs produce
 */
export function resultOf<T>(key: string, marker: Marker): OnceResult<T> {
  const read = readMarker(marker.value);
  const { by, at, token, failed: reason } = read;
  const when = typeof at === 'string' ? new Date(at) : undefined;
  return writable({
    key,
    outcome: typeof reason === 'string' ? 'failed' : 'completed',
    // What its runner gave as a T, by way of JSON.
    value: read['value'] as T | undefined,
    reason: typeof reason === 'string' ? reason : undefined,
    by: typeof by === 'string' ? by : 'unnamed',
    at: when && !Number.isNaN(when.getTime()) ? when : undefined,
    fencingToken: typeof token === 'string' && /^\d{1,20}$/.test(token) ? BigInt(token) : undefined,
  });
}

function readMarker(text: string): Readonly<Record<string, unknown>> {
  try {
    const read: unknown = JSON.parse(text);
    return isRecord(read) ? read : {};
  } catch {
    // Not ours: a person has marked it.
    return {};
  }
}

const isRecord = (read: unknown): read is Readonly<Record<string, unknown>> =>
  typeof read === 'object' && read !== null && !Array.isArray(read);

/** What whoever did not run it is told. */
export const failureOf = <T>({ key, by, outcome, reason = '' }: OnceResult<T>): RunFailedError | undefined =>
  outcome === 'failed' ? new RunFailedError({ key, by, reason }) : undefined;
