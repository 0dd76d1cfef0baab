/**
 * The markers of keys: read, and followed by one watch for all who wait in one `Locks`.
 */
import { Observable, ReplaySubject, Subject, Subscription, defer, filter, takeUntil } from 'rxjs';
import type { Subscriber } from 'rxjs';
import type { BackendError } from '../../api/errors.js';
import type { MarkerView, Markers } from '../../backend/port.js';
import { request } from '../io/request.js';
import { ListWatch } from '../queue/list-watch.js';
import type { WatchHandler } from '../queue/list-watch.js';
import type { Resync, Resyncable } from '../queue/resync.js';
import type { Runtime } from '../runtime.js';

/** Whether to ask again after that many failures. */
type Again = (error: BackendError, failures: number) => boolean;

export interface MarkerWatches {
  /** As it is: read after the subscription. Who asks while a read is under way shares the next one with all others. */
  read$(key: string, again: Again): Observable<MarkerView>;
  /** Each change since that view. Never errors. */
  follow$(key: string, since: MarkerView): Observable<MarkerView>;
  /** Completes it when {@link stop} is called, or at once after that. */
  untilStopped<T>(source$: Observable<T>): Observable<T>;
  /** Ends all watches. */
  stop(): void;
}

export function createMarkerWatches(runtime: Runtime, resync: Resync, markers: Markers): MarkerWatches {
  const watches = new Map<string, MarkerWatch>();
  const reads = new Map<string, SharedReads>();
  let isStopped = false;
  const stopped = new ReplaySubject<void>(1);

  const readsOf = (key: string): SharedReads => {
    const there = reads.get(key);
    if (there) return there;
    const read$ = defer(() => markers.read(key, runtime.timing.attempt));
    const made = new SharedReads(read$, () => reads.delete(key));
    reads.set(key, made);
    return made;
  };

  const followed$ = (key: string, from: MarkerView): Observable<MarkerView> =>
    new Observable((subscriber) => {
      if (isStopped) return undefined;
      const watch = watches.get(key) ?? new MarkerWatch(runtime, markers, key);
      watches.set(key, watch);
      const listening = watch.views$.subscribe(subscriber);
      if (watch.latest) subscriber.next(watch.latest);
      watch.follow(resync, from);
      return () => {
        listening.unsubscribe();
        if (watch.unfollow() && watches.get(key) === watch) watches.delete(key);
      };
    });

  return {
    read$: (key, again) =>
      defer(() => {
        const { attempt } = runtime.timing;
        const send = () => readsOf(key).next$;
        return request(runtime, { what: `ask whether "${key}" is done`, timeout: attempt, send, again });
      }),

    follow$: (key, since) => followed$(key, since).pipe(filter(({ revision }) => revision > since.revision)),

    untilStopped: (source$) => source$.pipe(takeUntil(stopped)),

    stop() {
      isStopped = true;
      stopped.next();
      for (const watch of watches.values()) watch.stop();
    },
  };
}

/** One read under way; who asks meanwhile shares the one that follows it: an answer is never older than its question. */
class SharedReads {
  readonly #read$: Observable<MarkerView>;
  readonly #idle: () => void;
  #waiting = new Set<Subscriber<MarkerView>>();
  #reading: { readonly listeners: Set<Subscriber<MarkerView>>; readonly read: Subscription } | undefined;

  constructor(read$: Observable<MarkerView>, idle: () => void) {
    this.#read$ = read$;
    this.#idle = idle;
  }

  readonly next$ = new Observable<MarkerView>((subscriber) => {
    this.#waiting.add(subscriber);
    this.#begin();
    return () => {
      this.#waiting.delete(subscriber);
      const reading = this.#reading;
      if (reading?.listeners.delete(subscriber) && reading.listeners.size === 0) this.#end();
    };
  });

  #begin(): void {
    if (this.#reading) return;
    if (this.#waiting.size === 0) return this.#idle();
    const listeners = this.#waiting;
    this.#waiting = new Set();
    const read = new Subscription();
    this.#reading = { listeners, read };
    read.add(
      this.#read$.subscribe({
        next: (view) =>
          this.#tell(listeners, (one) => {
            one.next(view);
            one.complete();
          }),
        error: (error: unknown) => this.#tell(listeners, (one) => one.error(error)),
      }),
    );
  }

  #tell(listeners: Set<Subscriber<MarkerView>>, tell: (one: Subscriber<MarkerView>) => void): void {
    if (this.#reading?.listeners !== listeners) return;
    const told = [...listeners];
    // Who is told may ask again.
    this.#end();
    for (const one of told) tell(one);
  }

  #end(): void {
    const reading = this.#reading;
    this.#reading = undefined;
    reading?.read.unsubscribe();
    this.#begin();
  }
}

class MarkerWatch implements WatchHandler<MarkerView>, Resyncable {
  readonly key: string;
  readonly views$ = new Subject<MarkerView>();
  latest: MarkerView | undefined;
  readonly #markers: Markers;
  readonly #listWatch: ListWatch<MarkerView>;
  #followers = 0;

  constructor(runtime: Runtime, markers: Markers, key: string) {
    this.key = key;
    this.#markers = markers;
    this.#listWatch = new ListWatch(runtime, this);
  }

  follow(resync: Resync, from: MarkerView): void {
    this.#followers += 1;
    if (this.#followers > 1) return;
    resync.add(this);
    this.#listWatch.start(from);
  }

  /** Says whether nobody needs it any more. */
  unfollow(): boolean {
    this.#followers -= 1;
    if (this.#followers > 0) return false;
    this.stop();
    return true;
  }

  stop(): void {
    this.#listWatch.stop();
  }

  watch(timeout: number, from: MarkerView | undefined): Observable<MarkerView> {
    return this.#markers.follow(this.key, timeout, from);
  }

  seen(view: MarkerView): void {
    this.latest = view;
    this.views$.next(view);
  }

  /** The next view may be older: that of a server restored from a backup. Who waits still gets its turn. */
  unknown(): void {
    this.latest = undefined;
  }

  resync(): boolean {
    if (this.#followers === 0) return false;
    this.#listWatch.readAgainIfDue();
    return true;
  }

  /** It is about no lock of ours. */
  holders(): readonly [] {
    return [];
  }

  markStale(cause: unknown): void {
    this.#listWatch.broken(cause);
  }
}
