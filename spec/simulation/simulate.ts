/**
 * One run: real engines, a memory server, virtual time, and what must be true at every step of it.
 */
import { EMPTY, NEVER, concat, defer, finalize, interval, retry, takeUntil, tap, throwError, timer } from 'rxjs';
import type { Observable, SchedulerLike, Subscription } from 'rxjs';
import { decorate } from '../../src/backend/decorate.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { LockError, LocksClosedError, createLocks, usingLock } from '../../src/index.js';
import type { HeldLock, Lease, Lock, QueueBackend, Locks, Queue, QueuedClaim } from '../../src/index.js';
import { ClaimLost } from '../../src/engine/session.js';
import { randomFrom } from '../../src/testing/random.js';
import { createMachine } from './machine.js';
import type { Machine } from './machine.js';
import { ONCE, createOnceRules } from './once.js';
import { HEAL_AT, KEYS, LONGEST_HOLD, MOST_TASKS, TTL } from './schedule.js';
import type { Fault, Schedule, Task, Want } from './schedule.js';
import { createWire } from './wire.js';
import type { Wire } from './wire.js';
import { createWorld } from './world.js';

/** What is promised was not kept. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** What happened in a run: a run in which nothing does proves nothing. */
export interface Account {
  held: number;
  /** Of those, how many held several keys at once; and how many held beside others. */
  together: number;
  beside: number;
  /** Requests to give way that reached a holder. */
  asked: number;
  lost: number;
  emitted: number;
  requeued: number;
  /** What is done once: runs that were begun, and values that others were given. */
  ran: number;
  given: number;
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
  const account: Account = {
    held: 0,
    together: 0,
    beside: 0,
    asked: 0,
    lost: 0,
    emitted: 0,
    requeued: 0,
    ran: 0,
    given: 0,
  };

