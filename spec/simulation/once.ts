/**
 * What one of a fleet does for all, in a run of the simulator: who takes part, and what must be true of it.
 */
import { Observable, concat, defer, finalize, of, tap, throwError, timer } from 'rxjs';
import type { SchedulerLike, Subscription } from 'rxjs';
import { decorate } from '../../src/backend/decorate.js';
import { LockError, runOnce } from '../../src/index.js';
import type { HeldLock, Locks, MarkRequest, QueueBackend } from '../../src/index.js';
import type { Machine } from './machine.js';
import type { OnceTask } from './schedule.js';
import type { SimServer } from './server.js';
import type { Staleness } from './staleness.js';

export const ONCE = 'once';

/** What there is to be checked, beside the runs. */
export interface OnceAccount {
  ran: number;
  /** Values that came from another one's run. */
  given: number;
}

interface Host {
  readonly server: SimServer;
  violated(what: string): void;
  readonly staleness: Staleness;
}

interface Participant {
  readonly machine: Machine;
  readonly locks: Locks;
}

const BODY_FAILED = new Error('the run failed');

export interface OnceRules {
  /** The server, with an eye on the markers. */
  watched(backend: QueueBackend): QueueBackend;
  start(task: OnceTask, client: Participant): void;
  /** The server is restored. */
  forget(): void;
  /** Those that are not over yet. */
  readonly unfinished: ReadonlySet<OnceTask>;
  readonly account: OnceAccount;
}

export function createOnceRules({ server, violated, staleness }: Host): OnceRules {
  const unfinished = new Set<OnceTask>();
  const account: OnceAccount = { ran: 0, given: 0 };
  /** Values whose run came to its end. */
  const produced = new Set<string>();
  /** Values of the markers that were written, in their order. */
  const marked: string[] = [];
  /**
   * The newest that somebody was given, of those written in this life of the server, which are those from `from` on: a
   * restored server knows an older marker again, or none, and answers of before are still on their way.
   */
  let era = { from: 0, newest: -1 };
  const onSeen = (order: number): void => {
    if (order >= era.from) era.newest = Math.max(era.newest, order);
  };
  const bodies = new Map<HeldLock, string>();
  let runs = 0;

  const onWritten = ({ value }: MarkRequest): void => {
    const read: unknown = JSON.parse(value);
    const result = typeof read === 'object' && read !== null && 'value' in read ? String(read.value) : 'nothing';
    if (marked.includes(result)) return;
    marked.push(result);
    for (const [held, other] of bodies) {
      if (other !== result && held.isHeld() && !staleness.isStale(held))
        violated(`${result} was marked as done while ${other} runs`);
    }
  };

  const onBegin = (held: HeldLock, run: string): void => {
    account.ran += 1;
    bodies.set(held, run);
    const [first] = server.queueNow(ONCE).claims;
    staleness.began(held, first?.token === held.fencingToken);
    if (staleness.isStale(held)) return;
    const { marker } = server.markerNow(ONCE);
    if (marker) violated(`${run} runs, though it is done: ${marker.value}`);
  };

  const onGiven = (value: string, seenBefore: number): void => {
    account.given += 1;
    const order = marked.indexOf(value);
    if (!produced.has(value) || order < 0) violated(`${value} was given, which nobody produced`);
    if (order < seenBefore) violated(`${value} was given after ${String(marked[seenBefore])}, which is newer`);
    onSeen(order);
  };

  const bodyOf = ({ hold, ends }: OnceTask, run: string, scheduler: SchedulerLike): Observable<string> => {
    const value$ = of(run).pipe(tap({ complete: () => ends === 'complete' && produced.add(run) }));
    const work$ = concat(
      new Observable<never>((subscriber) =>
        timer(hold, scheduler).subscribe({ complete: () => subscriber.complete() }),
      ),
      value$,
    );
    return ends === 'complete'
      ? work$
      : concat(
          work$,
          throwError(() => BODY_FAILED),
        );
  };

  return {
    account,
    unfinished,

    forget() {
      era = { from: marked.length, newest: -1 };
    },

    watched: (backend) =>
      decorate(backend, (source$, call) => {
        if (call.verb !== 'markers.write') return source$;
        const [request] = call.args;
        return source$.pipe(
          tap((result) => {
            if (result === 'written') onWritten(request);
          }),
        );
      }),

    start(task, { machine, locks }) {
      let own: string | undefined;
      let running: Subscription | undefined;
      const over = (): void => {
        unfinished.delete(task);
      };
      unfinished.add(task);
      machine.whenAwake(task.at, () => {
        const { life } = server;
        const newestBefore = era.newest;
        const project = (held: HeldLock): Observable<string> =>
          defer(() => {
            own = `run ${String((runs += 1))}`;
            onBegin(held, own);
            return bodyOf(task, own, machine.scheduler).pipe(finalize(() => bodies.delete(held)));
          });
        running = runOnce(locks.once<string>(ONCE, { keep: task.keep }), project, { wait: task.wait }).subscribe({
          next: (value) => {
            if (value !== own) onGiven(value, server.life === life ? newestBefore : -1);
          },
          error: (error: unknown) => {
            over();
            if (!(error instanceof LockError) && error !== BODY_FAILED) violated(`somebody got ${String(error)}`);
          },
          complete: () => {
            over();
            if (own === undefined) return;
            const order = marked.indexOf(own);
            if (order < 0) violated(`${own} completed without being marked as done`);
            onSeen(order);
          },
        });
      });
      if (task.leaveAfter === undefined) return;
      machine.whenAwake(task.at + task.leaveAfter, () => {
        running?.unsubscribe();
        over();
      });
    },
  };
}
