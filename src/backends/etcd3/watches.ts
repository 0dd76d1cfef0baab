/**
 * All watches of a backend, on one stream of etcd. The watcher of npm etcd3 is not used: it resumes from the revision
 * of the header, and loses events if it is cut off while it catches up (measured: 4000 of 6000).
 */
import {
  EMPTY,
  Observable,
  Subscription,
  concat,
  defaultIfEmpty,
  defer,
  forkJoin,
  map,
  of,
  skip,
  switchMap,
} from 'rxjs';
import type { Subscriber } from 'rxjs';
import { sleepProofClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import type { BackendError } from '../../api/errors.js';
import { Connection } from './connection.js';
import type { StreamSource, Watch } from './connection.js';
import type { Change, KeyRange } from './keys.js';

export interface Watches {
  /** Watches from a view on: emits that view once the watch has begun, then the view after each change. */
  follow<View>(following: Following<View>, view: View): Observable<View>;
  /**
   * Watches from now on, and reads meanwhile: emits what is read, then the view after each change. With a view that is
   * known, it is read only if the server has changed since.
   *
   * etcd tells a new watch of the past only every 100 ms, and of nothing else before that (`syncWatchersLoop` in
   * mvcc/watchable_store.go). A watch from now on has no past, so it is told at once.
   *
   * @param key what to watch, as an empty view of it
   */
  followFromNow<View>(following: Following<View>, key: View, read$: Observable<View>, known?: View): Observable<View>;
  /**
   * Completes when any message arrives; at once if there is no stream. If it is unsubscribed after the timeout, the
   * stream is closed.
   */
  probe(timeout: number): Observable<void>;
  /** Ends all watches with this error: their views cannot be continued. */
  broken(cause: BackendError): void;
}

/** How to watch a kind of view. */
export interface Following<View> {
  /** With another `turn`, another range with the same keys of ours. */
  range(view: View, turn: number): KeyRange;
  revision(view: View): bigint;
  applied(view: View, changes: readonly Change[]): View;
}

/** Behind a proxy, so many ranges for the same keys are used in turn. A prime: several keys are read again in turn, too. */
const RANGES = 7;

/** @param isDirect whether the next stream is one of etcd itself, not of a proxy in front of it */
export function createWatches(
  source: () => StreamSource,
  isDirect: () => boolean,
  clock: Clock = sleepProofClock(),
): Watches {
  /** One stream that takes new watches, and older ones that only continue theirs. */
  let open: readonly Connection[] = [];
  const stillOpen = (): readonly Connection[] => (open = open.filter(({ isOver }) => !isOver));

  const connection = (): Connection => {
    const current = stillOpen().find(({ takesMore }) => takesMore) ?? new Connection(source(), clock);
    if (!open.includes(current)) open = [...open, current];
    return current;
  };

  let begun = -1;
  /**
   * `etcd grpc-proxy` merges watches of the same range, new ones included. Where it has lost the watch under them, it
   * tells none of them anything more, nor that there is nothing more to come. So whoever reads again watches another
   * range.
   */
  const turn = (): number => (isDirect() ? 0 : (begun += 1) % RANGES);

  const follow = <View>(following: Following<View>, view: View): Observable<View> =>
    new Observable((subscriber) => connection().watch(new ViewWatch(following, view, turn(), subscriber)));

  const followFromNow = <View>(
    following: Following<View>,
    key: View,
    read$: Observable<View>,
    known?: View,
  ): Observable<View> =>
    new Observable((subscriber) => {
      const readFirst = (): Observable<View> =>
        read$.pipe(switchMap((view) => concat(of(view), follow(following, view).pipe(skip(1)))));
      // A proxy does not tell from which revision on it watches. And who opens a stream only for this may be content
      // with one answer.
      const isFresh = isDirect() && (known !== undefined || stillOpen().length > 0);
      if (!isFresh) return (known === undefined ? readFirst() : follow(following, known)).subscribe(subscriber);
      const watch = new FreshWatch({ following, key, read$, known, readFirst }, subscriber);
      watch.begin(connection());
      return watch;
    });

  return {
    follow,

    followFromNow,

    probe: (timeout) =>
      defer(() => {
        const probes = stillOpen().map((one) => new Observable<void>((subscriber) => one.probe(subscriber, timeout)));
        return forkJoin(probes).pipe(
          map(() => undefined),
          defaultIfEmpty(undefined),
        );
      }),

    broken: (cause) => {
      for (const one of stillOpen()) one.broken(cause);
    },
  };
}

class ViewWatch<View> implements Watch {
  readonly range: KeyRange;
  readonly revision: bigint;
  readonly #following: Following<View>;
  readonly #subscriber: Subscriber<View>;
  #view: View;

  constructor(following: Following<View>, view: View, turn: number, subscriber: Subscriber<View>) {
    this.range = following.range(view, turn);
    this.revision = following.revision(view);
    this.#following = following;
    this.#subscriber = subscriber;
    this.#view = view;
  }

  created(): void {
    this.#subscriber.next(this.#view);
  }

  changed(changes: readonly Change[]): void {
    this.#view = this.#following.applied(this.#view, changes);
    this.#subscriber.next(this.#view);
  }

  failed(error: BackendError): void {
    this.#subscriber.error(error);
  }
}

const NO_CHANGES: readonly Change[] = [];

interface Fresh<View> {
  readonly following: Following<View>;
  readonly key: View;
  readonly read$: Observable<View>;
  readonly known: View | undefined;
  /** What to do where it cannot be watched from now on: reads first, and watches from there. */
  readFirst(): Observable<View>;
}

/**
 * What is read may be older than the beginning of the watch, then it is read again; or newer, then the changes that it
 * has are left out. A read that is sent after the watch has begun is not older: it goes through the leader.
 */
class FreshWatch<View> implements Watch {
  readonly range: KeyRange;
  readonly revision = undefined;
  readonly #following: Following<View>;
  readonly #subscriber: Subscriber<View>;
  /** Until what is read is known to be current. */
  #fresh: Fresh<View> | undefined;
  /** The revision after which changes are told. */
  #begunAt: bigint | undefined;
  #view: View | undefined;
  #isTold = false;
  /** Changes that were told before what is read was known to be current. */
  #early: readonly Change[] = NO_CHANGES;
  #reading = Subscription.EMPTY;
  #isReadAgain = false;
  #unwatch: (() => void) | undefined;

  constructor(fresh: Fresh<View>, subscriber: Subscriber<View>) {
    this.range = fresh.following.range(fresh.key, 0);
    this.#following = fresh.following;
    this.#subscriber = subscriber;
    this.#fresh = fresh;
    this.#view = fresh.known;
  }

  begin(on: Connection): void {
    this.#unwatch = on.watch(this);
    if (this.#view === undefined) this.#read();
  }

  unsubscribe(): void {
    this.#unwatch?.();
    this.#reading.unsubscribe();
  }

  created(revision: bigint): void {
    // No revision of etcd: whoever answers does not tell.
    if (revision === 0n) return this.#readFirst();
    this.#begunAt = revision;
    if (this.#view !== undefined) this.#joined(this.#view, revision);
  }

  changed(changes: readonly Change[]): void {
    if (this.#view === undefined || this.#fresh) this.#early = [...this.#early, ...changes];
    else this.#apply(this.#view, changes);
  }

  failed(error: BackendError): void {
    if (this.#fresh) this.#readFirst();
    else this.#subscriber.error(error);
  }

  #read(): void {
    this.#reading.unsubscribe();
    const read$ = this.#fresh?.read$ ?? EMPTY;
    this.#reading = read$.subscribe({
      next: (view) => this.#seen(view),
      error: (error: unknown) => this.#subscriber.error(error),
    });
  }

  /** Once is enough: a reading cannot be older than an answer that came before it was sent. */
  #readAgain(): void {
    if (this.#isReadAgain) return this.#readFirst();
    this.#isReadAgain = true;
    this.#read();
  }

  /** Also where the token of the stream has expired: whoever reads gets another one, for the next stream. */
  #readFirst(): void {
    const view$ = this.#fresh?.readFirst() ?? EMPTY;
    this.#fresh = undefined;
    this.unsubscribe();
    view$.subscribe(this.#subscriber);
  }

  #seen(view: View): void {
    this.#view = view;
    this.#isTold = this.#begunAt === undefined;
    if (this.#begunAt === undefined) this.#subscriber.next(view);
    else this.#joined(view, this.#begunAt);
  }

  #joined(view: View, begunAt: bigint): void {
    if (this.#following.revision(view) < begunAt) return this.#readAgain();
    this.#fresh = undefined;
    if (!this.#isTold) this.#subscriber.next(view);
    const early = this.#early;
    this.#early = NO_CHANGES;
    this.#apply(this.#view ?? view, early);
  }

  #apply(view: View, changes: readonly Change[]): void {
    const known = this.#following.revision(view);
    const fresh = changes.filter(({ kv }) => BigInt(kv.mod_revision) > known);
    if (fresh.length === 0) return;
    this.#view = this.#following.applied(view, fresh);
    this.#subscriber.next(this.#view);
  }
}
