/**
 * One claim, from entering the queue to leaving it.
 */
import { EMPTY, defer, finalize, of, tap, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import type { BackendError } from '../core/errors.js';
import type { Claim, Entered, Left, Queue, QueuedClaim } from '../core/port.js';
import { ATTEMPTS, attempt, retried } from '../session/attempts.js';
import { bracket } from '../session/bracket.js';
import type { Engine } from '../session/engine.js';
import { PlaceLost } from '../session/session.js';
import type { Session } from '../session/session.js';
import type { Turn } from './line.js';
import type { Lines } from './lines.js';

/** Where the claim stands: not let in, since the queue has one place; or its turn. */
export type Stage = Turn | { readonly status: 'refused'; readonly queue: Queue };

/** A claim that is contended with. */
export interface Entry {
  /**
   * Enters the queue and says where the claim stands, at once and at each change, until unsubscribed: then the claim
   * leaves, in the background, whatever was under way.
   */
  readonly stage$: Observable<Stage>;
  /** The token, once it is in. */
  readonly token: bigint | undefined;
  /** Leaves the queue. With `handOn`, who is right behind it here holds at once. */
  leave(handOn: boolean): void;
}

/** What a claim needs of those around it. */
export interface ClaimParts {
  readonly engine: Engine;
  readonly lines: Lines;
  readonly session: Session;
  readonly claim: Claim;
  /** Whether the answer to entering must show the queue: who tries once does not wait for a watch. */
  readonly isTry: boolean;
  /** Whether the `Locks` is being closed: then the end of its lease takes all claims along. */
  isClosed(): boolean;
  /** Called right before the claim begins to leave: from then on it is not held. */
  leaving(): void;
  /** Called when it has left, or nothing more can be done about it. */
  left(): void;
}

export function createEntry(parts: ClaimParts): Entry {
  const { engine, lines, session, claim, isTry, leaving, left } = parts;
  const { backend } = engine;
  const { attempt: budget } = session.timing;
  const enter$ = defer(() => backend.enter(claim, budget, isTry || !lines.at(claim.key).isLive));
  let mine: QueuedClaim | undefined;
  let letGo: (() => void) | undefined;
  let isHandedOn = false;

  const stage$ = bracket<Entered, Stage>(engine, {
    attempt: (isWanted) => engine.gate(attempt(engine, `enter ${claim.key}`, budget, enter$), isWanted),
    use(answer, giveBack) {
      switch (answer.status) {
        case 'refused':
          return of({ status: 'refused', queue: answer.queue });
        case 'lease-gone':
          session.gone();
          return throwError(() => new PlaceLost('session'));
        case 'entered':
          mine = answer.claim;
          letGo = giveBack;
          return lines.at(claim.key).turn$(answer.claim, session.lease, answer.queue);
      }
    },
    giveBack(answer, isClear) {
      leaving();
      // An attempt that was not answered may arrive after all, and must find its claim withdrawn.
      const there = answer?.status === 'entered' ? answer.claim : undefined;
      const entered = isClear ? there : undefined;
      const line = lines.at(claim.key);
      if (there) line.leaves(there);
      const handedOn = isHandedOn && entered ? line.handOn(entered) : undefined;
      const left$ = isWorthLeaving(parts, answer, isClear) ? leave$(parts, entered, handedOn?.heir) : EMPTY;
      return left$.pipe(
        tap((answered) => {
          if (handedOn && answered.heir === 'gone') line.gone(handedOn.heir);
        }),
        finalize(() => {
          handedOn?.over();
          left();
        }),
      );
    },
  });

  return {
    stage$,
    get token() {
      return mine?.token;
    },
    leave(handOn) {
      isHandedOn = handOn;
      letGo?.();
      lines.at(claim.key).settle();
    },
  };
}

/**
 * There is nothing to leave for a claim that was not let in, nor on a lease shared with others that has ended or is
 * about to: its revoke takes all its claims along.
 */
function isWorthLeaving(parts: ClaimParts, answer: Entered | undefined, isClear: boolean): boolean {
  const { engine, session, isClosed } = parts;
  if (answer?.status === 'lease-gone' || (answer?.status === 'refused' && isClear)) return false;
  return engine.backend.leasePer === 'claim' || (session.isAlive() && !isClosed());
}

/** Asked until acknowledged, whatever the answer, or until the lease has run out: nothing else would ever free the key. */
function leave$(
  { engine, session, claim }: ClaimParts,
  entered: QueuedClaim | undefined,
  heir: QueuedClaim | undefined,
): Observable<Left> {
  const { backend, time } = engine;
  const { attempt: budget, ttl } = session.timing;
  const giveUpAt = time.now() + 2 * ttl;
  // Who was refused for good on the way in has nothing there: refused for good on the way out, too, that is the end.
  const mayHelp = (error: BackendError, failures: number): boolean =>
    error.retryable || entered !== undefined || failures < ATTEMPTS;
  const left$ = defer(() => backend.leave(claim, entered, budget, heir));
  return attempt(engine, `leave ${claim.key}`, budget, left$).pipe(
    retried(engine, {
      again: (error, failures) => mayHelp(error, failures) && (time.now() < giveUpAt || session.isAlive()),
    }),
  );
}
