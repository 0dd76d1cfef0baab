/**
 * All watches on a server, with only a few long polls.
 *
 * A long poll takes a socket of node-etcd's pool, which has 100 for the whole process. When all are taken, no request
 * gets through, not even a renewal. So up to a few keys have a poll each, and more keys share polls of their common
 * folders.
 */
import { EMPTY, Observable, Subject, Subscription, from, mergeMap, takeUntil, tap } from 'rxjs';
import type { Subscriber } from 'rxjs';
import type { Answer } from './calls.js';
import { HISTORY_CLEARED } from './errors.js';
import { concerns, covers, narrowestUnion } from './scopes.js';
import type { Scope } from './scopes.js';

/** The requests that the watches need. */
export interface Questions {
  /** The first event in the scope after the index, however long it takes. */
  poll(scope: Scope, after: bigint): Observable<Answer>;
  /** The key as it is now. */
  read(path: string): Observable<Answer>;
}

export interface Watches {
  /** Emits the events at the path after the index, in order. Old events may be emitted again. */
  follow(path: string, after: bigint): Observable<Answer>;
  /** Any path that is being watched. */
  any(): string | undefined;
  /** The endpoint has changed: all watches end with the cause, so that their users read and watch again. */
  broken(cause: unknown): void;
}

/** With more watches than this, keys share the watch of a folder, and get its other events as well. */
const FEW = 4;

/**
 * The most polls in the process, since the pool belongs to the process. Further keys are not watched; the engine reads
 * them again now and then.
 */
const MOST = 50;

/** The number of polls in the process, shared by all copies of this package (import and require). */
const polls: { now: number } = ((): { now: number } => {
  const name = Symbol.for('rxlock.node-etcd.polls');
  const there: unknown = Reflect.get(globalThis, name);
  if (isCount(there)) return there;
  const made = { now: 0 };
  Reflect.set(globalThis, name, made);
  return made;
})();
function isCount(value: unknown): value is { now: number } {
  return typeof value === 'object' && value !== null && 'now' in value && typeof value.now === 'number';
}

const READS_AT_ONCE = 8;

interface Follower {
  readonly path: string;
  readonly subscriber: Subscriber<Answer>;
  readonly gone: Subject<void>;
}

interface Watch extends Scope {
  readonly followers: Set<Follower>;
  /** The next poll asks for events after this index, so that none is missed between two polls. */
  position: bigint;
  poll: Subscription;
}

export function createWatches({ poll, read }: Questions): Watches {
  const watches = new Set<Watch>();

  const open = (scope: Scope, position: bigint): Watch => {
    const watch = { ...scope, followers: new Set<Follower>(), position, poll: Subscription.EMPTY };
    watches.add(watch);
    polls.now += 1;
    return watch;
  };
  const close = (watch: Watch): void => {
    if (!watches.delete(watch)) return;
    polls.now -= 1;
    watch.poll.unsubscribe();
  };

  /** Followers get the error at once, and decide themselves when to watch again: a poll is not repeated here. */
  const fail = (watch: Watch, error: unknown): void => {
    close(watch);
    for (const { subscriber } of [...watch.followers]) subscriber.error(error);
  };

  const ask = (watch: Watch): void => {
    watch.poll.unsubscribe();
    watch.poll = poll(watch, watch.position).subscribe({
      next: (answer) => told(watch, answer),
      error: (error: unknown) => fail(watch, error),
    });
  };

  const told = (watch: Watch, answer: Answer): void => {
    watch.position = answer.index;
    if (answer.refusal?.code === HISTORY_CLEARED) {
      // The events in between are lost: read the keys, and continue from the index of this answer.
      readAgain([...watch.followers]);
    } else {
      const followers = [...watch.followers].filter(({ path }) => concerns(answer.path, path));
      for (const { subscriber } of followers.filter(({ path }) => path === answer.path)) subscriber.next(answer);
      readAgain(followers.filter(({ path }) => path !== answer.path));
    }
    if (watches.has(watch)) ask(watch);
  };

  const readAgain = (followers: readonly Follower[]): void => {
    const reads$ = from(followers).pipe(
      mergeMap(({ path, subscriber, gone }) => {
        if (subscriber.closed) return EMPTY;
        const told$ = read(path).pipe(tap((answer) => subscriber.next(answer)));
        return told$.pipe(takeUntil(gone));
      }, READS_AT_ONCE),
    );
    reads$.subscribe({
      error: (error: unknown) => {
        for (const { subscriber } of followers) subscriber.error(error);
      },
    });
  };

  /** The watch that covers the path; made or widened if needed. `undefined` if there are too many polls. */
  const watchOn = (path: string, after: bigint): Watch | undefined => {
    const there = [...watches].find((watch) => covers(watch, path));
    if (there) return there;
    const own = { path, isFolder: false };
    const union = watches.size < FEW ? undefined : narrowestUnion([...watches, own]);
    if (union) {
      const parts = [...watches].filter((watch) => covers(union, watch.path));
      const wider = open(
        union,
        parts.reduce((first, { position }) => (position < first ? position : first), after),
      );
      for (const part of parts) {
        close(part);
        for (const follower of part.followers) wider.followers.add(follower);
      }
      ask(wider);
      if (covers(union, path)) return wider;
    }
    return polls.now < MOST ? open(own, after) : undefined;
  };

  return {
    follow: (path, after) =>
      new Observable((subscriber) => {
        const watch = watchOn(path, after);
        if (!watch) return undefined;
        const follower = { path, subscriber, gone: new Subject<void>() };
        watch.followers.add(follower);
        if (watch.poll.closed || after < watch.position) {
          if (after < watch.position) watch.position = after;
          ask(watch);
        }
        return () => {
          follower.gone.next();
          for (const each of watches) {
            if (each.followers.delete(follower) && each.followers.size === 0) close(each);
          }
        };
      }),
    any: () => {
      for (const { followers } of watches) for (const { path } of followers) return path;
      return undefined;
    },
    broken: (cause) => {
      for (const watch of [...watches]) fail(watch, cause);
    },
  };
}
