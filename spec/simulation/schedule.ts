/**
 * What happens in a run, as plain data: who contends when and for how long, and what goes wrong.
 */
import fc from 'fast-check';
import type { LockKind } from '../../src/index.js';

export const TTL = 3000;
/** The last one is the name of an election. */
export const KEYS = ['a', 'b', 'leader'] as const;
export const ELECTION = 2;
/** Faults and new tasks end here; from here on everyone must be served. */
export const HEAL_AT = 10_000;

export const CLIENTS = 3;
/** The longest a body runs. */
export const LONGEST_HOLD = 3000;
/** The most contenders in one run. */
export const MOST_TASKS = 14;

/** A lock at one key. */
export interface Want {
  /** Which one, by its place in {@link KEYS}. */
  readonly key: number;
  readonly kind: LockKind;
  /** Of a semaphore; clients need not agree. */
  readonly permits?: number | undefined;
}

/** One who contends. */
export interface Task {
  readonly at: number;
  readonly client: number;
  /** Several are wanted together. */
  readonly wants: readonly Want[];
  /** How long its body runs once it holds, and how it ends. */
  readonly hold: number;
  readonly ends: 'complete' | 'error' | 'release';
  readonly wait: number;
  /** Unsubscribed so long after its start, if at all. */
  readonly leaveAfter: number | undefined;
  /** Of a candidate. */
  readonly candidate?: Candidate | undefined;
}

/** One who wants to lead. */
export interface Candidate {
  /** By which of the election objects of its client. */
  readonly object: number;
  readonly value: string;
  /** When it proclaims, counted from its start: whether it leads by then, or another one of its object, or nobody. */
  readonly proclaims: readonly number[];
}

/** One who takes part in what is done once. */
export interface OnceTask {
  readonly at: number;
  readonly client: number;
  /** How long it stays done. */
  readonly keep: number;
  /** How long its run takes, and how that ends. */
  readonly hold: number;
  readonly ends: 'complete' | 'error';
  readonly wait: number;
  readonly leaveAfter: number | undefined;
}

export type Fault =
  | {
      readonly kind: 'partition' | 'lose-replies' | 'late' | 'slow' | 'pause' | 'sleep';
      readonly at: number;
      readonly client: number;
      readonly ms: number;
    }
  | { readonly kind: 'step-wall'; readonly at: number; readonly client: number; readonly ms: number }
  | { readonly kind: 'close'; readonly at: number; readonly client: number };

/** The server is away for so long, and comes back with all it knew. */
export interface Restart {
  readonly at: number;
  readonly ms: number;
}

/** The server is restored from a backup of so long ago: what came since is forgotten, what was given back is there again. */
export interface Restore {
  readonly at: number;
  readonly back: number;
  /** It is away for so long meanwhile. */
  readonly ms: number;
  /** Restored as another cluster, which is told by any answer; else its revision tells, unless that has caught up. */
  readonly isOtherCluster: boolean;
}

/** A person deletes a claim. */
export interface Deletion {
  readonly at: number;
  /** As in {@link KEYS}; behind them, that of what is done once. */
  readonly key: number;
  /** Which one of the queue. */
  readonly place: number;
}

/** A client asks those who hold a key to give way. */
export interface Request {
  readonly at: number;
  readonly client: number;
  readonly key: number;
}

export interface Schedule {
  /** Of delays, losses and jitter. */
  readonly seed: number;
  readonly latency: number;
  readonly loss: number;
  /** How fast the clocks of each client run. */
  readonly rates: readonly number[];
  /** The ttl of each client. */
  readonly ttls: readonly number[];
  readonly tasks: readonly Task[];
  readonly faults: readonly Fault[];
  readonly restarts: readonly Restart[];
  readonly restores: readonly Restore[];
  readonly deletions: readonly Deletion[];
  readonly requests: readonly Request[];
  readonly onces: readonly OnceTask[];
  readonly campaigns: readonly Task[];
}

const instant = fc.integer({ min: 0, max: HEAL_AT });
const client = fc.integer({ min: 0, max: CLIENTS - 1 });

