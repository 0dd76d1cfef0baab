/**
 * The token of a user: asked for when it is first needed, and again once the server does not take it any more.
 */
import { Observable, ReplaySubject, catchError, defer, map, of, share, switchMap, takeUntil, throwError } from 'rxjs';
import { deadlineIn, later, untilDeadline } from '../../../time/clock.js';
import type { AuthenticateRequest, AuthenticateResponse } from './messages.js';
import { RpcError } from './rpc-error.js';
import type { CallOptions } from './unary.js';

/**
 * A token costs an idle server some 60 ms, and a busy one more than one attempt of a request may take: a sign-in goes on
 * when the attempt that asked for it is given up, so that the next one finds it. Without an end a host that is frozen
 * would keep every later request waiting.
 */
const SIGN_IN_WITHIN = 2000;

/**
 * What a server says to a token that it has forgotten (they expire, and simple ones do not outlive it), that is of
 * another revision of users and roles, and to none, where it has been told to ask for one since.
 */
const STALE = /invalid auth token|revision of auth store is old|user name is empty/;

export const isStale = (said: string): boolean => STALE.test(said);

type SignIn = (request: AuthenticateRequest, options: CallOptions) => Observable<AuthenticateResponse>;

export class Tokens {
  readonly #signIn: SignIn;
  readonly #user: AuthenticateRequest;
  #token$: Observable<string | undefined> | undefined;

  constructor(signIn: SignIn, { username, password }: { readonly username: string; readonly password: string }) {
    this.#signIn = signIn;
    this.#user = { name: username, password };
  }

  /** One token for all who ask at the same time; none where the server knows no users. */
  get token$(): Observable<string | undefined> {
    if (this.#token$) return this.#token$;
    const token$: Observable<string | undefined> = defer(() =>
      this.#signIn(this.#user, deadlineIn(SIGN_IN_WITHIN)),
    ).pipe(
      map(({ token }): string | undefined => token),
      catchError((error: unknown) => {
        if (isWithoutUsers(error)) return of(undefined);
        this.forget(token$);
        return throwError(() => error);
      }),
      share({ connector: () => new ReplaySubject(1), resetOnComplete: false, resetOnRefCountZero: false }),
    );
    this.#token$ = token$;
    return token$;
  }

  /** So that the next one who asks gets a fresh one, unless somebody has seen to it already. */
  forget(token$: Observable<string | undefined>): void {
    if (this.#token$ === token$) this.#token$ = undefined;
  }

  /** With a token; once more with a fresh one where the server does not take it. */
  signed<T>(options: CallOptions, run: (token: string | undefined) => Observable<T>): Observable<T> {
    const attempt = (isLast: boolean): Observable<T> => {
      const { token$ } = this;
      const inTime$ = token$.pipe(takeUntil(tooLate$(options)));
      return inTime$.pipe(
        switchMap(run),
        catchError((error: unknown) => {
          if (!(error instanceof RpcError && isStale(error.details))) return throwError(() => error);
          this.forget(token$);
          return isLast ? throwError(() => passing(error)) : attempt(true);
        }),
      );
    };
    return attempt(false);
  }
}

/** Users and roles are changing faster than we can sign in: that passes, whatever the status the server gives it. */
const passing = (error: RpcError): RpcError =>
  error.details.includes('user name is empty')
    ? error
    : new RpcError('UNAUTHENTICATED', error.details, { cause: error });

/** Errors at the deadline. */
const tooLate$ = ({ deadline }: CallOptions): Observable<never> =>
  new Observable((subscriber) =>
    later(untilDeadline(deadline), () => subscriber.error(new RpcError('DEADLINE_EXCEEDED', 'no token in time'))),
  );

const isWithoutUsers = (error: unknown): boolean =>
  error instanceof RpcError && error.details.includes('authentication is not enabled');
