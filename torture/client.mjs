/**
 * A client in a process of its own: workers that contend for locks in every way a user may, and a log of all they saw.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import {
  EMPTY,
  concat,
  defer,
  finalize,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  of,
  takeUntil,
  throwError,
  timer,
} from 'rxjs';
import { now } from './clock.mjs';
import { openLog } from './log.mjs';
import { createRandom } from './random.mjs';
import { BEGUN, LATE, LOCKS, REGISTERS, WRITE_WITHIN } from './names.mjs';
import { transparent } from './policy.mjs';
import { metaOf } from './setups.mjs';

/** @typedef {{ name: string, hosts: string[], auth: object, ttl: number, seed: string, log: string, contender: string, workers: number, engine?: string, metaBytes?: number }} Given */

/** @type {Given} */
const given = JSON.parse(process.argv[2] ?? '{}');
const record = openLog(given.log);

/** What an operation may be chosen to end with. */
const ABORTED = 'aborted by its user';
const FAILED = 'the body failed';

const inWords = (error) => ({ code: error?.code, reason: error?.reason, message: String(error?.message ?? error) });
process.on('unhandledRejection', (error) => record('unhandled', { ...inWords(error), stack: String(error?.stack) }));
process.on('uncaughtException', (error) => {
  record('crash', { ...inWords(error), stack: String(error?.stack) });
  process.exit(70);
});
process.on('warning', (warning) => record('warning', { name: warning.name, message: warning.message }));
process.on('exit', (code) => record('exit', { code }));

record('start', { client: given.name, pid: process.pid });

const { contender: create } = await import(`./contenders/${given.contender}.mjs`);
const contender = await create({
  ...given,
  owner: given.name,
  onEvent: ({ type, ...event }) => {
    if (type === 'lost' || type === 'requeued') record(type, { ...event, cause: event.cause && inWords(event.cause) });
    if (type === 'renewed') record(type, { lease: event.lease, took: event.took });
    if (type === 'renewal-failed' || type === 'release-failed' || type === 'note') {
      record('event', { what: type, message: event.cause?.message ?? event.message });
    }
  },
});
/** For the register; not the one that the locks go through, so that neither hides what the other does. */
const writer = new Etcd3({
  hosts: given.hosts,
  auth: { ...given.auth, callOptions: () => within() },
  faultHandling: transparent,
});

/** How often a body does something, which it may do only while it holds. */
const TICK = 50;

let isDraining = false;
let operations = 0;
const meta = metaOf(given.metaBytes);

const workers = Array.from({ length: given.workers }, (_, number) =>
  work(createRandom(`${given.seed}/${number}`), number === 0),
);

/** The first one holds for long: faults are to meet holders. The others make the numbers. */
async function work(random, isLong) {
  while (!isDraining) {
    await pause(random.between(0, 100));
    if (!isDraining) await operate(planned(random, isLong));
  }
}

const SHORT = [
  [0.85, 0, 20],
  [0.97, 20, 100],
  [0.998, 100, 500],
  [1, 500, 2500],
];
const LONG = [
  [0.5, 0, 1000],
  [0.8, 1000, given.ttl],
  [1, given.ttl, 3 * given.ttl],
];

/** Longer than the hold of a lock: there is to be time for faults, and for others to wait. */
const RUNS = [
  [0.5, 0, 100],
  [0.9, 100, 1500],
  [1, 1500, 1.2 * given.ttl],
];

/** How long a hold is: of each row its share, up to which the choice falls there, and its bounds. */
function lengthOf(rows, random) {
  const choice = random.next();
  const [, low, high] = rows.find(([share]) => choice < share);
  return Math.round(random.between(low, high));
}

/** What one operation is to do, chosen before it begins. */
function planned(random, isLong) {
  const weighted = contender.kinds
    .filter((kind) => (kind.isLong ?? false) === isLong)
    .flatMap((kind) => Array.from({ length: kind.weight }, () => kind));
  const { name: kind, keys, takes = 1, writes = false, forms = contender.forms } = random.pick(weighted);
  const isOnce = kind === 'once';
  const ending = random.next();
  return {
    kind,
    keys: random.shuffled(keys).slice(0, takes),
    form: random.pick(forms),
    holdFor: lengthOf(isLong ? LONG : isOnce ? RUNS : SHORT, random),
    writeAfter:
      writes && random.chance(isLong ? 1 : 0.3) ? Math.round(random.between(0, isLong ? 2000 : 20)) : undefined,
    failsAtEnd: random.chance(isOnce ? 0.15 : 0.05),
    ...(isOnce && { failures: random.pick(['retry', 'count']), onBusy: random.chance(0.1) ? 'skip' : 'error' }),
    ...(ending < 0.15 && { wait: Math.round(random.between(300, 3000)) }),
    ...(ending >= 0.15 && ending < 0.2 && { wait: 0 }),
    ...(ending >= 0.2 && ending < 0.3 && { unsubscribeAfter: Math.round(random.between(0, 2000)) }),
    ...(ending >= 0.3 && ending < 0.4 && { abortAfter: Math.round(random.between(0, 2000)) }),
  };
}

