/**
 * `locks.watchAll$`: all keys that begin with a prefix.
 */
import { Observable, ReplaySubject, map, share } from 'rxjs';
import type { Subscriber } from 'rxjs';
import type { Ownership, Ownerships } from '../../api/ownership.js';
import type { Queue, QueueBackend } from '../../backend/port.js';
import type { Time } from '../../time/clock.js';
import type { Runtime } from '../runtime.js';
import { ListWatch } from '../queue/list-watch.js';
import type { WatchHandler } from '../queue/list-watch.js';
import type { Resync, Resyncable } from '../queue/resync.js';
import { isSameOwnership, ownershipOf } from '../../rules/ownership.js';

export interface PrefixWatches {
  /** Cold; all subscribers of the returned stream share one watch. */
  watchAll$(queues: Queues, prefix: string): Observable<Ownerships>;
  /** Ends all watches; their streams complete. */
  stop(): void;
}

type Queues = NonNullable<QueueBackend['queues']>;

export function createPrefixWatches(runtime: Runtime, resync: Resync): PrefixWatches {
  const watches = new Set<PrefixWatch>();
  let isStopped = false;

  return {
    watchAll$: (queues, prefix) =>
      new Observable<Ownerships>((subscriber) => {
        if (isStopped) return subscriber.complete();
        const watch = new PrefixWatch(runtime, queues, prefix, subscriber);
        watches.add(watch);
        resync.add(watch);
        watch.begin();
        const awake = runtime.time.awake();
        return () => {
          awake.unsubscribe();
          watches.delete(watch);
          watch.stop();
        };
      }).pipe(
        share({ connector: () => new ReplaySubject(1) }),
        // To a later subscriber everything is new.
        map((state, i) => (i === 0 ? { ...state, changed: [...state.all.values()] } : state)),
      ),
    stop() {
      isStopped = true;
      for (const watch of [...watches]) watch.complete();
    },
  };
}

class PrefixWatch implements WatchHandler<readonly Queue[]>, Resyncable {
  readonly key: string;
  readonly #prefix: string;
  readonly #queues: Queues;
  readonly #subscriber: Subscriber<Ownerships>;
  readonly #listWatch: ListWatch<readonly Queue[]>;
  readonly #time: Time;
  readonly #all = new Map<string, Ownership>();
  /** Why nothing is known at the moment; `undefined` while the state is known. */
  #cause: Error | undefined;
  #isKnown = false;
  /** Whether the next view is complete: the first one after each read. */
  #isWhole = true;

  constructor(runtime: Runtime, queues: Queues, prefix: string, subscriber: Subscriber<Ownerships>) {
    this.key = `${prefix}*`;
    this.#prefix = prefix;
    this.#queues = queues;
    this.#subscriber = subscriber;
    this.#listWatch = new ListWatch(runtime, this);
    this.#time = runtime.time;
  }

  begin(): void {
    this.#listWatch.start();
  }

  stop(): void {
    this.#listWatch.stop();
  }

  complete(): void {
    this.#subscriber.complete();
  }

  watch(within: number): Observable<readonly Queue[]> {
    this.#isWhole = true;
    return this.#queues(this.#prefix, within);
  }

  seen(queues: readonly Queue[]): void {
    const isNews = !this.#isKnown || this.#cause !== undefined;
    const now = this.#time.date();
    const changed = [...(this.#isWhole ? this.#missingIn(queues) : []), ...queues]
      .map((queue) => ownershipOf(queue, true, { before: isNews ? undefined : this.#before(queue), now }))
      .filter((ownership) => this.#isChange(ownership));
    this.#isWhole = false;
    this.#isKnown = true;
    this.#cause = undefined;
    for (const ownership of changed) {
      if (ownership.status === 'free') this.#all.delete(ownership.key);
      else this.#all.set(ownership.key, ownership);
    }
    if (isNews || changed.length > 0) this.#subscriber.next({ all: this.#all, changed });
  }

  unknown(cause: Error): void {
    const isNews = this.#cause === undefined;
    this.#cause = cause;
    if (!isNews) return;
    const changed = [...this.#all.keys()].map((key): Ownership => ({ status: 'unknown', key, cause }));
    for (const ownership of changed) this.#all.set(ownership.key, ownership);
    this.#subscriber.next({ all: this.#all, changed, cause });
  }

  resync(): boolean {
    if (this.#subscriber.closed) return false;
    this.#listWatch.readAgainIfDue();
    return true;
  }

  /** It has no claims of its own. */
  holders(): readonly [] {
    return [];
  }

  markStale(cause: unknown): void {
    this.#listWatch.broken(cause);
  }

  /** The known keys that are no longer there, as empty queues. */
  #missingIn(queues: readonly Queue[]): readonly Queue[] {
    const there = new Set(queues.map(({ key }) => key));
    return [...this.#all.keys()].filter((key) => !there.has(key)).map((key) => ({ key, revision: 0n, claims: [] }));
  }

  /** A key that is not among the known ones was free. */
  #before({ key }: Queue): Ownership {
    return this.#all.get(key) ?? { status: 'free', key };
  }

  #isChange(ownership: Ownership): boolean {
    const before = this.#all.get(ownership.key);
    return before ? !isSameOwnership(before, ownership) : ownership.status !== 'free';
  }
}
