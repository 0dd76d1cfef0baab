import { Observable, Subscription, defer, filter, ignoreElements, merge, take } from 'rxjs';
import type { MonoTypeOperatorFunction, SchedulerLike, Subscriber } from 'rxjs';
import type { Election, Leader } from '../api/election.js';
import { LockNotOwnedError, RunFailedError, RunResultError } from '../api/errors.js';
import { checkedNames } from '../api/known-options.js';
import type { HeldLock } from '../api/lock.js';
import { checkedElection, checkedSignal } from '../api/shapes.js';
import { isNewer, readEnvelope, sharedJson, writtenEnvelope } from '../api/shared-value.js';
import type { Envelope, Position, SharedEnd } from '../api/shared-value.js';
import { reasonOf } from '../api/texts.js';
import { inSubscriberContext } from '../platform/in-context.js';
import { timeOf } from '../time/clock.js';
import { whileLeader } from './while-leader.js';

/** The options of {@link shareAcross}. */
export interface ShareAcrossOptions {
  /** Aborting it ends this subscriber; the stream errors with the signal's reason, as it was given. */
  readonly signal?: AbortSignal | undefined;
  /** Where the pauses after a loss run; the machine's time by default. In a marble test the TestScheduler. */
  readonly scheduler?: SchedulerLike | undefined;
}

/**
 * One process of the fleet subscribes to the source, and every subscriber of the fleet gets its values. It goes away,
 * and the next one subscribes.
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
 * - The value of the election carries the latest value, so who comes late gets that at once, and of a burst each gets
 *   the last one. For all of a log use a queue; this is for what is true now: a configuration, a rate, a position.
 * - The source completes: all complete. It errors: the others get a {@link RunFailedError} with its message. Its process
 *   dies, or loses its leadership: the next one subscribes, and nobody sees an end.
 * - Who subscribes after the end begins anew.
 * - Nobody gets a value that no leader produced, or an older one after a newer one: by fencing token, then by number.
 * - The values travel as JSON of at most 64 KB, less what a few words around them take. What is larger, or would come
 *   back as something else, is an error of the source: a {@link RunResultError} at the leader.
 *
 * Each subscription is a candidate: in one process, `share()` what this returns.
 *
 * @param election one object for each name and process, with no other candidates
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
            election.leader$.pipe(filter((leader) => leader.status === 'led' && leader.waiting === 0)),
            // Who cannot hear of the end is not waited for.
            defer(() => timeOf({ scheduler }).after(held.remaining())),
          ).pipe(take(1), ignoreElements());
          new Proclaimer(election, held, hearer, lingered$, leading).begin(source);
        });
      subscriber.add(whileLeader(candidate, lead, { signal, scheduler }).subscribe(subscriber));
    });
    return shared$.pipe(inSubscriberContext());
  };
}

/** One subscriber, and what it has seen. */
class Hearer<T> {
  /** The token under which this subscriber leads, or led last: it hears of its own end by itself. */
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
    // What its leader has produced was a T, and has come by way of JSON.
    this.tell({ token, number }, value as T);
    if (!end || token === this.ours || token < this.#last.token) return;
    if (end.type === 'completed') this.#subscriber.complete();
    else this.#subscriber.error(new RunFailedError({ key: this.#key, by, reason: end.reason }));
  }

  /** Only if nothing newer was told. */
  tell(position: Position, value: T): void {
    if (!isNewer(position, this.#last)) return;
    this.#last = position;
    if (position.number > 0) this.#subscriber.next(value);
  }
}

/** The source of the one who leads, said to all: one value after another, of those that come meanwhile the latest. */
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
  /** Of our own source, as it is. */
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
    if (this.#end) this.#running.unsubscribe();
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
    // A source that emits at once goes on until it has returned, whatever became of its values.
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
          // It leads no more, and is about to hear of it.
          if (!(error instanceof LockNotOwnedError)) this.#leading.error(error);
        },
      }),
    );
  }

  /** It leads on until the others have heard of the end: else the next one would begin anew. */
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
