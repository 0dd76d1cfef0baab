/**
 * What a schedule means: which process is started when, what it contends for, what is done to it. The real engine, the
 * models of other clients and the copied spec all follow this one list, in this order.
 */
import { NAMES } from './schedule.js';
import type { Action, FaultVerb, Kind, Name, Schedule, Tick, Want } from './schedule.js';

/** A process from its start to its end: after a restart there is another one in its lane. */
export interface Incarnation {
  /** `a`, then `a2`, `a3`. */
  readonly id: string;
  readonly name: Name;
  readonly from: number;
  /** When it was killed; nothing where it lives. */
  readonly until: number | undefined;
}

export interface Contention {
  readonly id: number;
  readonly process: Incarnation;
  readonly at: number;
  /** When it is given up from outside. */
  readonly leaveAt: number | undefined;
  readonly kind: Kind;
  readonly keys: readonly string[];
  readonly work: number;
  readonly wait: number | undefined;
}

/** Something that is done to a process, or by the server. */
export type Step =
  | {
      readonly at: number;
      readonly verb: Exclude<FaultVerb, 'leave' | 'restart'>;
      readonly process: Incarnation;
      readonly amount: number;
    }
  | { readonly at: number; readonly verb: 'expire'; readonly key: string };

export interface Program {
  readonly schedule: Schedule;
  readonly processes: readonly Incarnation[];
  readonly steps: readonly Step[];
  readonly contentions: readonly Contention[];
  readonly keys: readonly string[];
}

interface Draft {
  readonly id: string;
  readonly name: Name;
  readonly from: number;
  until: number | undefined;
}

/** When the clock of that process shows the tick. A clock that is set ahead may never show it, one that is set back twice. */
function duesOf({ actions, end }: Schedule, name: Name, { at }: Tick): readonly number[] {
  const dues: number[] = [];
  let from = 0;
  let offset = 0;
  const shown = (until: number): void => {
    const due = at - offset;
    if (due >= from && due < until) dues.push(due);
  };
  for (const action of actions) {
    if (action.verb !== 'clock' || action.who !== name) continue;
    shown(action.at);
    from = action.at;
    offset += action.amount ?? 0;
  }
  shown(end);
  return dues;
}

/** The actions, with what each process makes of a tick in its place. The tick is in the key, as it should be in a cron. */
function withDues(schedule: Schedule, names: readonly Name[]): readonly Exclude<Action, Tick>[] {
  const dues = (tick: Tick): Want[] =>
    names.flatMap((who) =>
      duesOf(schedule, who, tick).map((at): Want => {
        const keys = [`${tick.key}${tick.at}`];
        return { verb: 'want', at, who, kind: 'once', keys, work: tick.work, wait: undefined };
      }),
    );
  return schedule.actions
    .flatMap((action): Exclude<Action, Tick>[] => (action.verb === 'tick' ? dues(action) : [action]))
    .sort((one, other) => one.at - other.at);
}

export function programOf(schedule: Schedule): Program {
  const names = NAMES.slice(0, schedule.processes);
  const drafts: Draft[] = names.map((name) => ({ id: name, name, from: 0, until: undefined }));
  const current = new Map<Name, Draft>(drafts.map((draft) => [draft.name, draft]));
  const steps: { readonly action: Exclude<Action, Tick>; readonly draft: Draft | undefined; readonly verb: string }[] =
    [];
  const wants: {
    readonly action: Extract<Action, { verb: 'want' }>;
    readonly draft: Draft;
    leaveAt: number | undefined;
  }[] = [];

  const kill = (draft: Draft, action: Exclude<Action, Tick>): void => {
    if (draft.until !== undefined) return;
    draft.until = action.at;
    steps.push({ action, draft, verb: 'kill' });
  };

  for (const action of withDues(schedule, names)) {
    if (action.verb === 'expire') {
      steps.push({ action, draft: undefined, verb: 'expire' });
      continue;
    }
    const draft = current.get(action.who);
    if (!draft) continue;
    if (action.verb === 'restart') {
      kill(draft, action);
      const count = drafts.filter(({ name }) => name === action.who).length;
      const next: Draft = { id: `${action.who}${count + 1}`, name: action.who, from: action.at, until: undefined };
      drafts.push(next);
      current.set(action.who, next);
    } else if (action.verb === 'kill') {
      kill(draft, action);
    } else if (draft.until !== undefined) {
      // Nothing can be done to a process that is gone.
    } else if (action.verb === 'want') {
      wants.push({ action, draft, leaveAt: undefined });
    } else if (action.verb === 'leave') {
      for (const want of wants) if (want.draft === draft && want.leaveAt === undefined) want.leaveAt = action.at;
    } else {
      steps.push({ action, draft, verb: action.verb });
    }
  }

  const made = new Map<Draft, Incarnation>(drafts.map((draft) => [draft, { ...draft }]));
  const processOf = (draft: Draft): Incarnation => made.get(draft) ?? { ...draft };
  return {
    schedule,
    processes: [...made.values()],
    steps: steps.flatMap(({ action, draft, verb }): Step[] => {
      if (action.verb === 'expire') return [{ at: action.at, verb: 'expire', key: action.key }];
      if (!draft || action.verb === 'want') return [];
      const amount = action.amount ?? 0;
      const process = processOf(draft);
      if (verb === 'kill') return [{ at: action.at, verb: 'kill', process, amount }];
      if (action.verb === 'leave' || action.verb === 'restart') return [];
      return [{ at: action.at, verb: action.verb, process, amount }];
    }),
    contentions: wants.map(({ action, draft, leaveAt }, id) => {
      const { at, kind, keys, work, wait } = action;
      return { id, process: processOf(draft), at, leaveAt, kind, keys, work, wait };
    }),
    keys: [...new Set(wants.flatMap(({ action }) => action.keys))].sort(),
  };
}
