/**
 * A contender, from its subscription to its end: the stream behind `lock$`.
 */
import {
  EMPTY,
  catchError,
  concat,
  defer,
  filter,
  map,
  merge,
  of,
  repeat,
  switchMap,
  takeUntil,
  takeWhile,
  tap,
  throwError,
  using,
} from 'rxjs';
import type { Observable } from 'rxjs';
import { at } from '../core/clock.js';
import { AlreadyLockedError, LockLostError, LocksClosedError } from '../core/errors.js';
import type { LossReason } from '../core/errors.js';
import type { HeldLock, LockState } from '../core/lock.js';
import type { Contention } from '../core/options.js';
import { holderOf, holdersOf } from '../core/ownership.js';
import type { Holder } from '../core/ownership.js';
import type { LockKind, Queue } from '../core/port.js';
import { backoff } from '../core/timing.js';
import { isRetryable } from '../session/attempts.js';
import type { Engine } from '../session/engine.js';
import { SessionLost } from '../session/session.js';
import type { Session } from '../session/session.js';
import type { Sessions } from '../session/sessions.js';
import { claim$ } from './claim.js';
import type { Stage } from './claim.js';
import { endings } from './endings.js';
import { createHold } from './hold.js';
import type { Hold } from './hold.js';
import type { Queues } from './queues.js';

/** What all contenders of one `Locks` share. */
export interface Arena {
  readonly engine: Engine;
  readonly sessions: Sessions['session'];
  readonly queues: Queues;
  /** Emits when the `Locks` is closed, and to whoever comes later. */
  readonly closed$: Observable<unknown>;
  isClosed(): boolean;
  /** A claim id that no other claim of this `Locks` has. */
  nextClaimId(): string;
}

/** The last state inside: the release was acknowledged, so the stream is to complete. */
const RELEASED = { status: 'released' } as const;
type Inner = LockState | typeof RELEASED;

export function contend(arena: Arena, key: string, kind: LockKind, contention: Contention): Observable<LockState> {
  const { engine, sessions, queues, closed$ } = arena;
  const { wait, meta } = contention;
  const { backend, settings, time, report } = engine;

  const contender$ = defer(() => {
    const started = time.now();
    let hold: Hold | undefined;
    /** Who was seen to be in the way; nothing before the server has answered. */
    let inTheWay: readonly Holder[] | undefined;

    const waiting = (holders: readonly Holder[], ahead?: number): LockState => {
      if (wait === 0) throw new AlreadyLockedError({ key, holders });
      if (inTheWay === undefined) report({ type: 'queued', key, ...(ahead !== undefined && { ahead }) });
      inTheWay = holders;
      return { status: 'waiting', key, holders, ...(ahead !== undefined && { ahead }) };
    };

    /** Refused by a queue with one place: watches it until it is empty. Completes then, to try again. */
    const outside$ = ({ revision }: Queue): Observable<LockState> =>
      queues(key).pipe(
        filter((view) => view.status === 'known'),
        map((view) => view.queue),
        filter((queue) => queue.revision >= revision),
        takeWhile((queue) => queue.claims.length > 0),
        map((queue) => waiting(holdersOf(queue))),
      );

    const held$ = (session: Session, { token, leave }: Extract<Stage, { stage: 'first' }>): Observable<Inner> => {
      if (!session.isAlive()) throw new SessionLost('expired');
      // The holder before us in this same `Locks` was told of the close a moment before we are.
      if (arena.isClosed()) throw new LocksClosedError({ key });
      const leaveInTime = (): Observable<never> => leave().pipe(takeUntil(at(time, session.validUntil())));
      const taken = createHold(engine, { key, session, token, leave: leaveInTime });
      hold = taken;
      report({ type: 'acquired', key, fencingToken: token, waited: taken.since - started });
      const released$ = taken.asked$.pipe(switchMap(() => concat(leaveInTime(), of(RELEASED))));
      // The ear first: a body that ends at once asks for the release while `held` is being told.
      return merge(released$, of<Inner>({ status: 'held', key, held: taken.held }));
    };

    const inner$ = (session: Session, stage: Stage): Observable<Inner> => {
      switch (stage.stage) {
        case 'refused':
          // Free again by the time somebody looked who has it: try again.
          if (stage.queue.claims.length === 0) return EMPTY;
          return concat(of(waiting(holdersOf(stage.queue))), outside$(stage.queue));
        case 'waiting':
          return of(waiting(stage.holders.map(holderOf), stage.ahead));
        case 'first':
          return held$(session, stage);
        case 'gone':
          // Past the deadline it went with its lease, and the timer that would have said so is late.
          throw new SessionLost(session.isAlive() ? stage.reason : 'expired');
      }
    };

    /** What is done under the lock stops here, before the claim leaves and before anybody downstream is told. */
    const endHold = (cause?: Error): void => {
      if (!hold || hold.isOver()) return;
      const { held, since } = hold;
      // Given back after its deadline, before the timer that would have told so: that was a loss.
      const error = cause ?? (held.isHeld() ? undefined : lostBy(held, 'expired'));
      hold.end(error);
      const lasted = time.now() - since;
      if (error instanceof LockLostError) report({ type: 'lost', key, reason: error.reason, held: lasted });
      else report({ type: 'released', key, held: lasted });
    };

    /** What a failure means: the loss of what was held, another round for who was queued, or the end. */
    const failed = (error: unknown): Observable<never> | Observable<typeof RELEASED> => {
      if (error instanceof SessionLost && hold) {
        if (hold.isOver()) return of(RELEASED);
        const lost = lostBy(hold.held, error.reason, error.cause);
        endHold(lost);
        return throwError(() => lost);
      }
      if (error instanceof SessionLost || (inTheWay && isRetryable(error))) {
        report({ type: 'requeued', key, cause: error });
        return EMPTY;
      }
      return throwError(() => error);
    };

    /** One round: a session, a claim in it. Completes when the next round is to begin, at the tail. */
    const round$ = sessions(key).pipe(
      switchMap((session) => {
        const claim = { key, lease: session.lease, id: arena.nextClaimId(), kind, since: time.date(), meta };
        return claim$(engine, queues, session, claim, endHold).pipe(map((stage) => ({ session, stage })));
      }),
      takeWhile(({ stage }) => stage.stage !== 'refused', true),
      switchMap(({ session, stage }) => inner$(session, stage)),
      catchError(failed),
    );

    const ends$ = endings({
      time,
      key,
      contention,
      closed$,
      serverName: backend.name,
      isHeld: () => hold !== undefined,
      inTheWay: () => inTheWay,
    });

    return round$.pipe(
      repeat({ delay: () => time.after(backoff(1, settings.ttl, settings.random)) }),
      takeWhile((state): state is LockState => state.status !== 'released'),
      takeUntil(ends$),
      tap({ error: (error: unknown) => endHold(error instanceof Error ? error : new Error(String(error))) }),
    );
  });

  return using(
    () => time.awake(),
    () => contender$,
  );
}

const lostBy = ({ key, fencingToken }: HeldLock, reason: LossReason, cause?: unknown): LockLostError =>
  new LockLostError({ key, reason, fencingToken, cause });
