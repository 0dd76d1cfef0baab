/**
 * Histories made by hand: each begins as a good one, and a spec spoils it.
 */
import { historyOf } from '../../torture/history.mjs';
import type { Change } from '../../torture/observer.mjs';
import type { History, LogRecord } from '../../torture/history.mjs';

export const TTL = 5000;
export const KEY = 'm/0';

/** How an operation went, in milliseconds of the clock that all share. */
export interface Course {
  readonly op?: number;
  readonly key?: string;
  readonly keys?: readonly string[];
  readonly kind?: string;
  readonly form?: string;
  readonly contend?: number;
  readonly wait?: number;
  readonly waiting?: number;
  readonly held?: number;
  readonly token?: number;
  readonly emits?: readonly (number | { readonly t: number; readonly s?: number; readonly believed?: boolean })[];
  readonly stopped?: number;
  readonly end?: number;
  readonly how?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly holders?: readonly { readonly owner: string; readonly token: string }[];
}

let ops = 0;

/** The lines that a client logs about one operation. */
export function operation(course: Course): readonly LogRecord[] {
  const { op = (ops += 1), key = KEY, kind = 'mutex', form = 'withLock', contend = 0, emits = [] } = course;
  const { keys = [key] } = course;
  const { wait, waiting, held, token, stopped, end, how = 'completed', code, reason, holders } = course;
  const lines: LogRecord[] = [
    { t: contend, type: 'contend', op, kind, keys, form, ...(wait !== undefined && { wait }) },
  ];
  if (waiting !== undefined) lines.push({ t: waiting, type: 'waiting', op, ahead: 1 });
  if (held !== undefined) lines.push({ t: held, type: 'held', op, token: String(token ?? Math.round(held)) });
  for (const emit of emits) {
    const { t, s = t, believed = true } = typeof emit === 'number' ? { t: emit } : emit;
    lines.push({ t, type: 'emit', op, s, believed });
  }
  if (stopped !== undefined) lines.push({ t: stopped, type: 'stopped', op });
  if (end !== undefined) lines.push({ t: end, type: 'end', op, how, code, reason, holders });
  return lines;
}

/** Held from then to then, and given back. */
export const held = (from: number, until: number, course: Course = {}): readonly LogRecord[] =>
  operation({
    contend: from - 10,
    waiting: from - 5,
    held: from,
    emits: [from, until],
    stopped: until,
    end: until,
    ...course,
  });

export interface Parts {
  readonly clients?: Readonly<Record<string, readonly (readonly LogRecord[])[]>>;
  readonly run?: readonly LogRecord[];
  readonly changes?: readonly Change[];
}

export const history = ({ clients = {}, run = [], changes = [] }: Parts): History =>
  historyOf({
    ttl: TTL,
    clients: Object.fromEntries(
      Object.entries(clients).map(([name, logs]) => [name, logs.flat().sort((a, b) => a.t - b.t)]),
    ),
    run: [{ t: 0, type: 'settings' }, ...run],
    changes,
  });

/** A change of a key as the servers tell it. */
export const change = (revision: number, parts: Partial<Change>): Change => ({
  t: revision,
  revision,
  type: 'put',
  key: 'torture/locks/m/0/1-0',
  value: '',
  created: String(revision),
  lease: '1',
  ...parts,
});

/** A claim in the queue of the key, from one time to another. */
export interface Stay {
  readonly from: number;
  readonly until?: number;
  readonly kind?: string;
}

/** Claims that come and go; the revisions are 1, 2, 3 and so on, and so are their tokens. */
export function queue(...stays: readonly Stay[]): readonly Change[] {
  const made: Change[] = [];
  const steps = stays.flatMap(({ from, until, kind = 'mutex' }, i) => {
    const key = `torture/locks/${KEY}/${i}-0`;
    const value = JSON.stringify({ owner: 'x', kind });
    const gone = { t: until ?? 0, parts: { key, type: 'delete', created: '0', lease: '0' } as const };
    return [{ t: from, parts: { key, value } }, ...(until === undefined ? [] : [gone])];
  });
  for (const { t, parts } of steps.sort((a, b) => a.t - b.t)) made.push(change(made.length + 1, { t, ...parts }));
  return made;
}

/** A try that was refused, as held by that one. */
export const refused = (from: number, until: number, owner: string, token: number): readonly LogRecord[] =>
  operation({
    contend: from,
    end: until,
    how: 'error',
    code: 'ALREADY_LOCKED',
    holders: [{ owner, token: `${token}` }],
  });

/** What an observer was told. */
export const told = (t: number, ...tokens: readonly number[]): LogRecord => ({
  t,
  type: 'told',
  key: KEY,
  status: tokens.length > 0 ? 'held' : 'free',
  tokens: tokens.map(String),
});

/** A write to the register of a key. */
export const write = (revision: number, token: number, n: number, client = 'c1.0'): Change =>
  change(revision, {
    key: `torture/registers/${KEY}`,
    value: JSON.stringify({ token: String(token), n, client }),
  });
