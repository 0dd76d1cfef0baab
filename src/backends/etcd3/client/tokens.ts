/**
 * The token of a user: requested when it is first needed, and again when the server no longer accepts it.
 */
import { Observable, ReplaySubject, catchError, defer, map, of, share, switchMap, takeUntil, throwError } from 'rxjs';
import { deadlineIn, later, untilDeadline } from '../../../time/clock.js';
import type { AuthenticateRequest, AuthenticateResponse } from './messages.js';
import { RpcError } from './rpc-error.js';
import type { CallOptions } from './unary.js';

/**
 * The timeout of a sign-in, milliseconds. A token takes an idle server about 60 ms, and a busy one longer than an
 * attempt may take. So a sign-in goes on after its attempt is given up, and the next attempt can use its token. It
 * needs a timeout of its own, since a frozen host would otherwise delay every later request.
 */
const SIGN_IN_WITHIN = 2000;

/**
 * The refusals of the server for: a token that it does not know (tokens expire, and simple ones end with the server); a
 * token of an older revision of users and roles; a missing token, if authentication was enabled meanwhile.
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

  /** The token, shared by all concurrent requests; `undefined` if authentication is not enabled. */
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

  /** Drops a token, so that the next request signs in again. Does nothing if it was dropped before. */
  forget(token$: Observable<string | undefined>): void {
    if (this.#token$ === token$) this.#token$ = undefined;
  }

  /** Runs a request with a token; if the server refuses the token, once more with a fresh one. */
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

/**
 * The fresh token was refused, too: users and roles change faster than we can sign in. That passes, so the status must
 * be a retryable one.
 */
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