type What = fc.Arbitrary<Omit<Want, 'key'>>;
const mutexes: What = fc.constant({ kind: 'mutex' });
const writers: What = fc.constant({ kind: 'write' });
const readers: What = fc.constant({ kind: 'read' });
const semaphores: What = fc.constantFrom(1, 2, 3, 3).map((permits) => ({ kind: 'semaphore', permits }));

const wantsOf = (kind: What): fc.Arbitrary<readonly Want[]> => {
  const at = (key: number): fc.Arbitrary<Want> => kind.map((one) => ({ key, ...one }));
  return fc.oneof(
    { weight: 4, arbitrary: fc.tuple(at(0)) },
    { weight: 2, arbitrary: fc.tuple(at(1)) },
    { weight: 1, arbitrary: fc.tuple(at(0), at(1)) },
    { weight: 1, arbitrary: fc.tuple(at(1), at(0)) },
  );
};

const patient = fc.oneof(
  { weight: 6, arbitrary: fc.constant(Infinity) },
  { weight: 1, arbitrary: fc.constantFrom(0, 500, 3000) },
);
/** Tries among those who wait, and those who give up soon. */
const hasty = fc.constantFrom(Infinity, Infinity, 0, 0, 0, 300, 1000);

const taskOf = (wants: fc.Arbitrary<readonly Want[]>, wait: fc.Arbitrary<number>): fc.Arbitrary<Task> =>
  fc.record({
    at: instant,
    client,
    wants,
    hold: fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 0, max: LONGEST_HOLD })),
    ends: fc.constantFrom('complete', 'complete', 'error', 'release'),
    wait,
    leaveAfter: fc.option(fc.integer({ min: 0, max: 5000 }), { nil: undefined, freq: 2 }),
  });

const tasksOf = (kind: What, wait: fc.Arbitrary<number>): fc.Arbitrary<readonly Task[]> =>
  fc.array(taskOf(wantsOf(kind), wait), { minLength: 2, maxLength: MOST_TASKS });

/** Of few kinds in each run, so that these meet. */
const tasksWith = (wait: fc.Arbitrary<number>): fc.Arbitrary<readonly Task[]> =>
  fc.oneof(
    { weight: 4, arbitrary: tasksOf(mutexes, wait) },
    { weight: 2, arbitrary: tasksOf(fc.oneof(readers, readers, readers, writers), wait) },
    { weight: 2, arbitrary: tasksOf(semaphores, wait) },
    { weight: 1, arbitrary: tasksOf(fc.oneof(readers, semaphores, writers, mutexes), wait) },
  );

const name: readonly Want[] = [{ key: ELECTION, kind: 'mutex' }];
const candidate: fc.Arbitrary<Candidate> = fc.record({
  object: fc.integer({ min: 0, max: 1 }),
  // Few, so that candidates meet who ask for the same.
  value: fc.constantFrom('x', 'x', 'x', 'y'),
  proclaims: fc.array(fc.integer({ min: 0, max: 4000 }), { maxLength: 3 }),
});
const campaign: fc.Arbitrary<Task> = fc
  .tuple(taskOf(fc.constant(name), patient), candidate)
  .map(([task, one]) => ({ ...task, candidate: one }));

const onceTask: fc.Arbitrary<OnceTask> = fc.record({
  at: instant,
  client,
  keep: fc.constantFrom(300, 4000, 60_000),
  hold: fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 0, max: LONGEST_HOLD })),
  ends: fc.constantFrom('complete', 'complete', 'complete', 'error'),
  wait: fc.constantFrom(Infinity, Infinity, Infinity, 2000),
  leaveAfter: fc.option(fc.integer({ min: 0, max: 5000 }), { nil: undefined, freq: 4 }),
});

type Lasting = Exclude<Fault['kind'], 'step-wall' | 'close'>;
const faultsOf = (...kinds: readonly Lasting[]): fc.Arbitrary<readonly Fault[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constantFrom(...kinds),
          at: instant,
          client,
          ms: fc.integer({ min: 1, max: 3 * TTL }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('step-wall'),
          at: instant,
          client,
          ms: fc.integer({ min: -60_000, max: 5000 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('close'), at: instant, client }) },
    ),
    { maxLength: 8 },
  );

