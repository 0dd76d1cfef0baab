/**
 * Group commit: transactions that are ready at the same time travel as members of one. A transaction costs the server
 * two writes to disk, regardless of its size, so with 512 locks in flight this is four to six times as fast (measured).
 */
import { EMPTY, Observable, Subscription, asapScheduler, concat, ignoreElements, map, throwError } from 'rxjs';
import type { Subscriber } from 'rxjs';
import { afterIo } from '../../time/clock.js';
import { BackendError } from '../../api/errors.js';
import { isAnswerTooLarge, isLeaseGone, isTooManyOperations, toBackendError } from './errors.js';
import { checkedOnly } from './access.js';
import type { Access } from './access.js';
import type { TxnAnswer, TxnRequest } from './requests.js';

/**
 * A transaction that may travel with others, and how to read its answer. Hundreds of them wait at a time: what only the
 * request or an error needs is built then.
 */
export interface Transaction<T> {
  /** For errors: "queue for "a"". */
  what(): string;
  /** Builds the request when it is sent: it is kept neither before nor after that. */
  txn(): TxnRequest;
  /** The permissions that etcd must check, written at the top level of the group. */
  access(): Access;
  /**
   * Its names: claims of one name must not share a transaction, since they would share a revision, and have no order.
   */
  readonly names: readonly string[];
  /** The largest number of its operations, if that is more than `FEW_OPERATIONS`. */
  readonly size?: number;
  readonly kind: 'enter' | 'leave' | 'read';
  /** All members of a group are of one lease, since one unknown lease fails the whole group. */
  readonly lease: string;
  read(answer: TxnAnswer): T;
  /** The answer if the lease no longer exists; left out if that is an error. */
  readonly leaseGone?: T;
  /** Work to do at a failure with this cause, before the failure is reported. */
  before?(cause: unknown): Observable<unknown> | undefined;
}

/** Carries out one transaction. */
export type Send = (txn: TxnRequest, timeout: number) => Observable<TxnAnswer>;

/**
 * There is no timer: transactions are sent at once while fewer groups than this are under way, and collected otherwise.
 */
const MAX_IN_FLIGHT = 4;

/** The limit for claims of one name: they cannot travel together, so there is no gain in collecting them. */
const MAX_ALONE = 64;

/**
 * etcd counts operations by depth: those of the outer transaction (the largest number of its comparisons and of the
 * operations of either branch) + those of the largest member must not exceed `--max-txn-ops`, 128.
 */
const MAX_OPERATIONS = 127;
const FEW_OPERATIONS = 7;

