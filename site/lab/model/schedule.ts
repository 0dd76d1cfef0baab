/**
 * The state of the lab: some processes, the times of their locks, and a list of what happens when. Ticks are the
 * milliseconds of virtual time.
 */

/** The processes are known by a letter. */
export const NAMES = ['a', 'b', 'c', 'd', 'e'] as const;
export type Name = (typeof NAMES)[number];

/**
 * What can be wanted: a lock of one key, `all`, which takes several mutexes, or `once`, work that one of the fleet does
 * for all under the mutex of its key.
 */
export const KINDS = ['mutex', 'read', 'write', 'semaphore', 'all', 'once'] as const;
export type Kind = (typeof KINDS)[number];

/** Contends for a lock, and works under it for so long. */
export interface Want {
  readonly verb: 'want';
  readonly at: number;
  readonly who: Name;
  readonly kind: Kind;
  readonly keys: readonly string[];
  /** How long the work takes, ticks. */
  readonly work: number;
  /** How long to contend; without it for ever, 0 tries once. */
  readonly wait: number | undefined;
}

/** What can happen to a process, and what it says of it. `needs` is the unit of its number. */
export const FAULTS = {
  leave: { needs: undefined, text: 'gives up what it wants or holds' },
  cut: { needs: undefined, text: 'is cut off from the lock server' },
  heal: { needs: undefined, text: 'reaches the lock server again' },
  delay: { needs: 'ticks', text: 'has a slow network: answers and writes take this many ticks longer' },
  freeze: { needs: 'ticks', text: 'stands still for this many ticks' },
  kill: { needs: undefined, text: 'is killed' },
  restart: { needs: undefined, text: 'is started anew, in place of the one that ran' },
  clock: { needs: 'step', text: 'has its wall clock set by this many ticks' },
} as const;
export type FaultVerb = keyof typeof FAULTS;

export interface Fault {
  readonly verb: FaultVerb;
  readonly at: number;
  readonly who: Name;
  /** Where the fault needs a number. */
  readonly amount: number | undefined;
}

/** The server ends the lease of the first claim at the key. */
export interface Expire {
  readonly verb: 'expire';
  readonly at: number;
  readonly key: string;
}

/** A job of a cron, due at this tick by the clock of each process: each of them takes part in `runOnce`. */
export interface Tick {
  readonly verb: 'tick';
  readonly at: number;
  readonly key: string;
  readonly work: number;
}

export type Action = Want | Fault | Expire | Tick;

export interface Schedule {
  /** How many processes there are, from 1 to 5. */
  readonly processes: number;
  /** Six divides it: then renewals and repeated requests fall on whole ticks, as a marble diagram needs them. */
  readonly ttl: number;
  readonly margin: number;
  /** A request or a reply takes so long, one way. */
  readonly latency: number;
  /** When the lab stops looking. */
  readonly end: number;
  /** In the order in which they happen; those of one tick in the order of the list. */
  readonly actions: readonly Action[];
}

/** How many may hold a semaphore of the lab. */
export const PERMITS = 2;

/** How long work of `once` stays done, ticks. */
export const KEEP = 60;

export const LIMITS = {
  processes: [1, NAMES.length],
  ttl: [6, 198],
  margin: [0, 50],
  latency: [0, 20],
  end: [10, 400],
} as const satisfies Partial<Record<keyof Schedule, readonly [number, number]>>;

/** {@link Schedule.ttl} */
export const TTL_STEP = 6;

/** No link may ask for more work than this. */
const MOST_ACTIONS = 60;

export const EMPTY_SCHEDULE: Schedule = { processes: 3, ttl: 24, margin: 4, latency: 1, end: 120, actions: [] };

export const isName = (text: string): text is Name => NAMES.some((name) => name === text);
export const isKind = (text: string): text is Kind => KINDS.some((kind) => kind === text);
export const isFaultVerb = (text: string): text is FaultVerb => Object.hasOwn(FAULTS, text);

const clamped = (value: number, [least, most]: readonly [number, number]): number =>
  Math.min(most, Math.max(least, Math.round(value)));

/** The schedule with everything in its limits, and its actions in their order. What is for nobody is left out. */
export function normalised(given: Schedule): Schedule {
  const processes = clamped(given.processes, LIMITS.processes);
  const ttl = clamped(Math.round(given.ttl / TTL_STEP) * TTL_STEP, LIMITS.ttl);
  const end = clamped(given.end, LIMITS.end);
  const isThere = (action: Action): boolean => !('who' in action) || NAMES.indexOf(action.who) < processes;
  return {
    processes,
    ttl,
    margin: Math.min(clamped(given.margin, LIMITS.margin), ttl - 1),
    latency: clamped(given.latency, LIMITS.latency),
    end,
    actions: given.actions
      .filter((action) => isThere(action) && action.at >= 0 && action.at < end)
      .sort((one, other) => one.at - other.at)
      .slice(0, MOST_ACTIONS),
  };
}
