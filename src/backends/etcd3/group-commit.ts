/**
 * Group commit: transactions that are ready at the same time travel as members of one. A transaction costs the server
 * two writes to disk whatever is in it, so 512 locks in flight are taken nine times as fast (measured).
 */
import { Observable, Subscription, asapScheduler, map } from 'rxjs';
import type { Subscriber } from 'rxjs';
import { BackendError } from '../../core/errors.js';
import { isLeaseGone, isTooManyOperations } from './errors.js';
import type { TxnAnswer, TxnRequest } from './requests.js';

/** A transaction that may travel with others. */
export interface Member {
  readonly txn: TxnRequest;
  /** What it is about: claims on one name that share a transaction would share a revision, so have no order. */
  readonly name: string;
  readonly kind: 'enter' | 'leave' | 'read';
  /** One unknown lease fails all: members of one group are of one lease. */
  readonly lease: string;
}

/** One transaction to the server, as one cold attempt. */
export type Send = (txn: TxnRequest, within: number) => Observable<TxnAnswer>;

/** No timer: what is ready goes out at once while fewer than these are under way, and is collected while they are. */
const MOST_IN_FLIGHT = 4;

/** Claims on one name cannot travel together, so nothing is gained by collecting them. */
const MOST_ALONE = 64;

/** etcd counts operations by depth: outer ones + the largest member's must not exceed `--max-txn-ops`, 128. */
const MOST_MEMBERS = 120;

interface Waiting extends Member {
  readonly within: number;
  readonly subscriber: Subscriber<TxnAnswer>;
  /** It travelled with others and the server refused them all: nobody knows whose fault that was. */
  isSuspect: boolean;
}

export function createGroupCommit(send: Send): (member: Member, within: number) => Observable<TxnAnswer> {
  /** By name, in the order of their coming. */
  const waiting = new Map<string, Waiting[]>();
  let inFlight = 0;
  let isFlushing = false;
  /** Learnt from the error of a server with a smaller `--max-txn-ops`. */
  let most = MOST_MEMBERS;

  /** At the end of the turn, so that what is asked for in one turn travels together. */
  const flushSoon = (): void => {
    if (isFlushing) return;
    isFlushing = true;
    asapScheduler.schedule(() => {
      isFlushing = false;
      flush();
    });
  };

  const flush = (): void => {
    while (inFlight < MOST_IN_FLIGHT || (inFlight < MOST_ALONE && isOfOneName(waiting))) {
      const group = takeGroup();
      if (group.length === 0) return;
      inFlight += 1;
      const sending = new Subscription();
      sending.add(() => {
        inFlight -= 1;
        flushSoon();
      });
      // A member that is given up leaves the others alone; the last one takes the call along.
      let left = group.length;
      for (const { subscriber } of group) {
        subscriber.add(() => {
          left -= 1;
          if (left === 0) sending.unsubscribe();
        });
      }
      sending.add(
        together(send, group).subscribe({
          next: (answers) => group.forEach(({ subscriber }, i) => answer(subscriber, answers[i])),
          error: (error: unknown) => failed(group, error),
          complete: () => sending.unsubscribe(),
        }),
      );
    }
  };

  const failed = (group: readonly Waiting[], error: unknown): void => {
    const refused = error instanceof BackendError && !error.retryable;
    if (group.length === 1 || !refused || isLeaseGone(error.cause)) {
      for (const { subscriber } of group) subscriber.error(error);
      return;
    }
    if (isTooManyOperations(error.cause)) most = Math.max(1, Math.floor(group.length / 2));
    else for (const member of group) member.isSuspect = true;
    for (const member of [...group].reverse()) enqueue(member, 'first');
    flushSoon();
  };

  /** The next ones that may travel together: of each name the oldest, and those behind it that need no order. */
  const takeGroup = (): readonly Waiting[] => {
    const group: Waiting[] = [];
    for (const [name, queue] of [...waiting]) {
      while (mayJoin(group, queue, most)) group.push(...queue.splice(0, 1));
      // At the end, so that each name has its turn.
      waiting.delete(name);
      if (queue.length > 0) waiting.set(name, queue);
      if (group.length >= most || group[0]?.isSuspect) break;
    }
    return group;
  };

  const enqueue = (member: Waiting, place: 'first' | 'last'): void => {
    const queue = waiting.get(member.name) ?? [];
    if (place === 'last') queue.push(member);
    else queue.unshift(member);
    waiting.set(member.name, queue);
  };

  return (member, within) =>
    new Observable((subscriber) => {
      enqueue({ ...member, within, subscriber, isSuspect: false }, 'last');
      flushSoon();
    });
}

const isAlike = (a: Member, b: Member): boolean => a.lease === b.lease && (a.kind === 'read') === (b.kind === 'read');

const isOfOneName = (waiting: ReadonlyMap<string, readonly Member[]>): boolean => {
  const [queue] = waiting.values();
  return waiting.size === 1 && queue?.[0]?.kind === 'enter';
};

/** Whether the first of the queue may travel with the group. Those that were given up meanwhile are dropped. */
function mayJoin(group: readonly Waiting[], queue: Waiting[], most: number): boolean {
  while (queue[0]?.subscriber.closed) queue.shift();
  const [next] = queue;
  const [first] = group;
  if (!next || !first) return next !== undefined;
  if (group.length >= most || first.isSuspect || next.isSuspect || !isAlike(first, next)) return false;
  const before = group.at(-1);
  return before?.name !== next.name || (before.kind === next.kind && next.kind !== 'enter');
}

function together(send: Send, group: readonly Waiting[]): Observable<readonly TxnAnswer[]> {
  const [only] = group;
  const within = Math.max(...group.map((member) => member.within));
  if (only && group.length === 1) return send(only.txn, within).pipe(map((one) => [one]));
  const success = group.map(({ txn }) => ({ request_txn: txn }));
  return send({ success }, within).pipe(
    map(({ revision, responses }) => responses.map(({ response_txn }) => ({ ...response_txn, revision }))),
  );
}

function answer(subscriber: Subscriber<TxnAnswer>, one: TxnAnswer | undefined): void {
  if (!one) return subscriber.error(new BackendError('etcd3 answered a part of a transaction.', { retryable: true }));
  subscriber.next(one);
  subscriber.complete();
}
