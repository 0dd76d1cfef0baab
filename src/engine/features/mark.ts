/**
 * The marker of a key, written by the one who holds it.
 */
import { EMPTY, Observable, catchError, concat, ignoreElements, throwError } from 'rxjs';
import { BackendError, LockLostError, LockNotOwnedError, isRefusal } from '../../api/errors.js';
import type { HeldLock } from '../../api/lock.js';
import { quoted } from '../../api/texts.js';
import type { Lease, MarkResult, Markers } from '../../backend/port.js';
import { claimOf } from '../hold.js';
import { AcquireRelease } from '../io/acquire-release.js';
import { request } from '../io/request.js';
import type { LocksRuntime } from '../locks-runtime.js';

/** What is written. */
export interface Marking {
  readonly key: string;
  readonly lease: Lease;
  readonly value: string;
}

/**
 * Completes when it is written. While the server does not answer, it is asked again for one ttl at the most, as long as
 * the lock is held; a refusal (a role, a full disk) is told at once. An attempt whose outcome is unknown is withdrawn in
 * the background, so that no lease of a marker stays without a marker.
 *
 * ```text
 * write       --w|               w: written
 * mark$       ---|
 *
 * write       --?-?--g           ?: no answer   g: our claim is gone, so it is not written and never will be
 * mark$       -------#           the lock is lost
 * lease              x           revoked, in the background
 * ```
 */
export const marked$ = (
  runtime: LocksRuntime,
  markers: Markers,
  held: HeldLock,
  { key, lease, value }: Marking,
): Observable<never> =>
  new Observable((subscriber) => {
    const { backend, time, timing } = runtime;
    const holding = claimOf(runtime, held);
    const queued = holding?.queued;
    if (!holding || !queued || queued.claim.key !== key) {
      const message = `${quoted(key)} is not held by the given lock, so it is not marked as done. Give the held lock that turn$() emitted.`;
      const notOwned$ = throwError(() => new LockNotOwnedError({ key, message }));
      if (held.key !== key || held.isHeld()) return notOwned$.subscribe(subscriber);
      // After the process stood still, its deadline has passed and the timer that tells so is late: the loss is the error.
      const lost$ = held.ended$.pipe(
        ignoreElements(),
        catchError((error: unknown) => (error instanceof LockLostError ? throwError(() => error) : EMPTY)),
      );
      return concat(lost$, notOwned$).subscribe(subscriber);
    }
    const what = `mark "${key}" as done`;
    const marking = { ...queued, lease, value };
    const giveUpAt = time.now() + timing.ttl;
    const bracket = new AcquireRelease<MarkResult>(runtime, {
      what,
      timeout: timing.attempt,
      send: () => markers.write(marking, timing.attempt),
      again: ({ retryable }) => retryable && held.isHeld() && time.now() < giveUpAt,
      use(result) {
        if (result === 'written' || result === 'taken') {
          subscriber.complete();
          return;
        }
        // Its contender is told, and with it whoever waits here.
        if (result === 'lease-gone') holding.session?.gone();
        else holding.isGone();
        subscriber.error(
          new LockNotOwnedError({ key, message: `${quoted(key)} is no longer held, so it is not marked as done.` }),
        );
      },
      failed: (error) => subscriber.error(unmarked(key, error)),
      stop: () => undefined,
      dispose: (result) =>
        result === 'written'
          ? EMPTY
          : request(runtime, {
              what: `take back what was to ${what}`,
              timeout: timing.attempt,
              // Where another marker is, ours cannot arrive late, and the lock stays held.
              send: () =>
                result === 'taken' ? backend.revoke(lease, timing.attempt) : markers.withdraw(marking, timing.attempt),
              again: (error) => !isRefusal(error) && time.now() < giveUpAt + timing.ttl,
            }),
      disposed: () => undefined,
    });
    bracket.begin();
    return () => bracket.release();
  });

function unmarked(key: string, error: unknown): unknown {
  if (!(error instanceof BackendError)) return error;
  const message = `${quoted(key)} was run, and could not be marked as done, so the next process runs it again: ${error.message}`;
  return new BackendError(message, { retryable: error.retryable, outcome: error.outcome, cause: error });
}
