/**
 * Schedules drawn from a seed, for the specs of the lab.
 */
import { FAULTS, KINDS, NAMES, normalised } from '../../site/lab/model/schedule.js';
import type { Action, FaultVerb, Name, Schedule } from '../../site/lab/model/schedule.js';
import { randomFrom } from '../../src/testing/random.js';

const VERBS: readonly FaultVerb[] = ['cut', 'heal', 'delay', 'freeze', 'kill', 'restart', 'clock', 'leave'];

/** The same schedule for the same seed: a few processes, some wishes, some faults. */
export function scheduleOf(seed: number): Schedule {
  const random = randomFrom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const one = <T>(from: readonly [T, ...T[]] | readonly T[], fallback: T): T => from[below(from.length)] ?? fallback;
  const processes = 2 + below(4);
  const who = (): Name => one(NAMES.slice(0, processes), 'a');

  const want = (at: number): Action => {
    const kind = one(KINDS, 'mutex');
    const keys = kind === 'all' ? (below(2) === 0 ? ['k', 'l'] : ['l', 'k']) : [one(['k', 'l'], 'k')];
    const wait = below(3) === 0 ? below(30) : undefined;
    return { verb: 'want', at, who: who(), kind, keys, work: 4 + below(40), wait };
  };
  const fault = (at: number): Action => {
    if (below(10) === 0) return { verb: 'expire', at, key: 'k' };
    if (below(6) === 0) return { verb: 'tick', at, key: 'job', work: 4 + below(20) };
    const verb = one(VERBS, 'cut');
    const { needs } = FAULTS[verb];
    const amount = needs === undefined ? undefined : needs === 'step' ? below(2) * 140 - 70 : 1 + below(50);
    return { verb, at, who: who(), amount };
  };
  const actions = Array.from({ length: 5 + below(12) }, (_, index) =>
    (index % 5 < 3 ? want : fault)(below(index % 5 < 3 ? 60 : 90)),
  );
  const [ttl, margin, latency] = [12 + 6 * below(4), 1 + below(4), below(3)];
  return normalised({ processes, ttl, margin, latency, end: 120, actions });
}
