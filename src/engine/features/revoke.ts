/**
 * Asking for a lock that others hold, and taking it.
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

/** From the last word to a loser until its claim is deleted without it: so many in a ttl. */
const GRACES_PER_TTL = 10;

/** Asks each holder of the key, or the one with the token; takes it after `within`. Emits those who were asked. */
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

/** The queue as it is, or why nobody knows. */
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
  /** As it was seen last. */
  #claim: QueuedClaim;
  readonly #revocation: Revocation;
  /** How long an attempt may take. */
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

  /** The holder, if it can be asked or has lost it. */
  settled$(): Observable<Holder | undefined> {
    const { within } = this.#revocation;
    // What peers and candidates write is theirs, and nobody there would read it.
    const isAsked = this.#claim.value === undefined && within > 0;
    const asked$ = isAsked ? this.#written$(this.#revocation) : EMPTY;
    const holder = within < Infinity || isAsked ? holderOf(this.#claim) : undefined;
    const given$ = within < Infinity ? concat(asked$, this.#pause$(within), this.#taken$()) : asked$;
    return concat(given$.pipe(takeUntil(this.#gone$())), of(holder));
  }

  #taken$(): Observable<never> {
    const runtime = this.#runtime;
    return concat(
      // Where it cannot be written (no space), it is taken all the same: then the deletion tells the loser.
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

  /** Over the claim as it is by then: it may have been asked by others, or have proclaimed something. */
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
