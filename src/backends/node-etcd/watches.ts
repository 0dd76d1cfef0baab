/**
 * All that is followed on a server, with a few long polls for it.
 *
 * A long poll takes a socket of node-etcd's pool, which has 100 for the whole process: when all are taken nothing gets
 * through any more, renewals included. So one key has one, a few keys have one each, and more share those on their
 * common folders.
 */
import { EMPTY, Observable, Subject, Subscription, from, mergeMap, takeUntil, tap } from 'rxjs';
import type { Subscriber } from 'rxjs';
import type { Answer } from './calls.js';
import { HISTORY_CLEARED } from './errors.js';
import { concerns, covers, narrowestUnion } from './scopes.js';
import type { Scope } from './scopes.js';

/** How the server is asked. */
export interface Questions {
  /** The first event in the scope after the index, however long it takes. */
  poll(scope: Scope, after: bigint): Observable<Answer>;
  /** The key as it is now. */
  read(path: string): Observable<Answer>;
}

export interface Watches {
  /** What happens at the path after the index, in its order; what is old news already may be told again. */
  follow(path: string, after: bigint): Observable<Answer>;
  /** A path that is being followed. */
  any(): string | undefined;
  /** The endpoint was changed: what is followed ends with the cause, to be read and followed anew. */
  broken(cause: unknown): void;
}

/** Beyond these, keys share the watch of a folder, and with it the events of all others in there. */
const FEW = 4;

/** Of the whole process, since the pool is: what is beyond is not watched, and read again by the engine now and then. */
const MOST = 50;

/** How many there are, known to all copies of this package (import and require) in the process. */
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
  /** The next event is asked for from the index after this one on, so that none is missed between two polls. */
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

  /** Followers are told at once and decide themselves when to follow again: a poll is never repeated from here. */
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
      // What has happened meanwhile nobody can tell: read, and go on from the index of this answer.
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

  /** The watch that covers the path, made or widened if need be. */
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