/** @param hasRoles whether the client has a user, whose roles the server checks: then a group names all permissions */
export function createGroupCommit(
  send: Send,
  hasRoles: boolean,
): <T>(transaction: Transaction<T>, timeout: number) => Observable<T> {
  /** The waiting transactions, oldest first. */
  let waiting: BatchEntry[] = [];
  let inFlight = 0;
  let isFlushing = false;
  /** Whether the last group had more than one member. */
  let isCrowded = false;
  /**
   * The limit of a server with a smaller `--max-txn-ops`, found by bisection between the largest accepted and the
   * smallest refused group.
   */
  let most = MAX_OPERATIONS;
  let taken = 1;
  let refused = Infinity;
  const learn = (): void => {
    if (taken >= refused) taken = 1;
    if (refused < Infinity) most = Math.max(1, Math.floor((taken + refused) / 2));
  };

  /**
   * Transactions of one turn travel together. After a group of several, also wait for the transactions that follow from
   * its answers, which need some more turns. A single transaction does not wait.
   */
  const flushSoon = (): void => {
    if (isFlushing) return;
    isFlushing = true;
    const run = (): void => {
      isFlushing = false;
      flush();
    };
    if (isCrowded) afterIo(run);
    else asapScheduler.schedule(run);
  };

  const flush = (): void => {
    while (inFlight < MAX_IN_FLIGHT || (inFlight < MAX_ALONE && isOneQueue(waiting))) {
      const next = nextGroup(waiting, most, widthOf);
      waiting = next.rest;
      if (next.group.length === 0) return;
      // A member that cannot be encoded fails alone, before anything is sent.
      const group: BatchEntry[] = [];
      const txns: TxnRequest[] = [];
      for (const member of next.group) {
        const txn = member.encoded();
        if (!txn) continue;
        group.push(member);
        txns.push(txn);
      }
      if (group.length === 0) continue;
      inFlight += 1;
      isCrowded = group.length > 1;
      const sending = new Subscription();
      sending.add(() => {
        inFlight -= 1;
        flushSoon();
      });
      // A cancelled member does not affect the others; only the last one cancels the call.
      let left = group.length;
      const parted = (): void => {
        left -= 1;
        if (left === 0) sending.unsubscribe();
      };
      for (const member of group) member.parted = parted;
      sending.add(
        together(group, txns).subscribe({
          next(answers) {
            taken = Math.max(taken, operationsOf(group));
            learn();
            group.forEach((member, i) => member.answered(answers[i]));
          },
          error: (error: unknown) => {
            sending.unsubscribe();
            failed(group, error);
          },
          complete: () => sending.unsubscribe(),
        }),
      );
    }
  };

  /** The number of its operations at the top level of a group. */
  const widthOf = ({ transaction }: BatchEntry): number => (hasRoles ? Math.max(1, transaction.access().width) : 1);

  const operationsOf = (group: readonly BatchEntry[]): number =>
    group.reduce((sum, member) => sum + widthOf(member), 1) +
    Math.max(FEW_OPERATIONS, ...group.map(({ transaction: { size = 0 } }) => size));

  const together = (
    group: readonly BatchEntry[],
    txns: readonly TxnRequest[],
  ): Observable<readonly (TxnAnswer | undefined)[]> => {
    const [only] = group;
    const [alone] = txns;
    if (only && alone && group.length === 1) return send(alone, only.timeout).pipe(map((one) => [one]));
    const timeout = Math.max(...group.map((member) => member.timeout));
    const success = txns.map((txn) => ({ request_txn: txn }));
    const accesses = group.map(({ transaction }) => transaction.access());
    return send({ success, failure: checkedOnly(accesses, hasRoles) }, timeout).pipe(
      map(({ revision, responses: all }) =>
        all.map(({ response_txn: { succeeded, responses } }) => ({ succeeded, responses, revision })),
      ),
    );
  };

  const failed = (group: readonly BatchEntry[], error: unknown): void => {
    for (const member of group) member.parted = undefined;
    const cause = error instanceof BackendError ? error.cause : undefined;
    if (isTooManyOperations(cause)) {
      refused = Math.min(refused, operationsOf(group));
      learn();
    }
    if (group.length === 1 || !isOfOneMember(error)) {
      for (const member of group) member.failed(error);
      return;
    }
    // Each member is sent again by itself. If the group was carried out, each finds its own result.
    if (!isTooManyOperations(cause)) for (const member of group) member.isSuspect = true;
    waiting.unshift(...group);
    flushSoon();
  };

  return <T>(transaction: Transaction<T>, timeout: number) =>
    new Observable<T>((subscriber) => {
      const member = new Entry(transaction, timeout, subscriber);
      waiting.push(member);
      flushSoon();
      return member;
    });
}

/** Whether the failure may be that of a single member. To find it, the members are sent one by one. */
function isOfOneMember(error: unknown): boolean {
  if (!(error instanceof BackendError) || isLeaseGone(error.cause)) return false;
  // Also with an unknown outcome: a full server still deletes claims, and a too large answer was made of many.
  return !error.retryable || isAnswerTooLarge(error.cause);
}

