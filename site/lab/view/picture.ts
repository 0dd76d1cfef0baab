/**
 * A trace as shapes on a timeline: where they begin and end, in ticks, and how they look.
 */
import { beliefOf } from '../model/intervals.js';
import type { Program } from '../model/program.js';
import { NAMES } from '../model/schedule.js';
import type { Action, Name } from '../model/schedule.js';
import type { HoldTrace, Trace } from '../model/trace.js';

export interface Band {
  readonly key: string;
  readonly look: 'waiting' | 'held' | 'unaware' | 'releasing';
  readonly from: number;
  readonly to: number;
  readonly label: string;
  /** Which of the contentions that go on at the same time it is, and how many there are. */
  readonly row: number;
  readonly rows: number;
}

export interface Mark {
  readonly key: string;
  readonly at: number;
  readonly look: 'renewed' | 'failed' | 'done' | 'given' | 'lost' | 'busy' | 'left';
  /** Whose result was given. */
  readonly by?: string | undefined;
  readonly row: number;
  readonly rows: number;
}

export interface Span {
  readonly from: number;
  readonly to: number;
  readonly look: 'cut' | 'slow' | 'frozen' | 'dead';
}

export interface Lane {
  readonly name: Name;
  readonly bands: readonly Band[];
  readonly marks: readonly Mark[];
  readonly spans: readonly Span[];
  readonly faults: readonly { readonly at: number; readonly text: string }[];
}

/** Who holds a key, as the server sees it. */
export interface ServerBand {
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly owners: readonly string[];
  /** How many waited behind them at most. */
  readonly waiting: number;
}

/** From when to when it is marked that work is done, and by whom. */
export interface MarkBand {
  readonly from: number;
  readonly to: number;
  readonly by: string;
}

/** Contentions of a lane that overlap get rows of their own. */
function rowsOf(holds: readonly HoldTrace[], end: number): ReadonlyMap<HoldTrace, number> {
  const busyUntil: number[] = [];
  const rows = new Map<HoldTrace, number>();
  for (const hold of holds) {
    const free = busyUntil.findIndex((until) => until <= hold.contention.at);
    const row = free < 0 ? busyUntil.length : free;
    busyUntil[row] = Math.max(hold.endedAt ?? end, hold.stoppedAt ?? 0);
    rows.set(hold, row);
  }
  return rows;
}

function bandsOf(hold: HoldTrace, row: number, rows: number, end: number): Band[] {
  const { contention, heldAt, endedAt, stoppedAt } = hold;
  const finish = Math.min(endedAt ?? end, end);
  const name = contention.keys.join('+');
  const base = { row, rows };
  const band = (look: Band['look'], from: number, to: number, label = ''): Band[] =>
    to > from ? [{ ...base, key: `${contention.id}-${look}`, look, from, to, label }] : [];
  const belief = beliefOf(hold, end);
  if (heldAt === undefined || !belief) return band('waiting', contention.at, finish, name);
  const stopped = Math.min(stoppedAt ?? end, end);
  return [
    ...band('waiting', contention.at, heldAt),
    ...band('held', belief.from, belief.to, name),
    ...band('unaware', belief.to, stopped),
    ...band('releasing', stopped, finish),
  ];
}

function spansOf(program: Program, name: Name): Span[] {
  const { end } = program.schedule;
  const spans: Span[] = [];
  for (const process of program.processes.filter((one) => one.name === name)) {
    const until = process.until ?? end;
    let cut: number | undefined;
    let slow: number | undefined;
    for (const step of program.steps) {
      if (step.verb === 'expire' || step.process.id !== process.id) continue;
      const { at, amount } = step;
      if (step.verb === 'freeze') spans.push({ from: at, to: Math.min(at + amount, until, end), look: 'frozen' });
      if (step.verb === 'cut') cut ??= at;
      if (step.verb === 'heal' && cut !== undefined) {
        spans.push({ from: cut, to: at, look: 'cut' });
        cut = undefined;
      }
      if (step.verb === 'delay') {
        if (slow !== undefined) spans.push({ from: slow, to: at, look: 'slow' });
        slow = amount > 0 ? at : undefined;
      }
    }
    if (cut !== undefined) spans.push({ from: cut, to: until, look: 'cut' });
    if (slow !== undefined) spans.push({ from: slow, to: until, look: 'slow' });
    if (process.until !== undefined) {
      const next = program.processes.find((one) => one.name === name && one.from >= until && one !== process);
      spans.push({ from: until, to: next?.from ?? end, look: 'dead' });
    }
  }
  return spans.filter(({ from, to }) => to > from);
}

