/**
 * An election on the queue of its name: candidates are claims with a value, the first of them leads.
 */
import {
  AsyncSubject,
  EMPTY,
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
import type { HeldLock, Lock, LockState } from '../../api/lock.js';
import { checkedValue } from '../../api/options.js';
import type { AcquireOptions } from '../../api/options.js';
import type { Session } from '../session.js';
import { Entry, KeyTarget, claimOf } from '../claim.js';
import type { Claimant, ClaimParts, ContestedClaim, Proclaim } from '../claim.js';
import type { Arena } from '../contender.js';
import { KeyLock } from '../lock.js';
import { isSameLeader, leaderOf } from '../../rules/leader.js';

/** The one of an election's candidates that leads, if any of them does. */
interface LeaderRef {
  leader: Entry | undefined;
}

/** What is to be said, and to whom the outcome is told. */
interface Proclamation {
  readonly value: string;
  readonly result: Subject<void>;
}

export class KeyElection implements Election {
  readonly name: string;
  readonly leader$: Observable<Leader>;
  readonly #arena: Arena;
  readonly #proclaim: Proclaim;
  readonly #leaderRef: LeaderRef = { leader: undefined };
  /** One after another: each is written over what the one before has left. */
  readonly #proclamations = new Subject<Proclamation>();

  constructor(arena: Arena, name: string, proclaim: Proclaim) {
    this.name = name;
    this.#arena = arena;
    this.#proclaim = proclaim;
    this.leader$ = arena.lines.view$(name).pipe(
      map((view): Leader => {
        if (view.status === 'unknown') return { status: 'unknown', key: name, cause: view.cause };
        return leaderOf(view.queue);
      }),
      distinctUntilChanged(isSameLeader),
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
    return new KeyLock(this.#arena, new Candidate(this.#arena, this.name, this.#checked(value), this.#leaderRef));
  }

  proclaim(value: string): Promise<void> {
    const proclamation = { value: this.#checked(value), result: new AsyncSubject<void>() };
    this.#proclamations.next(proclamation);
    return lastValueFrom(proclamation.result);
  }

  #checked(value: string): string {
    const objection = this.#arena.engine.backend.objection({
      key: this.name,
      kind: 'mutex',
      value: checkedValue(value),
    });
    if (objection !== undefined) throw new InvalidOptionError('value', value, objection);
    return value;
  }

  /** Its outcome is told to whoever asked for it, and keeps nobody behind it from being heard. */
  #said$({ value, result: said }: Proclamation): Observable<unknown> {
    return defer(() => {
      const { leader } = this.#leaderRef;
      return (leader?.proclaimed$(this.#proclaim, value) ?? of(false)).pipe(
        catchError((cause: unknown) => {
          if (leader?.session.isAlive()) throw cause;
          throw this.#notLeading(cause);
        }),
      );
    }).pipe(
      map((isWritten) => {
        if (!isWritten) throw this.#notLeading();
      }),
      // Not the subject itself: tap() would subscribe to it, too.
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

/** A claim with a value. */
class Candidate extends KeyTarget {
  readonly #leaderRef: LeaderRef;

  constructor(parts: ClaimParts, name: string, value: string, leaderRef: LeaderRef) {
    super(parts, name, 'mutex', undefined, value);
    this.#leaderRef = leaderRef;
  }

  override claim(session: Session, contention: AcquireOptions, claimant: Claimant): ContestedClaim {
    const leaderRef = this.#leaderRef;
    const overheard: Claimant = {
      staged(one, stage) {
        // First, since who is told may proclaim at once.
        if (stage.status === 'first') leaderRef.leader = entry;
        claimant.staged(one, stage);
      },
      asked: (one, revocation) => claimant.asked(one, revocation),
      failed: (error) => claimant.failed(error),
      leaving(one) {
        if (leaderRef.leader === entry) leaderRef.leader = undefined;
        claimant.leaving(one);
      },
      left: (one) => claimant.left(one),
    };
    const claim = claimOf(this, session, contention);
    const entry = new Entry(this.parts, session, claim, contention.wait === 0, overheard);
    return entry;
  }
}
