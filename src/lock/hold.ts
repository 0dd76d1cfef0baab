/**
 * A lock while it is held: the HeldLock its user gets, and the end of it.
 */
import { EMPTY, NEVER, Subject, catchError, defer, lastValueFrom, map, takeUntil, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { LockNotOwnedError } from '../core/errors.js';
import type { HeldLock } from '../core/lock.js';
import type { Engine } from '../session/engine.js';
import type { Session } from '../session/session.js';

/** The engine's side of a {@link HeldLock}. */
export interface Hold {
  readonly held: HeldLock;
  /** When it was acquired. */
  readonly since: number;
  /** Emits when the user asks for the release. */
  readonly asked$: Observable<void>;
  /** Whether it was ended, by a release or a loss. */
  isOver(): boolean;
  /**
   * It is over from this instant on. With an error: the streams on it are told first, then the signal aborts.
   * Only the first call counts.
   */
  end(error?: Error): void;
}

/** What a hold is made of. `leave` deletes the claim and completes when that is acknowledged or has become pointless. */
export interface HoldParts {
  readonly key: string;
  readonly session: Session;
  readonly token: bigint;
  leave(): Observable<never>;
}

export function createHold({ time, settings }: Engine, { key, session, token, leave }: HoldParts): Hold {
  const since = time.now();
  const renewalsBefore = session.renewals();
  const asked = new Subject<void>();
  const ended = new Subject<void>();
  let over = false;
  let loss: Error | undefined;
  let aborter: AbortController | undefined;
  let released: Promise<void> | undefined;

  const isHeld = (): boolean => !over && session.isAlive();

  const release = async (): Promise<void> => {
    if (loss !== undefined || (!over && !session.isAlive())) throw new LockNotOwnedError({ key, cause: loss });
    asked.next();
    await lastValueFrom(leave(), { defaultValue: undefined });
  };

  const renewal$ = session.renewed$.pipe(
    map(() => ({ count: session.renewals() - renewalsBefore, validUntil: session.validUntil() })),
    // The end of the session reaches us as the end of this hold, with the error that names the key.
    catchError(() => NEVER),
    takeUntil(ended),
  );

  const held: HeldLock = {
    key,
    owner: settings.owner,
    fencingToken: token,
    get validUntil() {
      return session.validUntil();
    },
    isHeld,
    remaining: () => (isHeld() ? session.validUntil() - time.now() : 0),
    renewals$: defer(() => {
      if (loss) return throwError(() => loss);
      return over ? EMPTY : renewal$;
    }),
    get signal() {
      aborter ??= new AbortController();
      if (loss) aborter.abort(loss);
      return aborter.signal;
    },
    release: () => (released ??= release()),
    [Symbol.asyncDispose]: () => held.release(),
  };

  return {
    held,
    since,
    asked$: asked,
    isOver: () => over,
    end(error) {
      if (over) return;
      over = true;
      loss = error;
      if (error) ended.error(error);
      else ended.next();
      if (error) aborter?.abort(error);
    },
  };
}
