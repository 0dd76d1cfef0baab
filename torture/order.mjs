/**
 * The rules of order inside a process, and of what a refusal says. Pure.
 */
import { grouped } from './grouped.mjs';
import { claimId } from './history.mjs';
import { PERMITS, mayHoldTogether } from './kinds.mjs';
import { lockOf } from './names.mjs';

/**
 * @typedef {import('./history.mjs').History} History
 * @typedef {import('./history.mjs').Operation} Operation
 */

/** By which a client may be told before the observer, or after it. */
const A_MOMENT = 1000;

/** The time of one attempt, of a ttl: who is refused is told no later, though its claim could not leave. */
const ATTEMPT = 1 / 6;

/**
 * Pairs of one client at one key of which the later held first, although they could not hold together.
 *
 * @param {History} history
 * @returns {{ key: string, early: Operation, late: Operation }[]}
 */
export function overtakenOf({ operations, takenAway, endedEarly, restored }) {
  const wasHeld = ({ heldAt, token }) => heldAt !== undefined && token !== undefined;
  const keptIts = ({ requeued, token, keys: [key] }) =>
    !requeued && ![takenAway, endedEarly, restored].some((way) => way.has(claimId(token, key)));
  const atKey = grouped(
    operations
      .filter(wasHeld)
      // Who takes part in that asks first whether it is done, and contends when that was answered.
      .filter(({ kind }) => kind !== 'once')
      .flatMap((operation) => operation.keys.map((key) => ({ key, client: operation.client, operation }))),
    ({ key, client }) => `${client} ${key}`,
  );
  return [...atKey.values()].flatMap((those) => {
    let waiting = [];
    return those
      .sort((a, b) => a.operation.contendedAt - b.operation.contendedAt)
      .flatMap(({ key, operation: late }) => {
        waiting = waiting.filter(({ heldAt = 0 }) => heldAt > late.contendedAt);
        const overtaken = waiting.filter(
          (early) => early.heldAt > late.heldAt && keptIts(early) && !mayHoldTogether([early, late]),
        );
        waiting.push(late);
        return overtaken.map((early) => ({ key, early, late }));
      });
  });
}

/**
 * Refusals that name somebody who did not hold between the call and its answer: by the servers' own order, the claim
 * never was at the head of its queue, or not then; or whoever queued it had been told already that it does not hold.
 * Who was told late had been waiting for its claim to leave, in vain: where a client cannot reach the servers, nothing
 * can mark its claim, which blocks others, and is named, until it has left.
 *
 * @param {History} history
 * @returns {{ operation: Operation, holder: { owner: string, token: bigint }, why: string }[]}
 */
export function mistakenOf({ operations, claims, killed, run, ttl }) {
  const heads = headsOf(claims);
  const isRestored = run.some(({ type }) => type === 'restored');
  const atKey = grouped(
    operations.flatMap((operation) => operation.keys.map((key) => ({ id: `${operation.client} ${key}`, operation }))),
    ({ id }) => id,
  );
  /** Nothing is to be left of those that ended so when their users are told, unless it took as long as an attempt. */
  const leavesNothing = ({ how, code, contendedAt, wait = Infinity, endedAt }) =>
    how === 'error' &&
    ['ALREADY_LOCKED', 'LOCK_TIMEOUT'].includes(code) &&
    endedAt - contendedAt - wait < ATTEMPT * ttl;

  return operations
    .filter(({ code }) => code === 'ALREADY_LOCKED')
    .flatMap((operation) => {
      const { contendedAt: from, endedAt: until = Infinity } = operation;
      return (operation.holders ?? []).flatMap((holder) => {
        const why = operation.keys.map((key) => {
          const theirs = (atKey.get(`${holder.owner} ${key}`) ?? []).map((each) => each.operation);
          // Within a process it may have been handed the lock before the server carried out the release before its own.
          const isHeld = ({ token, heldAt, endedAt = Infinity }) =>
            token === holder.token && heldAt <= until + A_MOMENT && endedAt >= from - A_MOMENT;
          if (theirs.some(isHeld)) return undefined;
          const head = heads.get(claimId(holder.token, key));
          // The last changes before a restore may have been told to clients, and not to the observer.
          if (!head) return isRestored ? undefined : 'of whom there was no claim';
          if (head.isNever) return 'whose claim never was at the head of the queue';
          if (head.from > until + A_MOMENT) return 'who came to the head of the queue later';
          if (head.until < from - A_MOMENT) return 'whose claim was gone before';
          if (theirs.some(({ token }) => token === holder.token)) return undefined;
          const isOf = (each) => {
            const { heldAt = Infinity, contendedAt, endedAt = killed.get(holder.owner) ?? Infinity } = each;
            // It may have held later, by another claim: this one was lost while it waited.
            return heldAt > from && contendedAt < until && (endedAt > from || !leavesNothing(each));
          };
          return theirs.length > 0 && !theirs.some(isOf) ? 'whose user had been refused before' : undefined;
        });
        // Of several keys, it need be one of them only.
        return why.every((each) => each !== undefined) ? [{ operation, holder, why: why[0] }] : [];
      });
    });
}

/** From when to when each claim was at the head of its queue, as the servers have it. */
function headsOf(claims) {
  const heads = new Map();
  for (const [lock, queue] of grouped(claims, ({ key }) => lockOf(key))) {
    const start = { in: -Infinity, at: -Infinity };
    let [all, writers] = [start, start];
    /** The last of the semaphore's that go, as many as may hold. */
    let sharing = [];
    for (const claim of queue.sort((a, b) => Number(a.created) - Number(b.created))) {
      const { kind, created, createdAt, deletedIn = Infinity, deletedAt = Infinity, wasInBackup } = claim;
      const blocked = {
        reader: () => writers,
        semaphore: () => latest(writers, sharing.length < PERMITS ? start : sharing[PERMITS - 1]),
      };
      const free = (blocked[kind] ?? (() => all))();
      heads.set(claimId(created, lock), {
        isNever: free.in >= deletedIn && !wasInBackup,
        from: Math.max(createdAt, free.at),
        // It was there again, and nobody saw it come.
        until: wasInBackup ? Infinity : deletedAt,
      });
      const gone = { in: deletedIn, at: deletedAt };
      all = latest(all, gone);
      if (kind === 'semaphore') sharing = [...sharing, gone].sort((a, b) => b.in - a.in).slice(0, PERMITS);
      else if (kind !== 'reader') writers = latest(writers, gone);
    }
  }
  return heads;
}

const latest = (a, b) => (a.in >= b.in ? a : b);
