/**
 * Which session a claim hangs on: one for all, or one each, as the backend's leases go.
 */
import { platform } from '#platform';
import { Subscription } from 'rxjs';
import type { Runtime } from './runtime.js';
import { session$ } from './session.js';
import type { Session } from './session.js';
import { backoff } from '../time/backoff.js';

export interface SessionUser {
  /** It is granted. */
  onSession(session: Session): void;
  /** It has ended, or could not be had: who goes on joins again. */
  onSessionEnd(error: unknown): void;
}

export interface Sessions {
  /** A session for a claim on `key`, until the user leaves or it ends. */
  join(user: SessionUser, key: string | undefined): void;
  leave(user: SessionUser): void;
  /** Ends what lingers, when all users have left for good. */
  close(): void;
}

/** One for all. A set and not an operator: of ten thousand users each can leave without a search. */
export class SharedSession implements Sessions {
  readonly #runtime: Runtime;
  readonly #users = new Set<SessionUser>();
  #session: Session | undefined;
  #open: Subscription | undefined;
  #lingering: Subscription | undefined;
  /** After the end of a session, before the next one is begun. */
  #pause: Subscription | undefined;

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
    const { time, settings } = this.#runtime;
    // It lingers, so that locks taken one after another pay for one grant.
    this.#lingering = time.after(settings.ttl).subscribe(() => this.#end());
  }

  close(): void {
    this.#lingering?.unsubscribe();
    this.#pause?.unsubscribe();
    this.#end();
  }

  #begin(): void {
    const open = new Subscription();
    this.#open = open;
    open.add(
      session$(this.#runtime, newLease(this.#runtime)).subscribe({
        next: (session) => {
          this.#session = session;
          // Who joins meanwhile is told at once.
          for (const user of [...this.#users]) if (this.#users.has(user)) user.onSession(session);
        },
        error: (error: unknown) => {
          this.#session = undefined;
          // All are told before its revoke: nobody else may hold before they have stopped what they did.
          const users = [...this.#users];
          this.#beginAfterPause();
          for (const user of users) if (this.#users.delete(user)) user.onSessionEnd(error);
          this.#end();
        },
      }),
    );
  }

  /** Who joins meanwhile is a user of the next one. */
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

/** One for each claim. */
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
    // Nothing lingers: a session ends when its user leaves.
  }
}

const newLease = ({ settings: { ttl, owner } }: Runtime, key?: string): Session['lease'] => ({
  id: leaseId(),
  ttl,
  owner,
  key,
});

/** 63 random bits: etcd's lease ids are positive int64, and ours must not collide with anybody's. */
export function leaseId(): string {
  return (platform.random63() || 1n).toString(16);
}
