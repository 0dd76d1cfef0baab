/**
 * The lines of one `Locks`, by key.
 */
import { EMPTY, defer } from 'rxjs';
import type { Observable, Subscription } from 'rxjs';
import type { Engine } from '../session/engine.js';
import { Line } from './line.js';
import type { Member, Street, View } from './line.js';
import { createPatrol } from './patrol.js';

export interface Lines {
  /** The line at the key, made when needed. */
  at(key: string): Line;
  /** The queue of a key, followed while subscribed. */
  view$(key: string): Observable<View>;
  /** Ends all watches, for good. */
  stop(): void;
}

/** An uncontended lock is mostly given back before a watch on it would pay; a deletion is told within 100 ms. */
const WATCH_AFTER = 50;

export function createLines(engine: Engine): Lines {
  const { time, settings } = engine;
  const watchAfter = Math.min(WATCH_AFTER, settings.renewEvery ?? settings.ttl / 3);
  const patrol = createPatrol(engine);
  const lines = new Map<string, Line>();
  let isStopped = false;

  /** Who holds without a watch, and from when on it is to have one, the earliest first: one timer for all. */
  const unwatched = new Map<Member, number>();
  let waking: Subscription | undefined;
  const wake = (): void => {
    const [first] = unwatched.values();
    // A timer even if it is due: who holds in the same turn shares it.
    waking = first === undefined ? undefined : time.after(first - time.now()).subscribe(watchWhoIsDue);
  };
  const watchWhoIsDue = (): void => {
    const now = time.now();
    for (const [member, due] of unwatched) {
      if (due > now) break;
      unwatched.delete(member);
      member.line.follow(member);
    }
    wake();
  };

  const street: Street = {
    holds(member) {
      unwatched.set(member, time.now() + watchAfter);
      if (!waking) wake();
    },
    parted: (member) => unwatched.delete(member),
    followed: (line) => patrol.add(line),
    empty: (line) => lines.delete(line.key),
  };

  const lineAt = (key: string): Line => {
    const there = lines.get(key);
    if (there) return there;
    const line = new Line(engine, key, street);
    lines.set(key, line);
    return line;
  };

  return {
    at: lineAt,
    view$: (key) => defer(() => (isStopped ? EMPTY : lineAt(key).view$())),
    stop() {
      isStopped = true;
      for (const line of [...lines.values()]) line.stop();
      patrol.stop();
      waking?.unsubscribe();
    },
  };
}
