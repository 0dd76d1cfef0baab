/**
 * The lines of one `Locks`, and the patrol that looks after their watches.
 */
import { EMPTY, catchError, concat, concatMap, defer, merge, repeat, tap } from 'rxjs';
import type { Observable, Subscription } from 'rxjs';
import { attempt } from '../session/attempts.js';
import type { Engine } from '../session/engine.js';
import { Line } from './line.js';
import type { Member, Street, View } from './line.js';

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
  const { backend, time, settings } = engine;
  const renewEvery = settings.renewEvery ?? settings.ttl / 3;
  const answerTime = settings.ttl / 6;
  const watchAfter = Math.min(WATCH_AFTER, renewEvery);

  const lines = new Map<string, Line>();
  const followed = new Set<Line>();
  let patrolling: Subscription | undefined;
  let isStopped = false;

  /** One question for all watches: a server that has gone silent is found out. */
  const probe$ = defer(() => attempt(engine, 'are you there', answerTime, backend.probe(answerTime))).pipe(
    catchError((cause: Error) => {
      for (const line of [...followed]) line.doubt(cause);
      return EMPTY;
    }),
  );
  /** Against an event that got lost, for those who hold: one question a lease, whatever the number of locks. */
  let auditAt = 0;
  const isAuditDue = (): boolean => {
    const now = time.now();
    if (now < auditAt) return false;
    auditAt = now + settings.ttl * (1 + settings.random());
    return true;
  };
  const audit$ = defer(() => {
    const holders = [...followed].flatMap((line) => line.holders());
    const leases = [...new Set(holders.map(({ lease }) => lease))];
    return merge(
      ...leases.map((lease) =>
        attempt(engine, 'audit', answerTime, backend.audit(lease, answerTime)).pipe(
          tap((isThere) => {
            for (const { line, mine, status } of holders.filter((holder) => holder.lease === lease)) {
              if (status === 'first' && !isThere(line.key, mine)) line.readAgain();
            }
          }),
        ),
      ),
    );
  });
  const patrol$ = defer(() => time.after(renewEvery)).pipe(
    concatMap(() => {
      for (const line of [...followed]) if (!line.patrol(renewEvery)) followed.delete(line);
      if (followed.size > 0)
        return backend.leasePer === 'session' && isAuditDue()
          ? concat(probe$, audit$.pipe(catchError(() => EMPTY)))
          : probe$;
      patrolling?.unsubscribe();
      return EMPTY;
    }),
    repeat(),
  );

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
    followed(line) {
      followed.add(line);
      if (!patrolling || patrolling.closed) patrolling = patrol$.subscribe();
    },
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
      followed.clear();
      patrolling?.unsubscribe();
      waking?.unsubscribe();
    },
  };
}
