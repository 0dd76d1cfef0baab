/**
 * A session: a lease that is kept alive. Grant, renewal, deadline and loss.
 */
import {
  Observable,
  Subject,
  catchError,
  concatMap,
  defer,
  finalize,
  ignoreElements,
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
import { at, failAt } from '../time/clock.js';
import { isRefusal } from '../api/errors.js';
import type { LossReason } from '../api/errors.js';
import type { Lease, RenewResult, RenewalWorker } from '../backend/port.js';
import { deadline, timingOf } from '../rules/timing.js';
import type { Timing } from '../rules/timing.js';
import { request } from './io/request.js';
import { AcquireRelease } from './io/acquire-release.js';
import type { Runtime } from './runtime.js';
import type { ForeignWrite } from '../api/revocation.js';

/** A lease that the server has granted and that is being renewed. */
export interface Session {
  readonly lease: Lease;
  readonly timing: Timing;
  /** The instant from which the server may give our locks away, minus the margin. */
  validUntil(): number;
  /** Whether claims on it can still be held: its deadline has not passed, and it is not known to be gone. */
  isAlive(): boolean;
  /** The number of answered renewals. */
  renewals(): number;
  /** Emits at each answered renewal; errors when the session ends. Hot. */
  readonly renewed$: Observable<void>;
  /** To be called when the answer to another request showed that the lease is gone. */
  gone(): void;
  /** To be called when its deadline was found to have passed before the timer of the deadline ran. Ends all claims on it. */
  expired(): void;
}

/** The end of a session or of a claim. Internal: it becomes a LockLostError for each held lock. */
export class ClaimLost extends Error {
  override readonly name = 'ClaimLost';
  constructor(
    readonly reason: LossReason,
    cause?: unknown,
    readonly by?: ForeignWrite,
  ) {
    super(`the claim in the queue is lost: ${reason}`, { cause });
  }
}

/**
 * Milliseconds between two checks of the deadline. Timers stand still while the machine sleeps; so a loss is noticed
 * this soon after it wakes.
 */
const LOOK_EVERY = 1000;

interface Granted {
  readonly sentAt: number;
  readonly ttl: number;
}

/**
 * Grants a lease and keeps it alive. Emits the session once. Errors with {@link ClaimLost} at the deadline, before the
 * server can give the claims of the lease to others, or when the lease is gone. Revokes the lease however it ends.
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
export function session$(runtime: Runtime, lease: Lease): Observable<Session> {
  const { backend, time } = runtime;
  const { attempt } = runtime.timing;

  return new Observable((subscriber) => {
    const bracket = new AcquireRelease<Granted>(runtime, {
      what: 'grant',
      timeout: attempt,
      // Where each claim has a lease of its own, the lease begins with the claim: nothing is sent.
      isLocal: lease.key !== undefined,
      send() {
        const sentAt = time.now();
        return backend.grant(lease, attempt).pipe(map(({ ttl }) => ({ sentAt, ttl })));
      },
      use: (granted) => void alive$(runtime, lease, granted).subscribe(subscriber),
      failed: (error) => subscriber.error(error),
      // The use ends with the subscriber.
      stop: () => undefined,
      dispose: () => revoke$(runtime, lease),
      disposed: () => undefined,
    });
    bracket.begin();
    return () => bracket.release();
  });
}

function alive$(runtime: Runtime, lease: Lease, granted: Granted): Observable<Session> {
  const { time, settings, report } = runtime;
  const timing = timingOf(granted.ttl, settings);
  runtime.timing = timing;
  for (const message of [...runtime.backend.notes, ...timing.clamped]) report({ type: 'note', message });

  const worker = renewalWorkerOf(runtime, lease, timing);
  /** The deadline by our own renewals. */
  let ownDeadline = deadline(granted.sentAt, timing);
  const validUntil = (): number => Math.max(ownDeadline, (worker?.until() ?? -Infinity) - timing.margin);
  let ended = false;
  let renewals = 0;
  let lastFailure: Error | undefined;
  const expired = (): ClaimLost => new ClaimLost('expired', lastFailure);

  const renewed$ = renewals$(runtime, lease, timing, granted.sentAt, {
    sent: () => worker?.alive(),
    failed: (cause) => {
      lastFailure = cause;
      report({ type: 'renewal-failed', lease: lease.id, cause, remaining: Math.max(0, validUntil() - time.now()) });
    },
  }).pipe(
    map(({ sentAt, ttl }) => {
      // A loss is final: an answer that comes after the deadline changes nothing.
      if (time.now() >= validUntil()) throw expired();
      lastFailure = undefined;
      renewals += 1;
      ownDeadline = deadline(sentAt, timingOf(ttl, settings));
      report({ type: 'renewed', lease: lease.id, took: time.now() - sentAt, validUntil: validUntil() });
    }),
    // After a stall the timer of the renewal may run before that of the deadline: then the deadline still counts as
    // first.
    catchError((error: unknown) => throwError(() => (time.now() >= validUntil() ? expired() : error))),
    share(),
  );

  // Checked again when the timer runs: the worker may have moved the deadline meanwhile.
  const deadline$ = defer(() => at(time, validUntil(), LOOK_EVERY)).pipe(
    map(() => {
      if (time.now() >= validUntil()) throw expired();
    }),
    repeat(),
    ignoreElements(),
  );
  const told = new Subject<ClaimLost>();
  const told$ = failAt(told, (loss) => loss);
  const expired$ = renewed$.pipe(
    startWith(undefined),
    switchMap(() => deadline$),
  );
  const session: Session = {
    lease,
    timing,
    validUntil,
    isAlive: () => !ended && time.now() < validUntil(),
    renewals: () => renewals,
    renewed$,
    gone: () => told.next(new ClaimLost('session')),
    expired: () => told.next(expired()),
  };
  // The deadline is subscribed to first: if it falls on the same instant as an answer, the deadline wins.
  return merge(told$, expired$, of(session)).pipe(
    tap({ error: () => (ended = true) }),
    finalize(() => worker?.end()),
  );
}

