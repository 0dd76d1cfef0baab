/**
 * Who contends in a run, and what must be true of it: at each hold, at each emission, at each refusal.
 */
import { NEVER, Subscription, concat, defer, finalize, interval, takeUntil, tap, throwError, timer } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import { AlreadyLockedError, LockError, LockTimeoutError, usingLock } from '../../src/index.js';
import type { HeldLock, Lock, Locks, QueuedClaim } from '../../src/index.js';
import type { ElectionRules } from './elections.js';
import { lockOf, mayBeTogether } from './kinds.js';
import type { Machine } from './machine.js';
import { tryOf } from './presence.js';
import type { Presence } from './presence.js';
import { KEYS } from './schedule.js';
import type { Task, Want } from './schedule.js';
import type { SimServer } from './server.js';
import type { Staleness } from './staleness.js';

/** A loss is noticed so soon after a stop of the process: it looks at the clock once a second, and clocks are slow. */
const NOTICED_WITHIN = 1500;

const BODY_FAILED = new Error('the body failed');

export interface TaskAccount {
  held: number;
  /** Of those, how many held several keys at once; and how many held beside others. */
  together: number;
  beside: number;
  emitted: number;
  /** Tries that were refused, and waits that ran out. */
  refused: number;
}

export interface Participant {
  readonly machine: Machine;
  readonly locks: Locks;
  readonly ttl: number;
}

interface Host {
  readonly now: () => number;
  readonly server: SimServer;
  readonly presence: Presence;
  readonly elections: ElectionRules;
  violated(what: string): void;
  readonly staleness: Staleness;
}

export interface TaskRules {
  start(task: Task, client: Participant): void;
  /** One of those who wait for it in these `Locks` has lost its place, and has another one at the end. */
  requeued(locks: Locks, key: string): void;
  /** Those that are not over yet. */
  readonly unfinished: ReadonlySet<Task>;
  readonly account: TaskAccount;
}

/** One that contends. */
interface Contender {
  readonly task: Task;
  readonly client: Participant;
  readonly key: string;
  readonly number: number;
  readonly wants: ReadonlyMap<string, Want>;
  readonly startedAt: number;
  /** Of the server when it began: a later one has forgotten its claim, which it may not know yet. */
  readonly life: number;
}

