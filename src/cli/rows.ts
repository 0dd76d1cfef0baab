/**
 * Formats locks as rows of a table and as NDJSON.
 */
import type { Holder, Ownership } from '../index.js';
import { shownDuration } from './durations.js';
import { shown } from './say.js';
import type { Json, Voice } from './say.js';

export type Row = readonly string[];
export const HEADINGS: Row = ['KEY', 'KIND', 'HOLDER', 'TOKEN', 'SINCE', 'WAITING'];

/** The rows of a lock: one for each holder. */
export function rowsOf(state: Ownership, prefix: string, now: number): readonly Row[] {
  const key = shown(state.key.slice(prefix.length));
  if (state.status === 'free') return [[key, '-', 'free', '', '', '']];
  if (state.status === 'unknown') return [[key, '-', `unknown: ${shown(state.cause.message)}`, '', '', '']];
  return state.holders.map((holder, i) => [
    i === 0 ? key : '',
    holder.kind,
    shown(holder.owner) + (holder.revocation ? ` (asked to release: ${shown(holder.revocation.reason)})` : ''),
    holder.fencingToken.toString(),
    holder.since ? shownDuration(Math.max(0, now - holder.since.getTime())) : '?',
    i === 0 ? String(state.waiting ?? '?') : '',
  ]);
}

/** The state as a JSON value. */
export function jsonOf(state: Ownership, prefix: string): Json {
  const key = state.key.slice(prefix.length);
  if (state.status === 'free') return { key, status: 'free' };
  if (state.status === 'unknown') return { key, status: 'unknown', cause: state.cause.message };
  return {
    key,
    status: 'held',
    holders: state.holders.map((holder: Holder) => holder.toJSON()),
    waiting: state.waiting,
  };
}

/** Pads the cells of each column to the same width. */
export function aligned(rows: readonly Row[], voice: Voice): readonly string[] {
  const widths = HEADINGS.map((_, column) => rows.reduce((most, row) => Math.max(most, (row[column] ?? '').length), 0));
  return rows.map((row, i) => {
    const line = row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
    return i === 0 ? voice.paint('bold', line) : line;
  });
}