/** Resolves when the operation has ended for its user. */
function operate(plan) {
  operations += 1;
  const op = operations;
  const aborter = new AbortController();
  let held;
  /** Of the guarded write, and kept beyond the lock. */
  const kept = {};
  const onState = (state) => {
    const t = now();
    if (state.status === 'held') {
      held = state.held;
      return record('held', { op, token: held.fencingToken }, t);
    }
    record('waiting', { op, ahead: state.ahead }, t);
  };
  record('contend', { op, ...plan });

  return new Promise((resolve) => {
    let subscription;
    const timers = [];
    const ended = (how, error) => {
      record('end', {
        op,
        how,
        ...(error && { ...inWords(error), isPlanned: [ABORTED, FAILED].includes(error.message) }),
        ...(error?.code === 'ALREADY_LOCKED' && { holders: error.holders?.map(named) }),
        ...(error?.code === 'RUN_FAILED' && { by: error.by }),
      });
      if (kept.guard) writeLate(op, plan, held, kept.guard, error?.code === 'LOCK_LOST' ? [0, given.ttl] : [0]);
      for (const each of timers) clearTimeout(each);
      resolve();
    };
    const operation$ = contender.hold$({
      kind: plan.kind,
      keys: plan.keys.map((key) => `${LOCKS}${key}`),
      form: plan.form,
      onState,
      options: {
        ...(plan.wait !== undefined && { wait: plan.wait }),
        ...(meta && { meta }),
        ...(plan.abortAfter !== undefined && { signal: aborter.signal }),
        ...(plan.failures !== undefined && { failures: plan.failures, onBusy: plan.onBusy }),
      },
      body: (given) => {
        // The promise forms show no states.
        if (!held) onState({ status: 'held', held: given });
        return body$(op, plan, given, kept).pipe(finalize(() => record('stopped', { op })));
      },
    });
    subscription = operation$.subscribe({
      // The time first: who believes that it holds after that did so then.
      next: (s) => {
        const t = now();
        if (typeof s === 'number') record('emit', { op, s, believed: held?.isHeld() === true }, t);
        // What came of a run: one's own, or another one's.
        else if (s !== undefined) record('result', { op, value: s }, t);
      },
      error: (error) => ended('error', error),
      complete: () => ended('completed'),
    });
    if (plan.abortAfter !== undefined) {
      timers.push(setTimeout(() => aborter.abort(new Error(ABORTED)), plan.abortAfter));
    }
    if (plan.unsubscribeAfter !== undefined) {
      timers.push(
        setTimeout(() => {
          if (subscription.closed) return;
          subscription.unsubscribe();
          ended('unsubscribed');
        }, plan.unsubscribeAfter),
      );
    }
  });
}

/** What is done under the lock: emits when it does something, writes to the register, and fails if it is to. */
function body$(op, plan, held, kept) {
  const ticks$ = concat(of(0), interval(TICK).pipe(takeUntil(timer(plan.holdFor)))).pipe(map(() => now()));
  const write$ =
    plan.writeAfter === undefined
      ? EMPTY
      : timer(plan.writeAfter).pipe(
          mergeMap(() => write(op, plan, held, kept)),
          ignoreElements(),
        );
  const end$ = plan.failsAtEnd ? throwError(() => new Error(FAILED)) : EMPTY;
  if (plan.kind !== 'once') return concat(merge(ticks$, write$), end$);
  begin(op, plan, held);
  return concat(merge(ticks$, write$), end$, produced$(op, plan));
}

/** What the others are to get: known again by its text. */
const produced$ = (op, { keys: [key] }) =>
  defer(() => {
    const value = `${key} by ${given.name} #${op}`;
    record('produced', { op, value });
    return of(value);
  });

function within() {
  return { deadline: Date.now() + WRITE_WITHIN };
}

