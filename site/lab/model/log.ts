/**
 * A run in words: what a screen reader reads, and what the list beside the picture shows.
 */
import { FAULTS } from './schedule.js';
import type { Schedule } from './schedule.js';
import type { Ending, HoldTrace, Trace } from './trace.js';

export interface LogLine {
  readonly at: number;
  /** The lane it belongs to: a process, or nothing for the server. */
  readonly process: string | undefined;
  readonly text: string;
  /** Good or bad news, for its colour. */
  readonly tone: 'plain' | 'good' | 'bad' | 'fault';
}

const isOnce = ({ contention }: HoldTrace): boolean => contention.kind === 'once';

const nameOf = ({ contention }: HoldTrace): string => `${contention.kind} ${contention.keys.join(' + ')}`;

const ENDS: Readonly<Record<Ending, ((hold: HoldTrace) => string) | undefined>> = {
  open: undefined,
  done: (hold) => (isOnce(hold) ? `has done ${nameOf(hold)}` : `has released ${nameOf(hold)}`),
  given: (hold) => `has the result of ${hold.givenBy ?? 'another one'} for ${nameOf(hold)}, without running it`,
  lost: (hold) => `is told that ${nameOf(hold)} is lost (${hold.code ?? ''})`,
  busy: (hold) => `gives up: ${nameOf(hold)} is taken`,
  left: (hold) => `gives up ${nameOf(hold)} from outside`,
  killed: undefined,
  failed: (hold) => `fails: ${hold.code ?? ''}`,
};

function holdLines(hold: HoldTrace): LogLine[] {
  const { contention, heldAt, token, endedAt, ending, validUntil, stoppedAt } = hold;
  const process = contention.process.id;
  const lines: LogLine[] = [
    { at: contention.at, process, text: `${isOnce(hold) ? 'is due to do' : 'wants'} ${nameOf(hold)}`, tone: 'plain' },
  ];
  if (heldAt !== undefined) {
    const named = token === undefined ? '' : `, token ${token}`;
    lines.push({
      at: heldAt,
      process,
      text: `${isOnce(hold) ? 'runs' : 'holds'} ${nameOf(hold)}${named}`,
      tone: 'good',
    });
  }
  if (validUntil !== undefined && stoppedAt !== undefined && stoppedAt > validUntil) {
    lines.push({
      at: validUntil,
      process,
      text: `may not act any more: ${nameOf(hold)} was good until now`,
      tone: 'bad',
    });
  }
  const end = ENDS[ending];
  if (end && endedAt !== undefined) {
    lines.push({
      at: endedAt,
      process,
      text: end(hold),
      tone: ending === 'done' || ending === 'given' ? 'plain' : 'bad',
    });
  }
  return lines;
}

function faultLines({ actions }: Schedule): LogLine[] {
  return actions.flatMap((action): LogLine[] => {
    const { at, verb } = action;
    if (verb === 'want') return [];
    if (verb === 'expire') {
      return [
        { at, process: undefined, text: `the server ends the lease of the first at ${action.key}`, tone: 'fault' },
      ];
    }
    if (verb === 'tick') {
      const text = `${action.key} is due: each process does it at ${at} by its own clock`;
      return [{ at, process: undefined, text, tone: 'fault' }];
    }
    const { text } = FAULTS[verb];
    const amount = action.amount === undefined ? '' : ` (${action.amount})`;
    return [{ at, process: action.who, text: `${text}${amount}`, tone: 'fault' }];
  });
}

/** All that happened, in its order. */
export function logOf(schedule: Schedule, trace: Trace): readonly LogLine[] {
  const writes = trace.writes.flatMap(({ at, process, key, plain, fenced }): LogLine[] => {
    const forgets = plain.after <= plain.before;
    if (!forgets && !fenced?.refused) return [];
    const refused = fenced?.refused ? '; with fencing it is refused' : '';
    return [
      {
        at,
        process,
        text: `a write of ${process} sets the counter ${key} from ${plain.before} to ${plain.after}${refused}`,
        tone: 'bad',
      },
    ];
  });
  const marks = trace.marks.flatMap(({ at, key, by, until }): LogLine[] => [
    { at, process: undefined, text: `${key} is marked as done by ${by}, kept until ${until}`, tone: 'good' },
    ...(until > schedule.end
      ? []
      : [{ at: until, process: undefined, text: `${key} is not marked any more`, tone: 'plain' } as const]),
  ]);
  const lines = [...faultLines(schedule), ...trace.holds.flatMap(holdLines), ...marks, ...writes];
  return lines
    .map((line, order) => ({ line, order }))
    .sort((a, b) => a.line.at - b.line.at || a.order - b.order)
    .map(({ line }) => line);
}
