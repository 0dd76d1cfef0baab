/**
 * Which session a claim hangs on: one for all, or one each, as the backend's leases go.
 */
import { platform } from '#platform';
import { Subscription } from 'rxjs';
import type { EngineParts } from './runtime.js';
import { session$ } from './session.js';
import type { Session } from './session.js';

export interface SessionUser {
  /** It is granted. */
  opened(session: Session): void;
  /** It has ended, or could not be had: who goes on joins again. */
  ended(error: unknown): void;
}

export interface Sessions {
  /** A session for a claim on `key`, until the user leaves or it ends. */
  join(user: SessionUser, key: string): void;
  leave(user: SessionUser): void;
  /** Ends what lingers, when all users have left for good. */
  close(): void;
}

export const createSessions = (engine: EngineParts): Sessions =>
  engine.backend.leasePer === 'session' ? new SharedSession(engine) : new OwnSessions(engine);

/** A set and not an operator: of ten thousand users each can leave without a search. */
class SharedSession implements Sessions {
  readonly #engine: EngineParts;
  readonly #users = new Set<SessionUser>();
  #session: Session | undefined;
  #open: Subscription | undefined;
  #lingering: Subscription | undefined;

  constructor(engine: EngineParts) {
    this.#engine = engine;
  }

  join(user: SessionUser): void {
    this.#lingering?.unsubscribe();
    this.#users.add(user);
    if (this.#session) user.opened(this.#session);
    else if (!this.#open) this.#begin();
  }

  leave(user: SessionUser): void {
    if (!this.#users.delete(user) || this.#users.size > 0) return;
    const { time, settings } = this.#engine;
    // It lingers, so that locks taken one after another pay for one grant.
    this.#lingering = time.after(settings.ttl).subscribe(() => this.#end());
  }

  close(): void {
    this.#lingering?.unsubscribe();
    this.#end();
  }

  #begin(): void {
    const open = new Subscription();
    this.#open = open;
    open.add(
      session$(this.#engine, newLease(this.#engine)).subscribe({
        next: (session) => {
          this.#session = session;
          // Who joins meanwhile is told at once.
          for (const user of [...this.#users]) if (this.#users.has(user)) user.opened(session);
        },
        error: (error: unknown) => {
          this.#session = undefined;
          // All are told before its revoke: nobody else may hold before they have stopped what they did.
          const users = [...this.#users];
          for (const user of users) if (this.#users.delete(user)) user.ended(error);
          this.#end();
          // Who joined again meanwhile is a user of the next one.
          if (this.#users.size > 0) this.#begin();
        },
      }),
    );
  }

  #end(): void {
    this.#open?.unsubscribe();
    this.#open = undefined;
    this.#session = undefined;
  }
}

class OwnSessions implements Sessions {
  readonly #engine: EngineParts;
  readonly #open = new Map<SessionUser, Subscription>();

  constructor(engine: EngineParts) {
    this.#engine = engine;
  }

  join(user: SessionUser, key: string): void {
    const open = new Subscription();
    this.#open.set(user, open);
    open.add(
      session$(this.#engine, newLease(this.#engine, key)).subscribe({
        next: (session) => user.opened(session),
        error: (error: unknown) => user.ended(error),
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

const newLease = ({ settings: { ttl, owner } }: EngineParts, key?: string): Session['lease'] => ({
  id: leaseId(),
  ttl,
  owner,
  key,
});

/** 63 random bits: etcd's lease ids are positive int64, and ours must not collide with anybody's. */
function leaseId(): string {
  return (platform.random63() || 1n).toString(16);
}