/** Reads the register and writes the next number: what two holders at a time would spoil. Never rejects. */
async function write(op, { keys: [key] }, held, kept) {
  const t = now();
  const register = `${REGISTERS}${key}`;
  try {
    const guard = contender.guard ? await contender.guard(held) : ALWAYS;
    if (contender.guard) kept.guard = guard;
    const { kvs } = await writer.kv.range({ key: Buffer.from(register) }, within());
    const n = (kvs[0] ? JSON.parse(kvs[0].value.toString()).n : 0) + 1;
    const value = JSON.stringify({ token: String(held.fencingToken), n, client: given.name, op });
    const { succeeded } = await writer
      .if(...guard)
      .then(writer.put(register).value(value))
      .options(within())
      .commit();
    record('write', { op, outcome: succeeded ? 'ok' : 'refused', n, since: t });
  } catch (error) {
    record('write', {
      op,
      outcome: error?.code === 'LOCK_NOT_OWNED' ? 'no guard' : 'unknown',
      since: t,
      ...inWords(error),
    });
  }
}

/** Says that it runs, without a guard: it does, whatever became of its claim. */
function begin(op, { keys: [key] }, held) {
  const value = JSON.stringify({ token: String(held.fencingToken), client: given.name, op });
  const writing = writer.kv
    .put({ key: Buffer.from(`${BEGUN}${key}`), value: Buffer.from(value) }, within())
    // Then the servers do not say when it began.
    .catch((error) => record('unsaid', { op, ...inWords(error) }))
    .finally(() => late.delete(writing));
  late.add(writing);
}

/** Those under way. */
const late = new Set();

/**
 * Writes with a guard whose lock is over: what a careless user may do, and a process that was put aside in the midst of
 * it does. To be refused as soon as the claim is gone.
 */
function writeLate(op, { keys: [key] }, held, guard, delays) {
  const writing = Promise.all(
    delays.map(async (delay) => {
      await pause(delay);
      const value = JSON.stringify({ token: String(held.fencingToken), client: given.name, op });
      try {
        const { succeeded } = await writer
          .if(...guard)
          .then(writer.put(`${LATE}${key}`).value(value))
          .options(within())
          .commit();
        record('late-write', { op, key, outcome: succeeded ? 'ok' : 'refused' });
      } catch (error) {
        record('late-write', { op, key, outcome: 'unknown', ...inWords(error) });
      }
    }),
  ).finally(() => late.delete(writing));
  late.add(writing);
}

const named = ({ owner, fencingToken }) => ({ owner, token: fencingToken });

/** Some look on, and are told who holds. */
const onlooker = merge(
  ...(contender.watched ?? []).map((key) =>
    contender
      .ownership$(`${LOCKS}${key}`)
      .pipe(
        map(({ status, holders = [] }) => ({ key, status, tokens: holders.map(({ fencingToken }) => fencingToken) })),
      ),
  ),
).subscribe({
  next: (state) => record('told', state),
  error: (error) => record('observer-ended', inWords(error)),
});

/** A comparison that holds: for a contender without guards. */
const ALWAYS = [`${REGISTERS}none`, 'Create', '==', 0];

/** A loop that is late sees its deadlines late: such times are told from faults of the lock. */
const LOOK_EVERY = 50;
const IS_LATE = 150;
let looked = now();
const looking = setInterval(() => {
  const t = now();
  if (t - looked > LOOK_EVERY + IS_LATE) record('stall', { from: looked });
  looked = t;
}, LOOK_EVERY);

const SAMPLE_EVERY = 5000;
const sampling = setInterval(() => sample('running'), SAMPLE_EVERY);

function sample(phase) {
  globalThis.gc?.();
  const resources = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  record('sample', { phase, heap: process.memoryUsage().heapUsed, resources });
}

const verbs = {
  /** No new operations; answers when those under way have ended. */
  async drain() {
    isDraining = true;
    record('drain');
    await Promise.all(workers);
    await Promise.all(late);
    record('drained');
    if (process.connected) process.send('drained');
  },
  /** Closes all. After that nothing may keep the process alive. */
  async close() {
    sample('idle');
    const from = now();
    onlooker.unsubscribe();
    await contender.close();
    writer.close();
    record('closed', { from });
    clearInterval(looking);
    clearInterval(sampling);
    process.disconnect();
    setTimeout(() => record('lingering', { resources: process.getActiveResourcesInfo() }), ENDS_WITHIN).unref();
  },
};

/** How long it may take from the close to the end of the process by itself. */
const ENDS_WITHIN = 3000;

process.on('message', (verb) => void verbs[verb]());
process.send('ready');
