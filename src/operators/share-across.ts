import { Observable, Subscription, defer, filter, ignoreElements, merge, take } from 'rxjs';
import type { MonoTypeOperatorFunction, SchedulerLike, Subscriber } from 'rxjs';
import type { Election, Leader } from '../api/election.js';
import { LockNotOwnedError, RunFailedError, RunResultError } from '../api/errors.js';
import { checkedNames } from '../api/known-options.js';
import type { HeldLock } from '../api/lock.js';
import { checkedElection, checkedSignal, checkedTime } from '../api/shapes.js';
import { isNewer, readEnvelope, sharedJson, writtenEnvelope } from '../api/shared-value.js';
import type { Envelope, Position, SharedEnd } from '../api/shared-value.js';
import { reasonOf } from '../api/texts.js';
import { inSubscriberContext } from '../platform/in-context.js';
import { timeOf } from '../time/clock.js';
import { whileLeader } from './while-leader.js';

/** The options of {@link shareAcross}. */
export interface ShareAcrossOptions {
  /** Aborting it ends this subscriber; the stream errors with the signal's reason, unchanged. */
  readonly signal?: AbortSignal | undefined;
  /**
   * The scheduler of the pauses after a loss; the machine's time by default. In a marble test give the TestScheduler.
   */
  readonly scheduler?: SchedulerLike | undefined;
}

/**
 * One process of the fleet subscribes to the source, and every subscriber of the fleet gets its values. When that
 * process ends, the next one subscribes.
 *
 * ```text
 * a          ^--------------------!      leads: subscribes to its source
 * a, source  --A--B------C--------
 * b            ^-----------------------  gets what a's source emits; leads once a is gone
 * b, source                       -D---
 * a, result  --A--B------C--------
 * b, result    A--B------C---------D---
 * ```
 *
 * - The election carries the latest value only. So a late subscriber gets it at once, and of a burst subscribers may
 *   get only the last value. It is made for current states, such as a configuration, a rate or a position; if every
 *   value counts, use a message queue.
 * - The source completes: all subscribers complete. It errors: the others get a {@link RunFailedError} with its
 *   message. Its process dies or loses its leadership: the next one subscribes, and subscribers see no end.
 * - A subscriber that comes after the end starts the source again.
 * - Every value comes from a leader, and no subscriber gets an older value after a newer one. Values are ordered by
 *   fencing token, then by number.
 * - Values are sent as JSON of at most 60 KiB. A value that is larger, or that JSON would change, counts as an error of
 *   the source: a {@link RunResultError} at the leader.
 *
 * Each subscription is a candidate of its own: inside one process, add `share()`.
 *
 * @param election use one election object for each name and process, and no other candidates with it
 * @throws InvalidOptionError at the call
 * @throws in the stream: {@link RunFailedError}, {@link RunResultError}, {@link LocksClosedError}, {@link BackendError}
 * @example
 * const rates$ = report$.pipe(shareAcross(locks.election('rates')));
 * rates$.subscribe((rates) => console.log(rates));
 */
export function shareAcross<T>(election: Election, options: ShareAcrossOptions = {}): MonoTypeOperatorFunction<T> {
  checkedElection(election);
  checkedNames('shareAcross', options);
  const { signal, scheduler } = options;
  checkedSignal('signal', signal);
  checkedTime({ scheduler });
  const candidate = election.candidate(writtenEnvelope({ number: 0, by: '' }));

  return (source) => {
    const shared$ = new Observable<T>((subscriber) => {
      const hearer = new Hearer<T>(election.name, subscriber);
      subscriber.add(election.leader$.subscribe((leader) => hearer.hear(leader)));
      if (subscriber.closed) return;
      const lead = (held: HeldLock): Observable<never> =>
        new Observable((leading) => {
          hearer.ours = held.fencingToken;
          const lingered$ = merge(
            candidate.ownership$().pipe(filter((now) => now.status === 'held' && now.waiting === 0)),
            // A limit, since a candidate that is cut off would never read the end.
            defer(() => timeOf({ scheduler }).after(held.remaining())),
          ).pipe(take(1), ignoreElements());
          new Proclaimer(election, held, hearer, lingered$, leading).begin(source);
        });
      subscriber.add(whileLeader(candidate, lead, { signal, scheduler }).subscribe(subscriber));
    });
    return shared$.pipe(inSubscriberContext());
  };
}

