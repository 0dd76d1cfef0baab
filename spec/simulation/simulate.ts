/**
 * One run: real engines, a memory server, virtual time, and what must be true at every step of it.
 */
import { EMPTY, NEVER, concat, defer, finalize, interval, retry, takeUntil, tap, throwError, timer } from 'rxjs';
import type { Observable, SchedulerLike, Subscription } from 'rxjs';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { LockError, LocksClosedError, createLocks, usingLock } from '../../src/index.js';
import type { HeldLock, Lease, LockBackend, Locks, Queue } from '../../src/index.js';
import { PlaceLost } from '../../src/session/session.js';
import { createMachine } from './machine.js';
import type { Machine } from './machine.js';
import { HEAL_AT, KEYS, LONGEST_HOLD, MOST_TASKS, TTL } from './schedule.js';
import type { Fault, Schedule, Task } from './schedule.js';
import { createWire } from './wire.js';
import type { Wire } from './wire.js';
import { createWorld, randomFrom } from './world.js';

/** What is promised was not kept. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** What happened in a run: a run in which nothing does proves nothing. */
export interface Account {
  held: number;
  lost: number;
  emitted: number;
  requeued: number;
}

interface Client {
  readonly machine: Machine;
  readonly wire: Wire;
  readonly locks: Locks;
}

/** Everybody waiting at the heal may come after everybody else: each with its hold, behind dead leases and retries. */
const SERVED_BY = HEAL_AT + MOST_TASKS * LONGEST_HOLD * 1.1 + 12 * TTL;
/** What was on its way at the heal has arrived by then, what has to expire has expired. */
const QUIET = 4 * TTL;

/** A loss is noticed so soon after a stop of the process: it looks at the clock once a second, and clocks are slow. */
const NOTICED_WITHIN = 1500;

const BODY_FAILED = new Error('the body failed');

