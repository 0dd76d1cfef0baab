/**
 * A program on the real engine, in virtual time. What is scheduled, and in which order, is what the copied spec does
 * (spec-text.ts), so both see the same to the tick.
 */
import {
  Subject,
  Subscription,
  VirtualTimeScheduler,
  concat,
  defer,
  finalize,
  ignoreElements,
  map,
  merge,
  of,
  repeat,
  share,
  startWith,
  take,
  takeUntil,
  tap,
  timer,
} from 'rxjs';
import type { Observable } from 'rxjs';
import { runOnce, usingLock } from '../../../src/index.js';
import type { HeldLock, Lock, LockEvent, Locks } from '../../../src/index.js';
import { errorCodes } from '../../../src/testing/index.js';
import type { TestClient } from '../../../src/testing/index.js';
import { THINKING, counterOf, createCounters, isExclusive } from './counters.js';
import type { Reading } from './counters.js';
import { labServer } from './lab-server.js';
import type { Contention, Program, Step } from './program.js';
import { KEEP, PERMITS } from './schedule.js';
import type { Kind, Name } from './schedule.js';
import { newHold } from './trace.js';
import type { HoldDraft, HoldTrace, Note, Trace } from './trace.js';

/** `h` when held; who has done what is done once; `#` with its code, or `|` once the release is acknowledged. */
export interface Letter {
  readonly at: number;
  readonly letter: 'h' | Name | '|' | '#';
  readonly code?: string;
}

/** A trace, and what each contention told its user: what the copied spec expects. */
export interface RxlockRun {
  readonly trace: Trace;
  readonly letters: readonly (readonly Letter[])[];
}

export function lockOf(
  locks: Pick<Locks, 'mutex' | 'semaphore' | 'readLock' | 'writeLock' | 'all'>,
  wanted: Contention & { readonly kind: Exclude<Kind, 'once'> },
): Lock {
  const [key = ''] = wanted.keys;
  switch (wanted.kind) {
    case 'mutex':
      return locks.mutex(key);
    case 'read':
      return locks.readLock(key);
    case 'write':
      return locks.writeLock(key);
    case 'semaphore':
      return locks.semaphore(key, PERMITS);
    case 'all':
      return locks.all(...wanted.keys.map((name) => locks.mutex(name)));
  }
}

/** What goes through a lock of the lab: that it is held, writes to the counter, and who has done what is done once. */
type Told =
  | { readonly type: 'held' }
  | { readonly type: 'result'; readonly by: Name }
  | { readonly type: 'write'; readonly token: string; readonly read: Reading };

export function runRxlock(program: Program): RxlockRun {
  const { schedule, contentions, steps, processes } = program;
  const { end, latency, ttl, margin } = schedule;
  const scheduler = new VirtualTimeScheduler();
  const server = labServer(scheduler, latency, end);
  const counters = createCounters(scheduler, end);
  const notes: Note[] = [];
  const letters: Letter[][] = contentions.map(() => []);
  const links = new Map(processes.map(({ id }) => [id, { delay: 0 }]));
  const clients = new Map<string, TestClient>();

  const noted = (process: string, event: LockEvent): void => {
    const text = noteOf(event);
    if (text && scheduler.now() <= end) notes.push({ at: scheduler.now(), process, ...text });
  };
  for (const { id } of processes) {
    const client = server.client({ owner: id, ttl, safetyMargin: margin });
    clients.set(id, client);
    client.events$.subscribe((event) => noted(id, event));
  }

  const carryOut = (step: Step): void => {
    if (step.verb === 'expire') return server.expire(step.key);
    const client = clients.get(step.process.id);
    const link = links.get(step.process.id);
    if (!client || !link) return;
    if (step.verb === 'delay') link.delay = step.amount;
    applyStep(client, step);
  };

  const holds = contentions.map(newHold);

  /** Reads, thinks, writes, waits for the acknowledgement, again and again. */
  const counting$ = (
    wanted: Contention,
    held: HeldLock,
    client: TestClient,
    acknowledged$: Observable<void>,
  ): Observable<Told> => {
    const key = counterOf(wanted);
    const token = held.fencingToken.toString();
    return defer(() => {
      const read = counters.read(key);
      const write$ = timer(THINKING, client.scheduler).pipe(map((): Told => ({ type: 'write', token, read })));
      return merge(write$, acknowledged$.pipe(take(1), ignoreElements()));
    }).pipe(repeat());
  };

  const work$ = (wanted: Contention, client: TestClient, hold: HoldDraft): Observable<Told> => {
    const acknowledged = new Subject<void>();
    const link = links.get(wanted.process.id);
    const key = counterOf(wanted);
    const project = (held: HeldLock): Observable<Told> => {
      hold.heldAt = scheduler.now();
      hold.token = held.fencingToken.toString();
      const done$ = timer(wanted.work, client.scheduler).pipe(share());
      const working$ = done$.pipe(ignoreElements(), startWith<Told>({ type: 'held' }));
      const inner$ = isExclusive(wanted)
        ? merge(working$, counting$(wanted, held, client, acknowledged).pipe(takeUntil(done$)))
        : working$;
      return inner$.pipe(
        finalize(() => {
          hold.validUntil = held.validUntil;
          hold.stoppedAt ??= scheduler.now();
        }),
      );
    };
    return throughLock$(wanted, client, project).pipe(
      tap((told) => {
        // What comes through the lock was held against the deadline: now it goes to the store, and is out of our hands.
        if (told.type !== 'write' || !link) return;
        const travel = latency + link.delay;
        counters.write({ key, process: wanted.process.id, token: told.token, read: told.read, travel }, () => {
          client.scheduler.schedule(() => acknowledged.next(), travel);
        });
      }),
    );
  };

  for (const step of steps) scheduler.schedule(() => carryOut(step), step.at);
  for (const wanted of contentions) {
    const client = clients.get(wanted.process.id);
    const hold = holds[wanted.id];
    const told = letters[wanted.id];
    if (!client || !hold || !told) continue;
    const seen = (letter: Letter['letter'], code?: string): void => {
      if (scheduler.now() > end) return;
      told.push({ at: scheduler.now(), letter, ...(code !== undefined && { code }) });
      if (letter !== '|' && letter !== '#') return;
      hold.endedAt = scheduler.now();
      hold.code = code;
      hold.ending = letter === '#' ? endingOf(code) : hold.heldAt === undefined ? 'given' : 'done';
    };
    const contending$ = work$(wanted, client, hold).pipe(
      errorCodes(),
      tap({
        next: (one) => {
          if (one.type === 'held') seen('h');
          if (one.type !== 'result') return;
          if (hold.heldAt === undefined) hold.givenBy = one.by;
          seen(one.by);
        },
        error: (code: unknown) => seen('#', String(code)),
        complete: () => seen('|'),
      }),
    );
    let subscription = Subscription.EMPTY;
    // What went wrong has been seen.
    scheduler.schedule(() => (subscription = contending$.subscribe({ error: () => undefined })), wanted.at);
    scheduler.schedule(() => subscription.unsubscribe(), wanted.leaveAt ?? end);
  }
  scheduler.flush();

  for (const hold of holds) closed(hold, end);
  const { queues, leases, marks } = server;
  return { trace: { client: 'rxlock', holds, notes, queues, leases, marks, writes: counters.writes }, letters };
}

