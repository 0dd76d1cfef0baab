/**
 * Guards: comparisons of our claims, with which etcd itself refuses writes of a client that no longer holds.
 */
import {
  EMPTY,
  catchError,
  concat,
  defer,
  endWith,
  forkJoin,
  ignoreElements,
  lastValueFrom,
  map,
  takeUntil,
} from 'rxjs';
import type { Observable } from 'rxjs';
import { InvalidOptionError, LockNotOwnedError } from '../../api/errors.js';
import type { HeldLock } from '../../api/lock.js';
import { quoted } from '../../api/texts.js';
import { serverClaimsOf } from '../../backend/prefixed.js';
import type { ServerClaim } from '../../backend/prefixed.js';
import { settled } from '../../backend/settled.js';
import type { Calls } from './calls.js';
import { endOf, isClaim, prefixOf } from './keys.js';
import { checkedTransaction, transactionRequest, transactionResult } from './transaction.js';
import type { Transaction, TransactionResult } from './transaction.js';

/** The arguments of npm etcd3's `client.if(...)`. */
export type Guard = readonly [key: Buffer, column: 'Create', comparator: '==', token: string];

/** A comparator builder of npm etcd3. */
interface Comparator {
  and(...guard: Guard): this;
}

/** A transaction of npm etcd3 that is carried out only if all these claims are still there. */
export const ifAll = <B extends Comparator>(client: { if(...guard: Guard): B }, guards: readonly Guard[]): B => {
  const [first, ...others] = guards;
  if (!first) throw new InvalidOptionError('guards', '[]', 'give what guards() resolved to.');
  return others.reduce((builder, guard) => builder.and(...guard), client.if(...first));
};

export interface Guards {
  guard(held: HeldLock): Promise<Guard>;
  guards(held: HeldLock): Promise<readonly Guard[]>;
  transaction(held: HeldLock, transaction: Transaction): Promise<TransactionResult>;
}

/** The timeout of a request, milliseconds. `remaining()` alone could be as long as a day. */
const ANSWER_WITHIN = 5000;

export function createGuards(call: Calls['call']): Guards {
  const within = (held: HeldLock): number => Math.min(held.remaining(), ANSWER_WITHIN);

  const guard = (held: HeldLock, { key, id }: ServerClaim): Observable<Guard> => {
    const prefix = prefixOf(key);
    const token = held.fencingToken.toString();
    const exact = { min_create_revision: token, max_create_revision: token, keys_only: true };
    return call(`guard "${key}"`, within(held), (client, options) =>
      client.kv.range({ key: prefix, range_end: endOf(prefix), ...exact }, options),
    ).pipe(
      map(({ kvs }): Guard => {
        const claim = kvs.find((kv) => isOurs(kv.key, prefix.length, id));
        if (!claim || !held.isHeld()) throw notHeld(held);
        return [claim.key, 'Create', '==', token];
      }),
    );
  };

  const guards = async (held: HeldLock): Promise<readonly Guard[]> => {
    // Until this completes, a predecessor in this process could still write under its own guard.
    const before$ = settled(held).pipe(ignoreElements());
    const guards$ = defer(() => forkJoin(serverClaimsOf(held).map((claim) => guard(held, claim))));
    const made = await lastValueFrom(concat(before$, guards$).pipe(takeUntil(ended(held))), {
      defaultValue: undefined,
    });
    if (!made) throw notHeld(held);
    return made;
  };

  return {
    async guard(held) {
      const [guard, ...others] = await guards(held);
      if (guard && others.length === 0) return guard;
      throw new InvalidOptionError('held', held.key, 'it is the lock of several keys: use guards() and ifAll().');
    },

    guards,

    async transaction(held, given) {
      const transaction = checkedTransaction(given);
      const claims = (await guards(held)).map(([key, , , token]) => ({ key, token }));
      const result$ = call('carry out a transaction', within(held), ({ kv }, options) =>
        kv.txn(transactionRequest(transaction, claims), options),
      ).pipe(map((answer) => transactionResult(transaction.get, claims, answer)));
      const result = await lastValueFrom(result$);
      if (!result) throw notHeld(held);
      return result;
    },
  };
}

/**
 * Whether it is the claim of this id below the name; of any id, if it is not known. Its token alone does not tell:
 * after a restore from a backup, the server gives the same tokens again, to the claims of others.
 */
const isOurs = (key: Buffer, skip: number, id: string | undefined): boolean =>
  isClaim(key, skip) && (id === undefined || key.toString('utf8', skip) === id);

/** The `cause` is the reason of the loss or the abort; a release has none. */
const notHeld = ({ key, signal }: HeldLock): LockNotOwnedError =>
  new LockNotOwnedError({
    key,
    message: `${quoted(key)} is not held any more, so it guards nothing: write nothing under it, and take it again.`,
    cause: signal.reason,
  });

/** Emits when the lock is released or lost. */
const ended = (held: HeldLock): Observable<unknown> =>
  held.renewals$.pipe(
    ignoreElements(),
    catchError(() => EMPTY),
    endWith(true),
  );