export function createTaskRules({ now, server, presence, elections, violated, staleness }: Host): TaskRules {
  const { mayBeGone, isStale } = staleness;
  const account: TaskAccount = { held: 0, together: 0, beside: 0, emitted: 0, refused: 0 };
  const unfinished = new Set<Task>();
  /** In the order of their subscription. */
  const waiting = new Set<Contender>();
  /** Those who may be behind others by now, who came later. */
  const requeued = new WeakSet<Contender>();
  let started = 0;

  const holders = new WeakMap<HeldLock, Contender>();
  const wantOf = (held: HeldLock, key: string): Want => {
    const want = holders.get(held)?.wants.get(key);
    if (!want) throw new Error(`nobody wanted ${key}`);
    return want;
  };
  /** All that ever held, and in which life of the server they began. */
  const holding = new Map<string, { readonly held: HeldLock; readonly life: number }[]>(KEYS.map((key) => [key, []]));
  /** The bodies under way, by the client they run on. */
  const bodies = new Map<HeldLock, Machine>();
  const ended = new WeakMap<HeldLock, number>();
  const wasHeldSince = (held: HeldLock, since: number): boolean => (ended.get(held) ?? Infinity) >= since;
  /** Locks whose body was done before they were given back: they may be handed off within the client. */
  const done = new Set<string>();
  const doneName = (key: string, token: bigint): string => `${String(server.life)} ${key} ${String(token)}`;

  /** Whoever is before it may hold beside it, but for claims of the same client that are done and on their way out. */
  const isTurnOf = ({ keys, owner, fencingToken }: HeldLock): boolean =>
    keys.every((key) => {
      const isOver = (claim: QueuedClaim): boolean =>
        claim.owner === owner && claim.token !== fencingToken && done.has(doneName(key, claim.token));
      const claims = server.queueNow(key).claims.filter((claim) => !isOver(claim));
      const place = claims.findIndex(({ token }) => token === fencingToken);
      return place >= 0 && mayBeTogether(claims.slice(0, place + 1));
    });

  const onHeld = (contender: Contender, held: HeldLock): void => {
    account.held += 1;
    if (held.keys.length > 1) account.together += 1;
    servedInOrder(contender);
    const isItsTurn = isTurnOf(held);
    staleness.began(held, isItsTurn);
    const { life } = server;
    for (const key of held.keys) {
      const others = holding.get(key) ?? [];
      const mine = wantOf(held, key);
      const mayNotHold = (other: HeldLock): boolean => other !== held && !mayBeTogether([mine, wantOf(other, key)]);
      if (!isStale(held)) {
        for (const [other, machine] of bodies) {
          // Who just woke may not have noticed yet; nothing that its body emits gets through.
          const awake = now() - machine.lastStopped() > NOTICED_WITHIN;
          if (awake && other.keys.includes(key) && mayNotHold(other) && !isStale(other)) {
            violated(`${other.owner} is still at work under ${key}, which ${held.owner} holds now`);
          }
        }
        const besides = others.map((other) => other.held).filter((other) => other.isHeld() && !isStale(other));
        if (besides.length > 0) account.beside += 1;
        if (!mayBeTogether([held, ...besides].map((one) => wantOf(one, key)))) {
          violated(`too many hold ${key}: ${held.owner} beside ${besides.map(({ owner }) => owner).join(', ')}`);
        }
        const later = others.find(
          (other) => other.life === life && mayNotHold(other.held) && other.held.fencingToken >= held.fencingToken,
        );
        if (later) violated(`the token of ${key} did not grow`);
      }
      // One of an earlier life holds by what it knew then.
      others.push({ held, life: isStale(held) ? -1 : life });
    }
    if (!isStale(held) && !isItsTurn) violated(`${held.owner} holds ${held.key} out of its turn`);
  };

  /** Whoever subscribed before, in the same `Locks`, and waits for as long as it takes for what this one has now. */
  const servedInOrder = (contender: Contender): void => {
    for (const other of waiting) {
      if (other === contender) break;
      if (other.client !== contender.client || other.task.wait < Infinity) continue;
      if (requeued.has(other) || other.life !== server.life) continue;
      const key = overtakenAt(other, contender);
      if (key !== undefined)
        violated(`client ${String(other.task.client)} waits for ${key}, and who came later has it`);
    }
  };

  const onEmitted = (held: HeldLock): void => {
    account.emitted += 1;
    if (isStale(held)) return;
    if (!isTurnOf(held)) violated(`${held.owner} emits under ${held.key}, which it does not hold`);
  };

  const onRefused = (
    { wants, startedAt, number, task, client }: Contender,
    { holders: named }: AlreadyLockedError | LockTimeoutError,
  ): void => {
    account.refused += 1;
    const keys = [...wants.keys()];
    for (const { fencingToken, owner } of named) {
      const wasThere = keys.some(
        (key) =>
          presence.wasFirst(key, fencingToken, startedAt) ||
          mayBeGone(key, fencingToken) ||
          // Handed to it within the client, before the server has heard of the release before it.
          holding.get(key)?.some(({ held }) => held.fencingToken === fencingToken && wasHeldSince(held, startedAt)),
      );
      if (!wasThere) violated(`client ${String(task.client)} was refused for ${owner}, who was not there`);
    }
    // Its claim is waited for to leave, but for no longer than for one answer: within that, nobody runs into it.
    if (task.wait > 0 || now() - startedAt > (0.9 * client.ttl) / 6) return;
    const isOfTry = (claim: QueuedClaim): boolean => tryOf(claim.meta) === number && !server.isOfLostSession(claim);
    const isLeft = keys.some((key) => server.queueNow(key).claims.some(isOfTry));
    if (isLeft) violated(`a claim of client ${String(task.client)} is there, though its try was refused`);
  };

  const isDone = ({ keys, fencingToken }: HeldLock): void => {
    for (const key of keys) done.add(doneName(key, fencingToken));
  };

  const watched = <T>(source$: Observable<T>, held: HeldLock, machine: Machine): Observable<T> =>
    defer(() => {
      bodies.set(held, machine);
      return source$.pipe(
        tap({ complete: () => isDone(held) }),
        finalize(() => {
          bodies.delete(held);
          ended.set(held, now());
        }),
      );
    });

  const wanted = ({ wants, candidate }: Task, locks: Locks): Lock => {
    if (candidate) return elections.candidate(locks, candidate);
    const members = wants.map((want) => lockOf(locks, KEYS[want.key] ?? '', want));
    const [only] = members;
    return members.length === 1 && only ? only : locks.all(...members);
  };

  /** Ended by `over`, as soon as it ends or is left. */
  const begin = (task: Task, client: Participant, over: Subscription): Subscription => {
    const { machine, locks } = client;
    const wants = new Map(task.wants.map((want) => [KEYS[want.key] ?? '', want]));
    const lock = wanted(task, locks);
    const { key } = lock;
    const contender: Contender = {
      task,
      client,
      wants,
      key,
      number: (started += 1),
      startedAt: now(),
      life: server.life,
    };
    let held: HeldLock | undefined;
    waiting.add(contender);
    over.add(() => waiting.delete(contender));
    const body$ = usingLock(
      lock,
      (taken) => {
        held = taken;
        holders.set(taken, contender);
        if (task.candidate) elections.leads(locks, task.candidate, taken);
        onHeld(contender, taken);
        waiting.delete(contender);
        const released = (): void => isDone(taken);
        return watched(bodyOf(task, taken, machine.scheduler, released), taken, machine);
      },
      { wait: task.wait, ...(task.wait === 0 && { meta: { try: contender.number } }) },
    );
    return body$.subscribe({
      next: () => {
        if (held) onEmitted(held);
      },
      error: (error: unknown) => {
        over.unsubscribe();
        if (error instanceof AlreadyLockedError || error instanceof LockTimeoutError) onRefused(contender, error);
        else if (!(error instanceof LockError) && error !== BODY_FAILED)
          violated(`a contender of ${lock.key} got ${String(error)}`);
      },
      complete: () => over.unsubscribe(),
    });
  };

  return {
    account,
    unfinished,
    requeued(locks, key) {
      for (const one of waiting) if (one.client.locks === locks && one.key === key) requeued.add(one);
    },
    start(task, client) {
      let running: Subscription | undefined;
      const over = new Subscription(() => void unfinished.delete(task));
      unfinished.add(task);
      client.machine.whenAwake(task.at, () => {
        // A process that was stopped may find first that it was left.
        if (!over.closed) running = begin(task, client, over);
      });
      if (task.leaveAfter === undefined) return;
      client.machine.whenAwake(task.at + task.leaveAfter, () => {
        over.unsubscribe();
        running?.unsubscribe();
      });
    },
  };
}

/** Where one who waits is overtaken by one who holds: of those who want several keys, not where both may hold. */
function overtakenAt({ wants: waits }: Contender, { wants: holds }: Contender): string | undefined {
  const shared = [...waits].filter(([key]) => holds.has(key));
  const isSame = shared.length === waits.size && shared.length === holds.size;
  const [key] = shared.find(([key, want]) => isSame || !mayBeTogether([want, holds.get(key) ?? want])) ?? [];
  return key;
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
