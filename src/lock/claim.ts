/**
 * One claim, from entering the queue to leaving it.
 */
import {
  EMPTY,
  ReplaySubject,
  catchError,
  concat,
  defaultIfEmpty,
  defer,
  distinctUntilChanged,
  filter,
  map,
  of,
  switchMap,
} from 'rxjs';
import type { Observable } from 'rxjs';
import type { BackendError, LossReason } from '../core/errors.js';
import { placeOf } from '../core/place.js';
import type { Place } from '../core/place.js';
import type { Claim, Entered, Queue, QueuedClaim } from '../core/port.js';
import { attempt, retried } from '../session/attempts.js';
import { bracket } from '../session/bracket.js';
import type { Engine } from '../session/engine.js';
import { SessionLost } from '../session/session.js';
import type { Session } from '../session/session.js';
import type { Queues, View } from './queues.js';

/** Where the claim stands. */
export type Stage =
  /** It was not let in: the queue has one place, and this is who has it. */
  | { readonly stage: 'refused'; readonly queue: Queue }
  | { readonly stage: 'waiting'; readonly ahead: number; readonly holders: readonly QueuedClaim[] }
  /** Its turn. `leave` gives it back; what it returns completes when the server has acknowledged. */
  | { readonly stage: 'first'; readonly token: bigint; leave(): Observable<never> }
  | { readonly stage: 'gone'; readonly reason: LossReason };

/** An uncontended lock is mostly given back before a watch on it would pay; a deletion is told within 100 ms. */
const WATCH_AFTER = 50;

/**
 * Enters the queue and says where the claim stands, at once and at each change, until unsubscribed: then the claim
 * leaves, in the background, whatever was under way.
 *
 * @param leaving is called right before the claim begins to leave: from then on it is not held
 */
export function claim$(
  engine: Engine,
  queues: Queues,
  session: Session,
  claim: Claim,
  leaving: () => void,
): Observable<Stage> {
  const { backend } = engine;
  const { attempt: budget } = session.timing;
  let attempts = 0;
  let underWay$: Observable<Entered> = EMPTY;

  /** Sent once, it is heard out even if nobody wants the claim any more: its answer says what there is to withdraw. */
  const enter$ = defer(() => {
    const answer = new ReplaySubject<Entered>(1);
    attempts += 1;
    underWay$ = answer;
    attempt(engine, `enter ${claim.key}`, budget, backend.enter(claim, budget)).subscribe(answer);
    return answer;
  });

  return bracket<Entered, Stage>(engine.background, {
    acquire$: enter$.pipe(retried(engine)),
    use: (answer, letGo) => {
      switch (answer.status) {
        case 'refused':
          return of({ stage: 'refused', queue: answer.queue });
        case 'lease-gone':
          session.gone();
          throw new SessionLost('session');
        case 'entered':
          return stages(engine, queues, session, answer, letGo);
      }
    },
    release: () => {
      leaving();
      return underWay$.pipe(
        catchError(() => EMPTY),
        defaultIfEmpty(undefined),
        switchMap((answer) => leave$(engine, session, claim, answer, attempts)),
      );
    },
  });
}

function stages(
  engine: Engine,
  queues: Queues,
  session: Session,
  { claim: mine, queue }: Extract<Entered, { status: 'entered' }>,
  leave: () => Observable<never>,
): Observable<Stage> {
  const { time } = engine;
  const first = placeOf(queue, mine);
  const watchAfter = first.status === 'first' ? Math.min(WATCH_AFTER, session.timing.renewEvery) : 0;
  const views$ = queues(queue.key);
  const watched$ = watchAfter === 0 ? views$ : time.after(watchAfter).pipe(switchMap(() => views$));

  const later$ = watched$.pipe(
    // A view shared with others may be older than our own claim: we are not in it, and that means nothing.
    filter((view): view is Extract<View, { status: 'known' }> => view.status === 'known'),
    filter((view) => view.queue.revision >= queue.revision),
    map((view) => placeOf(view.queue, mine)),
  );
  return concat(of(first), later$).pipe(
    distinctUntilChanged(samePlace),
    map((place) => stageOf(place, mine, leave)),
  );
}

function stageOf(place: Place, { token }: QueuedClaim, leave: () => Observable<never>): Stage {
  switch (place.status) {
    case 'first':
      return { stage: 'first', token, leave };
    case 'blocked':
      return { stage: 'waiting', ahead: place.ahead, holders: place.holders };
    case 'gone':
      return { stage: 'gone', reason: place.reason };
  }
}

const samePlace = (a: Place, b: Place): boolean =>
  a.status === b.status &&
  (a.status !== 'blocked' ||
    b.status !== 'blocked' ||
    (a.ahead === b.ahead && a.holders[0]?.token === b.holders[0]?.token));

/**
 * Leaves the queue; asked until acknowledged, whatever the answer, or until the lease has run out: nothing else would
 * ever free the key. There is nothing to leave for a claim that was never sent or not let in, nor on a lease shared
 * with others that has ended: its revoke takes all its claims along.
 */
function leave$(
  engine: Engine,
  session: Session,
  claim: Claim,
  answer: Entered | undefined,
  attempts: number,
): Observable<unknown> {
  const { backend, time } = engine;
  const { attempt: budget, ttl } = session.timing;
  if (attempts === 0 || answer?.status === 'lease-gone') return EMPTY;
  if (answer?.status === 'refused' && attempts === 1) return EMPTY;
  if (backend.leasePer === 'session' && !session.isAlive()) return EMPTY;
  // An attempt that was not answered may arrive after all, and must find its claim withdrawn.
  const entered = answer?.status === 'entered' && attempts === 1 ? answer.claim : undefined;
  // Who was refused for good on the way in has nothing there: refused for good on the way out, too, that is the end.
  const mayHelp = (error: BackendError, failures: number): boolean =>
    error.retryable || entered !== undefined || failures < 5;
  return defer(() => {
    const giveUpAt = time.now() + 2 * ttl;
    const left$ = attempt(engine, `leave ${claim.key}`, budget, backend.leave(claim, entered, budget));
    return left$.pipe(
      retried(engine, {
        again: (error, failures) => mayHelp(error, failures) && (time.now() < giveUpAt || session.isAlive()),
      }),
    );
  });
}
