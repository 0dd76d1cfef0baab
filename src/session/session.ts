/**
 * A session: a lease kept alive. Grant, renew, deadline, loss: the rules of time.
 */
import {
  Subject,
  catchError,
  concatMap,
  defer,
  map,
  merge,
  of,
  repeat,
  share,
  startWith,
  switchMap,
  tap,
  throwError,
} from 'rxjs';
import type { Observable } from 'rxjs';
import { at, failAt } from '../core/clock.js';
import type { LossReason } from '../core/errors.js';
import type { Lease, Renewed } from '../core/port.js';
import { deadline, timingOf } from '../core/timing.js';
import type { Timing } from '../core/timing.js';
import { attempt, retried } from './attempts.js';
import { bracket } from './bracket.js';
import type { Engine } from './engine.js';

/** A lease that the server has granted and that is being renewed. */
export interface Session {
  readonly lease: Lease;
  readonly timing: Timing;
  /** The instant from which the server may give our locks away, minus the margin. */
  validUntil(): number;
  /** Whether claims on it can still be held: not past its deadline, and not known to be gone. */
  isAlive(): boolean;
  /** How many renewals have been answered. */
  renewals(): number;
  /** One per answered renewal; errors when the session ends. Hot. */
  readonly renewed$: Observable<void>;
  /** To be called when an answer to something else showed that the lease is gone. */
  gone(): void;
}

/** The end of a session that was alive, or of a claim: no user's error, it becomes a LockLostError for each lock held. */
export class PlaceLost extends Error {
  override readonly name = 'PlaceLost';
  constructor(
    readonly reason: LossReason,
    cause?: unknown,
  ) {
    super(`the place in the queue is lost: ${reason}`, { cause });
  }
}

/** Timers stand still while the machine sleeps; so soon after it woke a loss is noticed. */
const LOOK_EVERY = 1000;

interface Granted {
  readonly sentAt: number;
  readonly ttl: number;
}

/**
 * Grants a lease and keeps it alive. Emits the session once, and errors with {@link PlaceLost} when the lease can
 * be relied on no more, before the server can give its claims away. Revokes the lease however it ends.
 *
 * ```text
 * server      g---r---r---r---         g: granted   r: renewed, `renewEvery` after the last send
 * session$    s-------------------
 *
 * server      g---r---x--x--x-         x: no answer; again after a back-off while there is time
 * validUntil  --------|-------|        send of the last renewal + ttl - margin
 * session$    s---------------#
 * ```
 */
export function session$(engine: Engine, lease: Lease): Observable<Session> {
  const { backend, time, settings } = engine;
  const budget = settings.ttl / 6;

  return bracket(engine, {
    attempt() {
      const sentAt = time.now();
      const granted$ = defer(() => backend.grant(lease, budget));
      return attempt(engine, 'grant', budget, granted$).pipe(map(({ ttl }): Granted => ({ sentAt, ttl })));
    },
    use: (granted) => alive$(engine, lease, granted),
    giveBack: () => revoke$(engine, lease),
  });
}

function alive$(engine: Engine, lease: Lease, granted: Granted): Observable<Session> {
  const { time, settings, report } = engine;
  const timing = timingOf(granted.ttl, settings);
  for (const message of [...engine.backend.notes, ...timing.clamped]) report({ type: 'note', message });

  let validUntil = deadline(granted.sentAt, timing);
  let ended = false;
  let renewals = 0;
  let lastFailure: Error | undefined;
  const expired = (): PlaceLost => new PlaceLost('expired', lastFailure);

  const renewed$ = renewals$(engine, lease, timing, granted.sentAt, {
    failed: (cause) => {
      lastFailure = cause;
      report({ type: 'renewal-failed', lease: lease.id, cause, remaining: Math.max(0, validUntil - time.now()) });
    },
  }).pipe(
    map(({ sentAt, ttl }) => {
      // What was lost stays lost: an answer that comes after the deadline changes nothing.
      if (time.now() >= validUntil) throw expired();
      lastFailure = undefined;
      renewals += 1;
      validUntil = deadline(sentAt, ttl === timing.ttl ? timing : timingOf(ttl, settings));
      report({ type: 'renewed', lease: lease.id, took: time.now() - sentAt, validUntil });
    }),
    // After a stall the renewal's timer may run before the deadline's; whatever it found, the deadline came first.
    catchError((error: unknown) => throwError(() => (time.now() >= validUntil ? expired() : error))),
    share(),
  );

  const told = new Subject<void>();
  const gone$ = failAt(told, () => new PlaceLost('session'));
  const expired$ = renewed$.pipe(
    startWith(undefined),
    switchMap(() => failAt(at(time, validUntil, LOOK_EVERY), expired)),
  );
  const session: Session = {
    lease,
    timing,
    validUntil: () => validUntil,
    isAlive: () => !ended && time.now() < validUntil,
    renewals: () => renewals,
    renewed$,
    gone: () => told.next(),
  };
  // The deadline's timer first: where it falls on the same instant as an answer, the deadline wins.
  return merge(gone$, expired$, of(session)).pipe(tap({ error: () => (ended = true) }));
}

/** The answered renewals, each `renewEvery` after the send of the last attempt. */
function renewals$(
  engine: Engine,
  lease: Lease,
  timing: Timing,
  grantedAt: number,
  { failed }: { failed: (cause: Error) => void },
): Observable<Granted> {
  const { backend, time } = engine;
  let lastSent = grantedAt;

  const renew$ = defer((): Observable<Granted> => {
    const sentAt = time.now();
    lastSent = sentAt;
    return attempt(engine, 'renew', timing.attempt, backend.renew(lease, timing.attempt)).pipe(
      map((answer: Renewed) => {
        if (answer.status === 'gone') throw new PlaceLost(answer.reason);
        return { sentAt, ttl: answer.ttl };
      }),
    );
  });
  // Only the deadline ends it: a refusal (say, of an expired token) may have passed at the next attempt.
  const persistent$ = renew$.pipe(retried(engine, { again: () => true, failed }));

  return defer(() => at(time, lastSent + timing.renewEvery)).pipe(
    concatMap(() => persistent$),
    repeat(),
  );
}

/** Asked until acknowledged, or until the lease has run out by itself even if its last renewal just arrived. */
function revoke$(engine: Engine, lease: Lease): Observable<void> {
  const { backend, time, settings } = engine;
  return defer(() => {
    const giveUpAt = time.now() + 2 * settings.ttl;
    return attempt(engine, 'revoke', settings.ttl / 6, backend.revoke(lease, settings.ttl / 6)).pipe(
      retried(engine, { again: (error) => error.retryable && time.now() < giveUpAt }),
    );
  });
}
