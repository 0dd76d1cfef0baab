/**
 * `lock.revoke()`: asks the holders to release, and takes the lock from them.
 */
import type { Observable } from 'rxjs';
import {
  EMPTY,
  catchError,
  combineLatest,
  concat,
  concatMap,
  defer,
  defaultIfEmpty,
  filter,
  ignoreElements,
  map,
  of,
  switchMap,
  take,
  takeUntil,
  throwIfEmpty,
} from 'rxjs';
import { holding } from '../../rules/blockers.js';
import { at } from '../../time/clock.js';
import { LocksClosedError } from '../../api/errors.js';
import type { RevokeRequest } from '../../api/options.js';
import type { Holder } from '../../api/ownership.js';
import { holderOf } from '../../rules/ownership.js';
import type { ForeignClaims, Queue, QueuedClaim } from '../../backend/port.js';
import { isSameRevocation } from '../../api/revocation.js';
import type { Revocation } from '../../api/revocation.js';
import { closed$ } from '../contenders.js';
import { ATTEMPTS, retryFewTimes, request } from '../io/request.js';
import type { LocksRuntime } from '../locks-runtime.js';

/** After a loser was told, its claim stays for a ttl divided by this number, then it is deleted. */
const GRACES_PER_TTL = 10;

/**
 * Asks each holder of the key, or only the one with the token; takes the lock from it after `within`. Emits the holders
 * that were asked.
 */
export const revoked$ = (
  runtime: LocksRuntime,
  key: string,
  others: ForeignClaims,
  demand: RevokeRequest,
): Observable<readonly Holder[]> =>
  known$(runtime, key).pipe(
    switchMap((queue) => {
      const { fencingToken } = demand;
      const holders = holding(queue.claims).filter(({ token }) => token === (fencingToken ?? token));
      return combineLatest(holders.map((claim) => new Requested(runtime, key, others, claim, demand).settled$()));
    }),
    map((holders) => holders.flatMap((holder) => holder ?? [])),
    defaultIfEmpty([]),
    takeUntil(closed$(runtime.contenders, key)),
  );

/** The current queue. Errors if it cannot be found out. */
const known$ = ({ queues }: LocksRuntime, key: string): Observable<Queue> =>
  queues.view$(key, true).pipe(
    concatMap((view, i) => {
      if (view.status === 'known') return of(view.queue);
      if (i + 1 < ATTEMPTS) return EMPTY;
      throw view.cause;
    }),
    take(1),
    throwIfEmpty(() => new LocksClosedError({ key })),
  );

/** One holder that is asked. */
class Requested {
  readonly #runtime: LocksRuntime;
  readonly #key: string;
  readonly #others: ForeignClaims;
  /** The claim as it was seen last. */
  #claim: QueuedClaim;
  readonly #revocation: Revocation;
  /** How long an attempt may take, milliseconds. */
  readonly #attempt: number;

  constructor(
    runtime: LocksRuntime,
    key: string,
    others: ForeignClaims,
    claim: QueuedClaim,
    { reason, within }: RevokeRequest,
  ) {
    const { settings, time, timing } = runtime;
    this.#runtime = runtime;
    this.#key = key;
    this.#others = others;
    this.#claim = claim;
    this.#attempt = timing.attempt;
    this.#revocation = { reason, within, by: settings.owner, at: time.date() };
  }

  /** Emits the holder, if it was asked or has lost the lock. */
  settled$(): Observable<Holder | undefined> {
    const { within } = this.#revocation;
    // Claims of other programs and of candidates have a value of their own, and nobody would read a request there.
    const isAsked = this.#claim.value === undefined && within > 0;
    const asked$ = isAsked ? this.#written$(this.#revocation) : EMPTY;
    const holder = within < Infinity || isAsked ? holderOf(this.#claim) : undefined;
    const given$ = within < Infinity ? concat(asked$, this.#pause$(within), this.#taken$()) : asked$;
    return concat(given$.pipe(takeUntil(this.#gone$())), of(holder));
  }

  #taken$(): Observable<never> {
    const runtime = this.#runtime;
    return concat(
      // If the message cannot be written (no space), the lock is taken nevertheless: the deletion tells the loser.
      this.#written$({ ...this.#revocation, within: 0 }).pipe(catchError(() => EMPTY)),
      this.#pause$(runtime.settings.ttl / GRACES_PER_TTL),
      request(runtime, {
        what: `take "${this.#key}"`,
        timeout: this.#attempt,
        send: () => this.#others.remove(this.#key, this.#claim, this.#attempt),
        again: retryFewTimes,
      }).pipe(ignoreElements()),
    );
  }

  /**
   * Writes the request over the claim. If the claim has changed meanwhile (another request, a proclamation), writes
   * again over the new one.
   */
  #written$(revocation: Revocation): Observable<never> {
    const runtime = this.#runtime;
    return request(runtime, {
      what: `ask for "${this.#key}"`,
      timeout: this.#attempt,
      send: () => this.#others.ask(this.#key, this.#claim, revocation, this.#attempt),
      again: retryFewTimes,
    }).pipe(
      switchMap(({ claim: there }) => {
        this.#claim = there ?? this.#claim;
        return !there || isSameRevocation(there.revocation, revocation) ? EMPTY : this.#written$(revocation);
      }),
    );
  }

  #pause$(ms: number): Observable<never> {
    const { time } = this.#runtime;
    return defer(() => at(time, time.now() + ms)).pipe(ignoreElements());
  }

  #gone$(): Observable<unknown> {
    const { token } = this.#claim;
    return this.#runtime.queues
      .view$(this.#key)
      .pipe(filter((view) => view.status === 'known' && !view.queue.claims.some((claim) => claim.token === token)));
  }
}