/** A transaction that waits to be sent or answered. */
interface BatchEntry {
  readonly transaction: Pick<Transaction<unknown>, 'access' | 'names' | 'size' | 'kind' | 'lease'>;
  readonly timeout: number;
  readonly isGivenUp: boolean;
  /** Its group was refused, and it is not known because of which member: it travels alone from now on. */
  isSuspect: boolean;
  /** Called when the member is cancelled while its group is under way. */
  parted: (() => void) | undefined;
  /** The request; `undefined` if it cannot be encoded, which has been reported to its subscriber. */
  encoded(): TxnRequest | undefined;
  answered(answer: TxnAnswer | undefined): void;
  failed(error: unknown): void;
}

class Entry<T> implements BatchEntry {
  isSuspect = false;
  parted: (() => void) | undefined;

  constructor(
    readonly transaction: Transaction<T>,
    readonly timeout: number,
    readonly subscriber: Subscriber<T>,
  ) {}

  get isGivenUp(): boolean {
    return this.subscriber.closed;
  }

  unsubscribe(): void {
    this.parted?.();
  }

  encoded(): TxnRequest | undefined {
    try {
      return this.transaction.txn();
    } catch (cause) {
      const message = `etcd could not ${this.transaction.what()}: the claim cannot be written as JSON.`;
      this.subscriber.error(new BackendError(message, { retryable: false, cause }));
      return undefined;
    }
  }

  answered(answer: TxnAnswer | undefined): void {
    if (!answer) return this.failed(new BackendError('etcd answered a part of a transaction.', { retryable: true }));
    try {
      this.subscriber.next(this.transaction.read(answer));
      this.subscriber.complete();
    } catch (error) {
      this.subscriber.error(error);
    }
  }

  failed(error: unknown): void {
    const { leaseGone } = this.transaction;
    const cause = error instanceof BackendError ? error.cause : undefined;
    if (leaseGone !== undefined && isLeaseGone(cause)) {
      this.subscriber.next(leaseGone);
      return this.subscriber.complete();
    }
    // Each member reports the common error with its own `what`.
    const told$ = throwError(() => (cause === undefined ? error : toBackendError(this.transaction.what(), cause)));
    const before$ = this.transaction.before?.(cause) ?? EMPTY;
    concat(before$.pipe(ignoreElements()), told$).subscribe(this.subscriber);
  }
}

/** Whether all waiting transactions queue claims of the same name, and so must be sent one by one. */
const isOneQueue = (waiting: readonly BatchEntry[]): boolean => {
  const name = waiting[0]?.transaction.names[0];
  return waiting.every(({ transaction: { names, kind } }) => names[0] === name && kind === 'enter');
};

/** The oldest transaction, and those behind it that may travel with it, until the group is full. Cancelled ones are dropped. */
function nextGroup(
  waiting: readonly BatchEntry[],
  most: number,
  widthOf: (member: BatchEntry) => number,
): { group: readonly BatchEntry[]; rest: BatchEntry[] } {
  const group: BatchEntry[] = [];
  const rest: BatchEntry[] = [];
  const kinds = new Map<string, Transaction<unknown>['kind']>();
  let outer = 0;
  let inner = FEW_OPERATIONS;
  for (const [place, member] of waiting.entries()) {
    if (member.isGivenUp) continue;
    const { names, kind, size = 0 } = member.transaction;
    const [wider, deeper] = [outer + widthOf(member), Math.max(inner, size)];
    const mayShare = (name: string): boolean => {
      const there = kinds.get(name);
      return there === undefined || (there === kind && kind !== 'enter');
    };
    if (!names.every(mayShare) || !mayTravelWith(group[0], member)) {
      rest.push(member);
      continue;
    }
    const hasRoom = group.length === 0 || wider + 1 + deeper <= most;
    if (!hasRoom) return { group, rest: [...rest, ...waiting.slice(place)] };
    group.push(member);
    [outer, inner] = [wider, deeper];
    for (const name of names) kinds.set(name, kind);
  }
  return { group, rest };
}

function mayTravelWith(first: BatchEntry | undefined, next: BatchEntry): boolean {
  if (!first) return true;
  if (first.isSuspect || next.isSuspect) return false;
  const [a, b] = [first.transaction, next.transaction];
  return a.lease === b.lease && (a.kind === 'read') === (b.kind === 'read');
}
