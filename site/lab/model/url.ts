/**
 * A schedule as the fragment of a URL, and back: `3.24.4.1.120_0a-want.mutex.k.20_8a-cut_30s-expire.k`. First the
 * number of processes, ttl, margin, latency and end, then one action after another: when, who (`s`: none of them),
 * what, and with what.
 */
import { EMPTY_SCHEDULE, FAULTS, isFaultVerb, isKind, isName, normalised } from './schedule.js';
import type { Action, Name, Schedule } from './schedule.js';

/** Letters and digits: nothing that a URL or a copied spec would have to escape. */
const KEY = /^[a-z][a-z0-9]{0,11}$/;

function writtenAction(action: Action): string {
  const { at, verb } = action;
  if (verb === 'expire') return `${at}s-expire.${action.key}`;
  if (verb === 'tick') return `${at}s-tick.${action.key}.${action.work}`;
  if (verb === 'want') {
    const wait = action.wait === undefined ? '' : `.${action.wait}`;
    return `${at}${action.who}-want.${action.kind}.${action.keys.join('+')}.${action.work}${wait}`;
  }
  return `${at}${action.who}-${verb}${action.amount === undefined ? '' : `.${action.amount}`}`;
}

export function toFragment(schedule: Schedule): string {
  const { processes, ttl, margin, latency, end, actions } = schedule;
  return [[processes, ttl, margin, latency, end].join('.'), ...actions.map(writtenAction)].join('_');
}

const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^-?\d{1,4}$/.test(text) ? Number(text) : undefined;

function readWant(at: number, who: Name, rest: readonly string[]): Action | undefined {
  const [kind = '', names = '', work, wait] = rest;
  const keys = names.split('+');
  const ticks = numberOf(work);
  if (!isKind(kind) || ticks === undefined || ticks < 0) return undefined;
  if (!keys.every((key) => KEY.test(key)) || new Set(keys).size !== keys.length || keys.length > 4) return undefined;
  if (kind !== 'all' && keys.length !== 1) return undefined;
  const patience = numberOf(wait);
  if (wait !== undefined && (patience === undefined || patience < 0)) return undefined;
  return { verb: 'want', at, who, kind, keys, work: ticks, wait: patience };
}

function readServerAction(at: number, verb: string, [key = '', work]: readonly string[]): Action | undefined {
  if (!KEY.test(key)) return undefined;
  if (verb === 'expire') return { verb, at, key };
  const ticks = numberOf(work);
  return verb === 'tick' && ticks !== undefined && ticks >= 0 ? { verb, at, key, work: ticks } : undefined;
}

function readAction(text: string): Action | undefined {
  const [, when, who = '', what = ''] = /^(\d{1,4})([a-e]|s)-(.+)$/.exec(text) ?? [];
  const at = numberOf(when);
  const [verb = '', ...rest] = what.split('.');
  const [first = ''] = rest;
  if (at === undefined) return undefined;
  if (who === 's') return readServerAction(at, verb, rest);
  if (!isName(who)) return undefined;
  if (verb === 'want') return readWant(at, who, rest);
  if (!isFaultVerb(verb)) return undefined;
  const amount = FAULTS[verb].needs === undefined ? undefined : numberOf(first);
  if (FAULTS[verb].needs !== undefined && amount === undefined) return undefined;
  if (verb !== 'clock' && amount !== undefined && amount < 0) return undefined;
  return { verb, at, who, amount };
}

/** The schedule of a fragment. What cannot be read is left out, and named. */
export function fromFragment(fragment: string): { readonly schedule: Schedule; readonly unread: readonly string[] } {
  const [head = '', ...parts] = fragment.replace(/^#/, '').split('_');
  const [processes, ttl, margin, latency, end] = head.split('.').map(numberOf);
  const read = parts.filter((part) => part !== '').map((part) => ({ part, action: readAction(part) }));
  const base = EMPTY_SCHEDULE;
  return {
    schedule: normalised({
      processes: processes ?? base.processes,
      ttl: ttl ?? base.ttl,
      margin: margin ?? base.margin,
      latency: latency ?? base.latency,
      end: end ?? base.end,
      actions: read.flatMap(({ action }) => action ?? []),
    }),
    unread: read.filter(({ action }) => action === undefined).map(({ part }) => part),
  };
}

/** A schedule and the tick one looks at, as one fragment. */
export const toLink = (schedule: Schedule, tick: number): string => `${toFragment(schedule)}@${tick}`;

/** What {@link toLink} has written; without a tick, the end. */
export function fromLink(link: string): ReturnType<typeof fromFragment> & { readonly tick: number } {
  const [fragment = '', tick] = link.split('@');
  const read = fromFragment(fragment);
  const { end } = read.schedule;
  return { ...read, tick: Math.min(end, Math.max(0, numberOf(tick) ?? end)) };
}