const restart: fc.Arbitrary<Restart> = fc.record({
  at: instant,
  ms: fc.oneof(fc.constantFrom(0, 50), fc.integer({ min: 0, max: 2 * TTL })),
});

const restore: fc.Arbitrary<Restore> = fc.record({
  at: instant,
  back: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 6000 })),
  ms: fc.oneof(fc.constantFrom(0, 50), fc.integer({ min: 0, max: TTL })),
  isOtherCluster: fc.boolean(),
});

const deletion: fc.Arbitrary<Deletion> = fc.record({
  at: instant,
  key: fc.integer({ min: 0, max: 3 }),
  place: fc.constantFrom(0, 0, 0, 1, 2),
});

const request: fc.Arbitrary<Request> = fc.record({ at: instant, client, key: fc.integer({ min: 0, max: 1 }) });

/** The margin of 10 % of the ttl is for the rate of the clocks, and for the grain of the sleep-proof clock. */
const rate = fc.constantFrom(1, 1, 0.95, 1.05, 0.98);

/** Long ones are rare, and not with short ones: each second of them is gone through, and each renewal. */
const HOUR = 3_600_000;
const allShort = fc.constant(Array.from({ length: CLIENTS }, () => TTL));
const ttls = (one: fc.Arbitrary<number>): fc.Arbitrary<readonly number[]> =>
  fc.array(one, { minLength: CLIENTS, maxLength: CLIENTS });

const none = fc.constant([]);
/** In so many of a hundred runs. */
const inSome = <T>(percent: number, some: fc.Arbitrary<readonly T[]>): fc.Arbitrary<readonly T[]> =>
  fc.oneof({ weight: 100 - percent, arbitrary: none }, { weight: percent, arbitrary: some });

const everyRun = {
  seed: fc.integer(),
  latency: fc.constantFrom(0, 2, 20, 200, 400, 800),
  loss: fc.constantFrom(0, 0, 0.05, 0.3),
  rates: fc.array(rate, { minLength: CLIENTS, maxLength: CLIENTS }),
  // In one of four: after a restart leases are good for longer, which hides what goes wrong without it.
  restarts: inSome(25, fc.array(restart, { minLength: 1, maxLength: 2 })),
  requests: inSome(50, fc.array(request, { minLength: 1, maxLength: 6 })),
  onces: inSome(50, fc.array(onceTask, { minLength: 2, maxLength: 8 })),
};

/** What goes wrong is the network, and the machines: what most guards are for is rare, so nothing stands in its way. */
const onSoundServers: fc.Arbitrary<Schedule> = fc.record({
  ...everyRun,
  ttls: allShort,
  tasks: tasksWith(patient),
  faults: faultsOf('partition', 'lose-replies', 'slow', 'pause', 'sleep'),
  restores: none,
  deletions: none,
  campaigns: none,
});

/** What goes wrong is the server, too, and people. There are elections, tries, and many ttl. */
const onAnyServers: fc.Arbitrary<Schedule> = fc.record({
  ...everyRun,
  ttls: fc.oneof(
    { weight: 60, arbitrary: allShort },
    { weight: 33, arbitrary: ttls(fc.constantFrom(2000, TTL, 5000, 20_000)) },
    { weight: 6, arbitrary: ttls(fc.constantFrom(2000, TTL, 20_000, 300_000)) },
    { weight: 1, arbitrary: ttls(fc.constantFrom(HOUR, 24 * HOUR)) },
  ),
  tasks: fc.oneof(tasksWith(patient), tasksWith(hasty)),
  faults: faultsOf('partition', 'lose-replies', 'late', 'slow', 'pause', 'sleep'),
  restores: inSome(30, fc.array(restore, { minLength: 1, maxLength: 2 })),
  deletions: inSome(30, fc.array(deletion, { minLength: 1, maxLength: 3 })),
  campaigns: inSome(50, fc.array(campaign, { minLength: 2, maxLength: 6 })),
});

export const schedules: fc.Arbitrary<Schedule> = fc.oneof(onSoundServers, onAnyServers);