const SHORT: Readonly<Record<Exclude<Action['verb'], 'want' | 'tick'>, string>> = {
  leave: 'leave',
  cut: 'cut',
  heal: 'heal',
  delay: 'slow',
  freeze: 'freeze',
  kill: 'kill',
  restart: 'restart',
  clock: 'clock',
  expire: 'expire',
};

export const shortOf = (action: Action): string => {
  if (action.verb === 'want') return `want ${action.kind} ${action.keys.join('+')}`;
  if (action.verb === 'tick') return `job due: once ${action.key}${action.at}`;
  const amount = 'amount' in action && action.amount !== undefined ? action.amount : undefined;
  const sign = action.verb === 'clock' && amount !== undefined && amount > 0 ? '+' : '';
  return amount === undefined ? SHORT[action.verb] : `${SHORT[action.verb]} ${sign}${amount}`;
};

export function lanesOf(program: Program, trace: Trace): readonly Lane[] {
  const { schedule } = program;
  return NAMES.slice(0, schedule.processes).map((name) => {
    const holds = trace.holds.filter(({ contention }) => contention.process.name === name);
    const rows = rowsOf(holds, schedule.end);
    const count = Math.max(1, ...[...rows.values()].map((row) => row + 1));
    const ends = holds.flatMap((hold): Mark[] => {
      const { ending, endedAt, contention, givenBy } = hold;
      if (endedAt === undefined || ending === 'open' || ending === 'killed') return [];
      const look = ending === 'failed' ? 'lost' : ending;
      return [{ key: `end-${contention.id}`, at: endedAt, look, by: givenBy, row: rows.get(hold) ?? 0, rows: count }];
    });
    const ids = new Set(program.processes.filter((one) => one.name === name).map(({ id }) => id));
    const notes = trace.notes
      .filter(({ process, type }) => ids.has(process) && (type === 'renewed' || type === 'renewal-failed'))
      .map((note, index): Mark => {
        const look = note.type === 'renewed' ? 'renewed' : 'failed';
        return { key: `note-${index}`, at: note.at, look, row: 0, rows: 1 };
      });
    return {
      name,
      bands: holds.flatMap((hold) => bandsOf(hold, rows.get(hold) ?? 0, count, schedule.end)),
      marks: [...notes, ...ends],
      spans: spansOf(program, name),
      faults: schedule.actions.flatMap((action) =>
        'who' in action && action.who === name && action.verb !== 'want'
          ? [{ at: action.at, text: shortOf(action) }]
          : [],
      ),
    };
  });
}

/** For each key: who holds it as the server sees it, from when to when. */
export function serverBandsOf({ queues }: Trace, end: number): ReadonlyMap<string, readonly ServerBand[]> {
  const keys = new Map<string, ServerBand[]>();
  for (const view of queues) {
    const bands = keys.get(view.key) ?? [];
    keys.set(view.key, bands);
    const last = bands.at(-1);
    if (last) bands[bands.length - 1] = { ...last, to: view.at };
    const owners = view.claims.filter(({ holds }) => holds).map(({ owner }) => owner);
    const waiting = view.claims.length - owners.length;
    if (last && last.owners.join() === owners.join()) {
      bands[bands.length - 1] = { ...last, to: end, waiting: Math.max(last.waiting, waiting) };
    } else bands.push({ key: view.key, from: view.at, to: end, owners, waiting });
  }
  const merged = [...keys].map(([key, bands]): [string, ServerBand[]] => [
    key,
    bands.filter(({ from, to, owners }) => to > from && owners.length > 0),
  ]);
  return new Map(merged.sort(([one], [other]) => one.localeCompare(other)));
}

/** The markers of a key, as the server keeps them. */
export const markBandsOf = ({ marks }: Trace, key: string, end: number): readonly MarkBand[] =>
  marks.filter((mark) => mark.key === key).map(({ at, until, by }) => ({ from: at, to: Math.min(until, end), by }));