/** @throws Violation */
export function simulate(schedule: Schedule): Account {
  const world = createWorld();
  const random = randomFrom(schedule.seed);
  const violations: string[] = [];
  const violated = (what: string): void => {
    violations.push(`at ${world.now().toFixed(1)}: ${what}`);
  };
  const account: Account = { held: 0, lost: 0, emitted: 0, requeued: 0 };

  const truth = createMachine(world, 1);
  const leases: Lease[] = [];
  const memory = memoryBackend({ scheduler: truth.scheduler });
  const server = {
    ...memory,
    grant: (lease: Lease, within: number) => {
      leases.push(lease);
      return memory.grant(lease, within);
    },
  };
  const queueNow = (key: string): Queue => {
    let now: Queue | undefined;
    memory
      .queue(key, 0)
      .subscribe((queue) => (now ??= queue))
      .unsubscribe();
    if (!now) throw new Error('the memory server answers at once');
    return now;
  };

  /** Keys whose claim an administrator deleted, until its holder has told of the loss. */
  const deleted = new Set<string>();

  const clients = schedule.rates.map((rate, index): Client => {
    const machine = createMachine(world, rate);
    const wire = createWire(world, machine, server, schedule, random);
    const { scheduler, clock } = machine;
    const locks = createLocks(wire.backend, { ttl: TTL, owner: `client ${String(index)}`, scheduler, clock, random });
    locks.events$.subscribe((event) => {
      if (event.type === 'requeued') {
        account.requeued += 1;
        const reason = event.cause instanceof PlaceLost ? event.cause.reason : undefined;
        if (reason === 'deleted' || reason === 'overwritten') violated(`a waiter of ${event.key} lost a place it had`);
      }
      if (event.type !== 'lost') return;
      account.lost += 1;
      const byHand = event.reason === 'deleted' || event.reason === 'overwritten';
      if (byHand && !deleted.delete(event.key)) violated(`${event.key} was lost as ${event.reason}, which it was not`);
    });
    return { machine, wire, locks };
  });

  const holding = new Map<string, Set<HeldLock>>(KEYS.map((key) => [key, new Set()]));
  const lastToken = new Map<string, bigint>();

  /** The bodies under way, by the client they run on. */
  const bodies = new Map<HeldLock, Machine>();

  const onHeld = (held: HeldLock): void => {
    account.held += 1;
    for (const [{ key, owner }, machine] of bodies) {
      // Who just woke may not have noticed yet; nothing that its body emits gets through.
      const awake = world.now() - machine.lastStopped() > NOTICED_WITHIN;
      if (key === held.key && awake) violated(`${owner} is still at work under ${key}, which ${held.owner} holds now`);
    }
    const { key, fencingToken } = held;
    const others = holding.get(key) ?? new Set();
    for (const other of others) if (other.isHeld()) violated(`two hold ${key}: ${held.owner} beside ${other.owner}`);
    if (fencingToken <= (lastToken.get(key) ?? 0n)) violated(`the token of ${key} did not grow`);
    lastToken.set(key, fencingToken);
    if (!isTurnOf(held)) violated(`${held.owner} holds ${key} out of its turn`);
    others.add(held);
  };

  /** Locks whose body was done before they were given back: they may be handed on within the client. */
  const done = new Set<string>();

  /** First in the queue, but for claims of the same client that are done and whose deletion is on its way. */
  const isTurnOf = ({ key, owner, fencingToken }: HeldLock): boolean => {
    const { claims } = queueNow(key);
    const place = claims.findIndex(({ token }) => token === fencingToken);
    return (
      place >= 0 &&
      claims.slice(0, place).every((before) => before.owner === owner && done.has(`${key} ${String(before.token)}`))
    );
  };

  const onEmitted = (held: HeldLock): void => {
    account.emitted += 1;
    if (!isTurnOf(held)) violated(`${held.owner} emits under ${held.key}, which it does not hold`);
  };

  const unfinished = new Set<Task>();
  const start = (task: Task): void => {
    const client = clients[task.client];
    const key = KEYS[task.key];
    if (!client || key === undefined) return;
    const { machine, locks } = client;
    let held: HeldLock | undefined;
    let running: Subscription | undefined;
    const over = (): void => {
      unfinished.delete(task);
    };
    unfinished.add(task);

    machine.whenAwake(task.at, () => {
      const body$ = usingLock(
        locks.mutex(key),
        (taken) => {
          held = taken;
          onHeld(taken);
          const released = (): unknown => done.add(`${key} ${String(taken.fencingToken)}`);
          return watched(bodyOf(task, taken, machine.scheduler, released), taken, machine);
        },
        { wait: task.wait },
      );
      running = body$.subscribe({
        next: () => {
          if (held) onEmitted(held);
        },
        error: (error: unknown) => {
          over();
          if (!(error instanceof LockError) && error !== BODY_FAILED)
            violated(`a contender of ${key} got ${String(error)}`);
        },
        complete: over,
      });
    });
    if (task.leaveAfter !== undefined) {
      machine.whenAwake(task.at + task.leaveAfter, () => {
        running?.unsubscribe();
        over();
      });
    }
  };

  const watched = <T>(source$: Observable<T>, held: HeldLock, machine: Machine): Observable<T> =>
    defer(() => {
      bodies.set(held, machine);
      return source$.pipe(
        tap({ complete: () => done.add(`${held.key} ${String(held.fencingToken)}`) }),
        finalize(() => bodies.delete(held)),
      );
    });

  /** It comes back with all it knew. As etcd does, it gives each lease a full ttl then, and ends none while it is away. */
  const restart = (ms: number): void => {
    const until = Math.min(world.now() + ms, HEAL_AT);
    const keepLeases = (): void => {
      for (const lease of leases) memory.renew(lease, 0).subscribe();
      if (world.now() < until) world.at(Math.min(world.now() + TTL / 2, until), keepLeases);
    };
    keepLeases();
    for (const { wire } of clients) wire.serverGone(until);
  };

  for (const [index, { locks }] of clients.entries()) {
    // Taken again after each loss, so that the session never ends for want of locks.
    const anchor$ = locks.mutex(anchorOf(index)).lock$();
    anchor$
      .pipe(retry({ delay: (error) => (error instanceof LocksClosedError ? EMPTY : timer(50, truth.scheduler)) }))
      .subscribe();
  }
  for (const task of schedule.tasks) start(task);
  for (const fault of schedule.faults) world.at(fault.at, () => strike(fault, clients));
  for (const { at, ms } of schedule.restarts) world.at(at, () => restart(ms));

  world.runUntil(HEAL_AT);
  for (const { wire } of clients) wire.heal();
  while (unfinished.size > 0 && world.now() < SERVED_BY) world.runUntil(world.now() + TTL);
  world.runUntil(world.now() + QUIET);
  // Each client still holds its anchor, so no lease has ended and taken a forgotten claim along.
  for (const key of KEYS) {
    if (queueNow(key).claims.length > 0) violated(`a claim on ${key} stayed while its session lived`);
  }
  for (const { client, key, at } of unfinished) {
    violated(`client ${String(client)}, contending for ${String(KEYS[key])} since ${String(at)}, was never served`);
  }

  // A person deletes what each client still holds: it must be told, though its lease lives and its renewals succeed.
  // By the event, or without it by the audit of its lease, once in one to two ttl.
  for (const [index, { wire }] of clients.entries()) {
    if (index % 2 === 1) wire.loseNextEvent();
    deleteHolder(memory, queueNow(anchorOf(index)), deleted);
  }
  world.runUntil(world.now() + 3 * TTL);
  for (const key of deleted) violated(`the holder of ${key} was not told that its claim was deleted`);

  for (const { locks } of clients) void locks.close();
  world.runUntil(world.now() + TTL / 2);
  for (const key of KEYS) {
    if (queueNow(key).claims.length > 0) violated(`a claim on ${key} was left behind`);
  }
  for (const lease of leases) {
    memory.renew(lease, 0).subscribe(({ status }) => {
      if (status === 'renewed') violated(`a lease was left behind`);
    });
  }

  if (violations.length > 0) throw new Violation(violations.slice(0, 5).join('\n'));
  return account;
}

