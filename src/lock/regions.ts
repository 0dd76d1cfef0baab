/**
 * All keys that begin with a prefix, seen from outside.
 */
import { Observable, ReplaySubject, share } from 'rxjs';
import type { Subscriber } from 'rxjs';
import { isSameOwnership, ownershipOf } from '../core/ownership.js';
import type { Ownership, Ownerships } from '../core/ownership.js';
import type { LockBackend, Queue } from '../core/port.js';
import type { Engine } from '../session/engine.js';
import { Follower } from './follower.js';
import type { Ear } from './follower.js';
import type { Patrol, Patrolled } from './patrol.js';

export interface Regions {
  /** Cold, one watch for all who subscribe. */
  ownerships$(queues: Queues, prefix: string): Observable<Ownerships>;
  /** Ends all watches; who looks is told the end. */
  stop(): void;
}

type Queues = NonNullable<LockBackend['queues']>;

export function createRegions(engine: Engine, patrol: Patrol): Regions {
  const regions = new Set<Region>();
  let isStopped = false;

  return {
    ownerships$: (queues, prefix) =>
      new Observable<Ownerships>((subscriber) => {
        if (isStopped) return subscriber.complete();
        const region = new Region(engine, queues, prefix, subscriber);
        regions.add(region);
        patrol.add(region);
        region.begin();
        return () => {
          regions.delete(region);
          region.stop();
        };
      }).pipe(share({ connector: () => new ReplaySubject(1) })),
    stop() {
      isStopped = true;
      for (const region of [...regions]) region.complete();
    },
  };
}

class Region implements Ear<readonly Queue[]>, Patrolled {
  readonly key: string;
  readonly #prefix: string;
  readonly #queues: Queues;
  readonly #waitersQueue: boolean;
  readonly #subscriber: Subscriber<Ownerships>;
  readonly #follower: Follower<readonly Queue[]>;
  readonly #all = new Map<string, Ownership>();
  /** Why nothing is known at the moment, if it is so. */
  #cause: Error | undefined;
  #isKnown = false;
  /** Whether the next thing seen is all there is. */
  #isWhole = true;

  constructor(engine: Engine, queues: Queues, prefix: string, subscriber: Subscriber<Ownerships>) {
    this.key = `${prefix}*`;
    this.#prefix = prefix;
    this.#queues = queues;
    this.#waitersQueue = engine.backend.leasePer === 'session';
    this.#subscriber = subscriber;
    this.#follower = new Follower(engine, this);
  }

  begin(): void {
    this.#follower.start();
  }

  stop(): void {
    this.#follower.stop();
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
    const changed = [...(this.#isWhole ? this.#missingIn(queues) : []), ...queues]
      .map((queue) => ownershipOf(queue, this.#waitersQueue))
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

  patrol(): boolean {
    if (this.#subscriber.closed) return false;
    this.#follower.readAgainIfDue();
    return true;
  }

  /** It is about others' locks. */
  holders(): readonly [] {
    return [];
  }

  doubt(cause: unknown): void {
    this.#follower.broken(cause);
  }

  /** Of those known, the ones that are not there any more, as empty queues. */
  #missingIn(queues: readonly Queue[]): readonly Queue[] {
    const there = new Set(queues.map(({ key }) => key));
    return [...this.#all.keys()].filter((key) => !there.has(key)).map((key) => ({ key, revision: 0n, claims: [] }));
  }

  #isChange(ownership: Ownership): boolean {
    const before = this.#all.get(ownership.key);
    return before ? !isSameOwnership(before, ownership) : ownership.status !== 'free';
  }
}