/** The work of a contention, under its lock. */
function throughLock$(
  wanted: Contention,
  client: TestClient,
  project: (held: HeldLock) => Observable<Told>,
): Observable<Told> {
  const options = wanted.wait === undefined ? {} : { wait: wanted.wait };
  const { kind } = wanted;
  if (kind !== 'once') return usingLock(lockOf(client, { ...wanted, kind }), project, options);
  const once = client.once<Told>(wanted.keys[0] ?? '', { keep: KEEP });
  const result$ = of<Told>({ type: 'result', by: wanted.process.name });
  return runOnce(once, (held) => concat(project(held), result$), options);
}

/** Ends that nobody was told: left from outside, killed, or still open. */
function closed(hold: HoldDraft, end: number): void {
  const { process, leaveAt } = hold.contention;
  if (hold.stoppedAt !== undefined && hold.stoppedAt >= end && leaveAt === undefined) hold.stoppedAt = undefined;
  if (process.until !== undefined && hold.ending === 'open' && (leaveAt === undefined || leaveAt > process.until)) {
    hold.ending = 'killed';
    hold.endedAt = process.until;
    if (hold.heldAt !== undefined) hold.stoppedAt = process.until;
  } else if (hold.ending === 'open' && leaveAt !== undefined && leaveAt < end) {
    hold.ending = 'left';
    hold.endedAt = leaveAt;
  }
}

const endingOf = (code = ''): HoldTrace['ending'] => {
  if (code.startsWith('LOCK_LOST')) return 'lost';
  return code === 'ALREADY_LOCKED' || code === 'LOCK_TIMEOUT' ? 'busy' : 'failed';
};

function noteOf(event: LockEvent): Pick<Note, 'type' | 'text'> | undefined {
  const { type } = event;
  if (type === 'renewed') return { type, text: `renewed, good until ${event.validUntil}` };
  if (type === 'renewal-failed') return { type, text: 'a renewal was not answered' };
  if (type === 'requeued') return { type, text: 'queues again' };
  if (type === 'disconnected') return { type, text: 'the server does not answer' };
  if (type === 'connected') return { type, text: 'the server answers again' };
  if (type === 'lost') return { type, text: `told that ${event.key} is lost: ${event.reason}` };
  return undefined;
}

/** What the copied spec writes out as calls. */
export function applyStep(client: TestClient, step: Exclude<Step, { verb: 'expire' }>): void {
  switch (step.verb) {
    case 'cut':
      return client.network.partition();
    case 'heal':
      return client.network.heal();
    case 'delay':
      return client.network.delayReplies(step.amount);
    case 'freeze':
      return client.pauseClient(step.amount);
    case 'clock':
      return client.setClock(step.amount);
    case 'kill':
      client.network.partition();
      return client.pauseClient(Infinity);
  }
}