/** Emits every now and then while it runs, and ends as the task says. */
function bodyOf(
  { hold, ends }: Task,
  held: HeldLock,
  scheduler: SchedulerLike,
  releasing: () => void,
): Observable<unknown> {
  const beats$ = interval(70, scheduler).pipe(takeUntil(timer(hold, scheduler)));
  switch (ends) {
    case 'complete':
      return beats$;
    case 'error':
      return concat(
        beats$,
        throwError(() => BODY_FAILED),
      );
    case 'release':
      return concat(
        beats$,
        defer(() => {
          releasing();
          void held.release().catch(() => undefined);
          return NEVER;
        }),
      );
  }
}

const anchorOf = (client: number): string => `anchor ${String(client)}`;

function deleteHolder(memory: LockBackend, { key, claims: [holder] }: Queue, deleted: Set<string>): void {
  if (!holder) return;
  const [id = '', claimId = ''] = holder.id.split('-');
  const lease = { id, ttl: TTL, owner: holder.owner, key: undefined };
  deleted.add(key);
  memory.leave({ key, lease, id: claimId, kind: 'mutex', since: new Date(0), meta: undefined }, holder, 0).subscribe();
}

function strike(fault: Fault, clients: readonly Client[]): void {
  const client = clients[fault.client];
  if (!client) return;
  const { machine, wire, locks } = client;
  switch (fault.kind) {
    case 'partition':
      return wire.partition(fault.ms);
    case 'lose-replies':
      return wire.loseReplies(fault.ms);
    case 'slow':
      return wire.slow(2 * TTL, fault.ms % 2 === 0 ? fault.ms / 20 : fault.ms);
    case 'pause':
      return machine.pause(fault.ms);
    case 'sleep':
      return machine.sleep(fault.ms);
    case 'step-wall':
      return machine.stepWall(fault.ms);
    case 'close':
      return machine.whenAwake(fault.at, () => void locks.close());
  }
}
