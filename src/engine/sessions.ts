/**
 * Gives each claim its session: one session for all claims, or one for each, as the leases of the backend require.
 */
import { platform } from '#platform';
import { Subscription } from 'rxjs';
import type { Runtime } from './runtime.js';
import { session$ } from './session.js';
import type { Session } from './session.js';
import { backoff } from '../time/backoff.js';

export interface SessionUser {
  /** The session is granted. */
  onSession(session: Session): void;
  /** The session has ended, or could not be granted. To go on, join again. */
  onSessionEnd(error: unknown): void;
}

export interface Sessions {
  /** Gives the user a session for a claim on `key`, until the user leaves or the session ends. */
  join(user: SessionUser, key: string | undefined): void;
  leave(user: SessionUser): void;
  /** Ends the session now, or once the last user has left: a user whose claim moves to another lease leaves later. */
  close(): void;
}

/** One session for all claims. Its users are in a set, so that each of ten thousand can leave without a search. */
export class SharedSession implements Sessions {
  readonly #runtime: Runtime;
  readonly #users = new Set<SessionUser>();
  #session: Session | undefined;
  #open: Subscription | undefined;
  #lingering: Subscription | undefined;
  /** The pause between the end of a session and the begin of the next. */
  #pause: Subscription | undefined;
  #isClosing = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  join(user: SessionUser): void {
    this.#lingering?.unsubscribe();
    this.#users.add(user);
    if (this.#session) user.onSession(this.#session);
    else if (!this.#open && !this.#pause) this.#begin();
  }

  leave(user: SessionUser): void {
    if (!this.#users.delete(user) || this.#users.size > 0) return;
    if (this.#isClosing) return this.#end();
    const { time, settings } = this.#runtime;
    // The session stays for a ttl, so that locks acquired one after another need only one grant.
    this.#lingering = time.after(settings.ttl).subscribe(() => this.#end());
  }

  close(): void {
    this.#isClosing = true;
    this.#lingering?.unsubscribe();
    this.#pause?.unsubscribe();
    if (this.#users.size === 0) this.#end();
  }

  #begin(): void {
    const open = new Subscription();
    this.#open = open;
    open.add(
      session$(this.#runtime, newLease(this.#runtime)).subscribe({
        next: (session) => {
          this.#session = session;
          // A user that joins during this loop is told by `join`.
          for (const user of [...this.#users]) if (this.#users.has(user)) user.onSession(session);
        },
        error: (error: unknown) => {
          this.#session = undefined;
          // All users are told before the lease is revoked: they must have stopped their work before anybody else can
          // hold.
          const users = [...this.#users];
          this.#beginAfterPause();
          for (const user of users) if (this.#users.delete(user)) user.onSessionEnd(error);
          this.#end();
        },
      }),
    );
  }

  /** Users that join during the pause get the next session. */
  #beginAfterPause(): void {
    const { time, settings } = this.#runtime;
    this.#pause = time.after(backoff(1, settings.ttl, settings.random)).subscribe(() => {
      this.#pause = undefined;
      if (this.#users.size > 0) this.#begin();
    });
  }

  #end(): void {
    this.#open?.unsubscribe();
    this.#open = undefined;
    this.#session = undefined;
  }
}

/** One session for each claim. */
export class OwnSessions implements Sessions {
  readonly #runtime: Runtime;
  readonly #open = new Map<SessionUser, Subscription>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  join(user: SessionUser, key: string | undefined): void {
    const open = new Subscription();
    this.#open.set(user, open);
    open.add(
      session$(this.#runtime, newLease(this.#runtime, key)).subscribe({
        next: (session) => user.onSession(session),
        error: (error: unknown) => user.onSessionEnd(error),
      }),
    );
  }

  leave(user: SessionUser): void {
    this.#open.get(user)?.unsubscribe();
    this.#open.delete(user);
  }

  close(): void {
    // Nothing to end: each session ends when its user leaves.
  }
}

const newLease = ({ settings: { ttl, owner } }: Runtime, key?: string): Session['lease'] => ({
  id: leaseId(),
  ttl,
  owner,
  key,
});

/** 63 random bits: lease ids of etcd are positive int64, and ours must not collide with those of others. */
export function leaseId(): string {
  return (platform.random63() || 1n).toString(16);
}
