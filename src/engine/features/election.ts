/**
 * An election on the queue of its name: candidates are claims with a value, and the first of them leads.
 */
import {
  EMPTY,
  ReplaySubject,
  Subject,
  catchError,
  concatMap,
  defer,
  distinctUntilChanged,
  filter,
  lastValueFrom,
  map,
  of,
  tap,
} from 'rxjs';
import type { Observable } from 'rxjs';
import type { CampaignOptions, Election, Leader } from '../../api/election.js';
import { InvalidOptionError, LockNotOwnedError } from '../../api/errors.js';
import { writable } from '../../api/json.js';
import type { HeldLock, Lock, LockState } from '../../api/lock.js';
import { checkedValue } from '../../api/options.js';
import type { LeaderRef } from '../claim.js';
import type { LocksRuntime } from '../locks-runtime.js';
import { LockTarget } from '../target.js';
import { KeyLock } from '../lock.js';
import { inSubscriberContext } from '../../platform/in-context.js';
import { isSameLeader, leaderOf } from '../../rules/leader.js';

/** A value to proclaim, and the subject that gets the outcome. */
interface Proclamation {
  readonly value: string;
  readonly result: Subject<void>;
}

export class KeyElection implements Election {
  readonly name: string;
  readonly leader$: Observable<Leader>;
  readonly #runtime: LocksRuntime;
  readonly #leaderRef: LeaderRef = { leader: undefined };
  /** Written one after another: each overwrites the claim as the one before left it. */
  readonly #proclamations = new Subject<Proclamation>();

  constructor(runtime: LocksRuntime, name: string) {
    this.name = name;
    this.#runtime = runtime;
    this.leader$ = runtime.queues.view$(name, true).pipe(
      map((view): Leader => {
        if (view.status === 'unknown') return writable({ status: 'unknown', key: name, cause: view.cause });
        return leaderOf(view.queue);
      }),
      distinctUntilChanged(isSameLeader),
      inSubscriberContext(),
    );
    this.#proclamations.pipe(concatMap((proclamation) => this.#said$(proclamation))).subscribe();
  }

  campaign$(value: string, options?: CampaignOptions): Observable<HeldLock> {
    return this.candidate(value)
      .lock$(options)
      .pipe(
        filter((state): state is Extract<LockState, { status: 'held' }> => state.status === 'held'),
        map(({ held }) => held),
      );
  }

  candidate(value: string): Lock {
    const spec = { key: this.name, kind: 'mutex', value: this.#checked(value), leaderRef: this.#leaderRef } as const;
    return new KeyLock(this.#runtime, new LockTarget(this.#runtime, [spec]));
  }

  /** An error thrown here rejects. */
  async proclaim(value: string): Promise<void> {
    await lastValueFrom(this.proclaim$(value));
  }

  proclaim$(value: string): Observable<void> {
    const checked = this.#checked(value);
    return defer(() => {
      const proclamation = { value: checked, result: new ReplaySubject<void>(1) };
      this.#proclamations.next(proclamation);
      return proclamation.result;
    });
  }

  #checked(value: string): string {
    const objection = this.#runtime.backend.objection({
      key: this.name,
      kind: 'mutex',
      value: checkedValue(value),
    });
    if (objection !== undefined) throw new InvalidOptionError('value', value, objection);
    return value;
  }

  /** Its outcome goes to the caller of that proclamation; a failure does not stop those behind it. */
  #said$({ value, result: said }: Proclamation): Observable<unknown> {
    return defer(() => {
      const { leader } = this.#leaderRef;
      return (leader?.claim.proclaimed$(leader.key, value) ?? of(false)).pipe(
        catchError((cause: unknown) => {
          if (leader?.claim.session?.isAlive()) throw cause;
          throw this.#notLeading(cause);
        }),
      );
    }).pipe(
      map((isWritten) => {
        if (!isWritten) throw this.#notLeading();
      }),
      // Not `tap(said)`: tap() would also call the `subscribe` of the subject.
      tap({
        next: () => said.next(),
        error: (error: unknown) => said.error(error),
        complete: () => said.complete(),
      }),
      catchError(() => EMPTY),
    );
  }

  #notLeading(cause?: unknown): LockNotOwnedError {
    const message = `No candidate of this election object leads "${this.name}", so it cannot proclaim: campaign first.`;
    return new LockNotOwnedError({ key: this.name, message, cause });
  }
}