/** The worker that renews the lease while our thread is blocked, with `renewIn: 'worker'`. */
function renewalWorkerOf(runtime: Runtime, lease: Lease, timing: Timing): RenewalWorker | undefined {
  const { backend, time, settings, report } = runtime;
  if (settings.renewIn === 'main') return undefined;
  return backend.renewalWorker?.(lease, {
    clock: time,
    renewEvery: timing.renewEvery,
    attempt: timing.attempt,
    maxStall: settings.maxStall,
    failed: ({ message }) => report({ type: 'note', message: `renewIn: 'worker' has no effect: ${message}` }),
  });
}

/** Emits each answered renewal. The next one is sent `renewEvery` after the send of the last attempt. */
function renewals$(
  runtime: Runtime,
  lease: Lease,
  timing: Timing,
  grantedAt: number,
  { sent, failed }: { sent: () => void; failed: (cause: Error) => void },
): Observable<Granted> {
  const { backend, time } = runtime;
  let lastSent = grantedAt;

  // Repeated until the deadline, even after a refusal: an expired token, for example, may be replaced by the next
  // attempt.
  const renewed$ = request(runtime, {
    what: 'renew',
    timeout: timing.attempt,
    send() {
      lastSent = time.now();
      sent();
      return backend.renew(lease, timing.attempt);
    },
    again: () => true,
    failed,
  }).pipe(
    map((answer: RenewResult): Granted => {
      if (answer.status === 'gone') throw new ClaimLost(answer.reason, answer.cause);
      return { sentAt: lastSent, ttl: answer.ttl };
    }),
  );

  return defer(() => at(time, lastSent + timing.renewEvery)).pipe(
    concatMap(() => renewed$),
    repeat(),
  );
}

/**
 * Repeated until the server acknowledges, or until the lease has certainly run out, even if a renewal arrived just now.
 */
function revoke$(runtime: Runtime, lease: Lease): Observable<void> {
  const { backend, time, timing } = runtime;
  const giveUpAt = time.now() + 2 * timing.ttl;
  const timeout = timing.attempt;
  return request(runtime, {
    what: 'revoke',
    timeout,
    send: () => backend.revoke(lease, timeout),
    again: (error) => !isRefusal(error) && time.now() < giveUpAt,
  });
}