  const truth = createMachine(world, 1);
  const leases: Lease[] = [];
  const memory = memoryBackend({ scheduler: truth.scheduler });
  const once = createOnceRules({ memory, violated });
  const server = decorate(once.watched(memory), (source$, call) => {
    if (call.verb === 'grant') leases.push(call.args[0]);
    return source$;
  });
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
        const reason = event.cause instanceof ClaimLost ? event.cause.reason : undefined;
        if (reason === 'deleted' || reason === 'overwritten') violated(`a waiter of ${event.key} lost a place it had`);
      }
      if (event.type === 'revocation') account.asked += 1;
      if (event.type !== 'lost') return;
      account.lost += 1;
      // Nobody takes what he asks for.
      const byHand = ['deleted', 'overwritten', 'revoked'].includes(event.reason);
      const wasDeleted = event.key.split(' + ').some((key) => deleted.delete(key));
      if (byHand && !wasDeleted) violated(`${event.key} was lost as ${event.reason}, which it was not`);
    });
    return { machine, wire, locks };
  });

  /** What each of those held is, by key. */
  const wanted = new WeakMap<HeldLock, ReadonlyMap<string, Want>>();
  const wantOf = (held: HeldLock, key: string): Want => {
    const want = wanted.get(held)?.get(key);
    if (!want) throw new Error(`nobody wanted ${key}`);
    return want;
  };
  const holding = new Map<string, HeldLock[]>(KEYS.map((key) => [key, []]));

  /** The bodies under way, by the client they run on. */
  const bodies = new Map<HeldLock, Machine>();

  const onHeld = (held: HeldLock): void => {
    account.held += 1;
    if (held.keys.length > 1) account.together += 1;
    for (const key of held.keys) {
      const mine = wantOf(held, key);
      const mayNotHold = (other: HeldLock): boolean => other !== held && !mayBeTogether([mine, wantOf(other, key)]);
      for (const [other, machine] of bodies) {
        // Who just woke may not have noticed yet; nothing that its body emits gets through.
        const awake = world.now() - machine.lastStopped() > NOTICED_WITHIN;
        if (awake && other.keys.includes(key) && mayNotHold(other)) {
          violated(`${other.owner} is still at work under ${key}, which ${held.owner} holds now`);
        }
      }
      const others = holding.get(key) ?? [];
      const now = others.filter((other) => other.isHeld());
      if (now.length > 0) account.beside += 1;
      if (!mayBeTogether([held, ...now].map((one) => wantOf(one, key)))) {
        violated(`too many hold ${key}: ${held.owner} beside ${now.map(({ owner }) => owner).join(', ')}`);
      }
      const later = others.find((other) => mayNotHold(other) && other.fencingToken >= held.fencingToken);
      if (later) violated(`the token of ${key} did not grow`);
      others.push(held);
    }
    if (!isTurnOf(held)) violated(`${held.owner} holds ${held.key} out of its turn`);
  };

  /** Locks whose body was done before they were given back: they may be handed off within the client. */
  const done = new Set<string>();

  /** Whoever is before it may hold beside it, but for claims of the same client that are done and on their way out. */
  const isTurnOf = ({ keys, owner, fencingToken }: HeldLock): boolean =>
    keys.every((key) => {
      const isOver = (claim: QueuedClaim): boolean =>
        claim.owner === owner && claim.token !== fencingToken && done.has(`${key} ${String(claim.token)}`);
      const claims = queueNow(key).claims.filter((claim) => !isOver(claim));
      const place = claims.findIndex(({ token }) => token === fencingToken);
      return place >= 0 && mayBeTogether(claims.slice(0, place + 1));
    });

  const onEmitted = (held: HeldLock): void => {
    account.emitted += 1;
    if (!isTurnOf(held)) violated(`${held.owner} emits under ${held.key}, which it does not hold`);
  };

  const isDone = ({ keys, fencingToken }: HeldLock): void => {
    for (const key of keys) done.add(`${key} ${String(fencingToken)}`);
  };

  const unfinished = new Set<Task>();
  const start = (task: Task): void => {
    const client = clients[task.client];
    if (!client) return;
    const { machine, locks } = client;
    const wants = new Map(task.wants.map((want) => [KEYS[want.key] ?? '', want]));
    const members = [...wants].map(([key, want]) => lockOf(locks, key, want));
    const lock = members.length === 1 && members[0] ? members[0] : locks.all(...members);
    let held: HeldLock | undefined;
    let running: Subscription | undefined;
    const over = (): void => {
      unfinished.delete(task);
    };
    unfinished.add(task);

    machine.whenAwake(task.at, () => {
      const body$ = usingLock(
        lock,
        (taken) => {
          held = taken;
          wanted.set(taken, wants);
          onHeld(taken);
          const released = (): void => isDone(taken);
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
            violated(`a contender of ${lock.key} got ${String(error)}`);
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
        tap({ complete: () => isDone(held) }),
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
    const own = locks.mutex(anchorOf(index));
    const anchor = index < 2 ? own : locks.all(locks.mutex(`beside ${anchorOf(index)}`), own);
    const anchor$ = anchor.lock$();
    anchor$
      .pipe(retry({ delay: (error) => (error instanceof LocksClosedError ? EMPTY : timer(50, truth.scheduler)) }))
      .subscribe();
  }
  for (const task of schedule.tasks) start(task);
  for (const task of schedule.onces) {
    const client = clients[task.client];
    if (client) once.start(task, client);
  }
  for (const fault of schedule.faults) world.at(fault.at, () => strike(fault, clients));
  for (const { at, client, key } of schedule.requests) {
    const { machine, locks } = clients[client] ?? {};
    // Out of reach, or closed: nobody was asked.
    const ask = (): unknown =>
      locks
        ?.mutex(KEYS[key] ?? '')
        .revoke({ reason: 'sim' })
        .catch(() => undefined);
    machine?.whenAwake(at, ask);
  }
  for (const { at, ms } of schedule.restarts) world.at(at, () => restart(ms));

  world.runUntil(HEAL_AT);
  for (const { wire } of clients) wire.heal();
  const isUnfinished = (): boolean => unfinished.size > 0 || once.unfinished.size > 0;
  while (isUnfinished() && world.now() < SERVED_BY) world.runUntil(world.now() + TTL);
  world.runUntil(world.now() + QUIET);
  // Each client still holds its anchor, so no lease has ended and taken a forgotten claim along.
  for (const { client, at } of once.unfinished) {
    violated(`client ${String(client)}, taking part since ${String(at)}, was never served`);
  }
  for (const key of [...KEYS, ONCE]) {
    if (queueNow(key).claims.length > 0) violated(`a claim on ${key} stayed while its session lived`);
  }
  for (const { client, wants, at } of unfinished) {
    const keys = wants.map(({ key }) => KEYS[key]).join(' and ');
    violated(`client ${String(client)}, contending for ${keys} since ${String(at)}, was never served`);
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
  for (const key of [...KEYS, ONCE]) {
    if (queueNow(key).claims.length > 0) violated(`a claim on ${key} was left behind`);
  }
  for (const lease of leases) {
    memory.renew(lease, 0).subscribe(({ status }) => {
      if (status === 'renewed') violated(`a lease was left behind`);
    });
  }

  if (violations.length > 0) throw new Violation(violations.slice(0, 5).join('\n'));
  return { ...account, ...once.account };
}

/** The rule of each kind, as users are promised it, and not as the engine says it. */
function mayBeTogether(held: readonly Pick<Want, 'kind' | 'permits'>[]): boolean {
  if (held.length < 2) return true;
  if (held.every(({ kind }) => kind === 'read')) return true;
  return held.every(({ kind, permits = 0 }) => kind === 'semaphore' && held.length <= permits);
}

function lockOf(locks: Locks, key: string, { kind, permits = 0 }: Want): Lock {
  switch (kind) {
    case 'mutex':
      return locks.mutex(key);
    case 'semaphore':
      return locks.semaphore(key, permits);
    case 'read':
      return locks.readLock(key);
    case 'write':
      return locks.writeLock(key);
  }
}

/** Emits every now and then while it runs, and ends as the task says. */
function bodyOf(
  { hold, ends }: Task,
  held: HeldLock,
  scheduler: SchedulerLike,
  releasing: () => void,
): Observable<unknown> {
  const beats$ = interval(70, scheduler).pipe(takeUntil(timer(hold, scheduler)), takeUntil(held.revocation$));
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

function deleteHolder(memory: QueueBackend, { key, claims: [holder] }: Queue, deleted: Set<string>): void {
  if (!holder) return;
  const [id = '', claimId = ''] = holder.id.split('-');
  const lease = { id, ttl: TTL, owner: holder.owner, key: undefined };
  deleted.add(key);
  memory
    .dequeue([{ key, lease, id: claimId, kind: 'mutex', since: new Date(0), meta: undefined }], [holder], 0)
    .subscribe();
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