/** One subscriber, and the position of its latest value. */
class Hearer<T> {
  /**
   * The token under which this subscriber leads, or led last. The end of its own source is delivered by the
   * {@link Proclaimer}.
   */
  ours: bigint | undefined;
  readonly #key: string;
  readonly #subscriber: Subscriber<T>;
  #last: Position = { token: -1n, number: 0 };

  constructor(key: string, subscriber: Subscriber<T>) {
    this.#key = key;
    this.#subscriber = subscriber;
  }

  hear(leader: Leader): void {
    const read = leader.status === 'led' ? readEnvelope(leader.value) : undefined;
    if (leader.status !== 'led' || !read) return;
    const { fencingToken: token } = leader;
    const { number, by, value, end } = read;
    // The leader produced a T, and checked that JSON does not change it.
    this.tell({ token, number }, value as T);
    if (!end || token === this.ours || token < this.#last.token) return;
    if (end.type === 'completed') this.#subscriber.complete();
    else this.#subscriber.error(new RunFailedError({ key: this.#key, by, reason: end.reason }));
  }

  /** Emits the value, unless a newer one was emitted. */
  tell(position: Position, value: T): void {
    if (!isNewer(position, this.#last)) return;
    this.#last = position;
    if (position.number > 0) this.#subscriber.next(value);
  }
}

/**
 * Proclaims the source of the leader: one value after another. Of the values that come during a proclamation, only the
 * latest is proclaimed next.
 */
class Proclaimer<T> {
  readonly #election: Election;
  readonly #held: HeldLock;
  readonly #hearer: Hearer<T>;
  readonly #lingered$: Observable<never>;
  readonly #leading: Subscriber<never>;
  readonly #running = new Subscription();
  #latest: { readonly number: number; readonly json: string; readonly value: T } | undefined;
  #number = 0;
  #end: SharedEnd | undefined;
  /** The error of our own source, unchanged. */
  #error: unknown;
  #isSaying = false;
  #isNews = false;

  constructor(
    election: Election,
    held: HeldLock,
    hearer: Hearer<T>,
    lingered$: Observable<never>,
    leading: Subscriber<never>,
  ) {
    this.#election = election;
    this.#held = held;
    this.#hearer = hearer;
    this.#lingered$ = lingered$;
    this.#leading = leading;
  }

  begin(source: Observable<T>): void {
    this.#leading.add(this.#running);
    this.#running.add(
      source.subscribe({
        next: (value) => this.#next(value),
        error: (error: unknown) => this.#ended({ type: 'failed', reason: reasonOf(error) }, error),
        complete: () => this.#ended({ type: 'completed' }),
      }),
    );
  }

  #next(value: T): void {
    if (this.#end) return;
    const plain = sharedJson(value);
    if ('objection' in plain) {
      const error = new RunResultError({ key: this.#held.key, objection: plain.objection });
      this.#running.unsubscribe();
      return this.#ended({ type: 'failed', reason: reasonOf(error) }, error);
    }
    this.#number += 1;
    this.#latest = { number: this.#number, json: plain.json, value };
    this.#say();
  }

  #ended(end: SharedEnd, error?: unknown): void {
    // A synchronous source may continue after one of its values was refused.
    if (this.#end) return;
    this.#end = end;
    this.#error = error;
    this.#say();
  }

  #say(): void {
    this.#isNews = true;
    if (this.#isSaying) return;
    this.#isSaying = true;
    this.#isNews = false;
    const said = { latest: this.#latest, end: this.#end };
    const envelope: Envelope = {
      number: said.latest?.number ?? 0,
      by: this.#held.owner,
      json: said.latest?.json,
      end: said.end,
    };
    this.#leading.add(
      this.#election.proclaim$(writtenEnvelope(envelope)).subscribe({
        next: () => {
          this.#isSaying = false;
          const { latest, end } = said;
          if (latest) this.#hearer.tell({ token: this.#held.fencingToken, number: latest.number }, latest.value);
          if (end) this.#linger(end);
          else if (this.#isNews) this.#say();
        },
        error: (error: unknown) => {
          // It has lost the lead, and the loss will end this stream.
          if (!(error instanceof LockNotOwnedError)) this.#leading.error(error);
        },
      }),
    );
  }

  /** It keeps the lead until the others have read the end: else the next leader would start the source again. */
  #linger(end: SharedEnd): void {
    this.#leading.add(
      this.#lingered$.subscribe({
        complete: () => {
          if (end.type === 'completed') this.#leading.complete();
          else this.#leading.error(this.#error);
        },
      }),
    );
  }
}
