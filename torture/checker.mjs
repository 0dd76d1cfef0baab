/**
 * The rules, each a pure function from a history to what violates it.
 */
import { grouped } from './grouped.mjs';
import { mayHoldTogether } from './kinds.mjs';
import { claimId } from './history.mjs';
import { lockOf } from './names.mjs';
import { mismarkedOf, outdatedOf, runAgainOf, unmarkedOf, unproducedOf } from './markers.mjs';
import { mistakenOf, overtakenOf } from './order.mjs';
import { staleOf } from './views.mjs';

/**
 * @typedef {import('./history.mjs').History} History
 * @typedef {import('./history.mjs').Operation} Operation
 * @typedef {import('./history.mjs').Hold} Hold
 */

/**
 * @typedef {object} Violation
 * @property {string} rule
 * @property {number} t
 * @property {string} message
 * @property {string} [key]
 */

/** A claim that is gone before its time is noticed by its holder's watch, else by an audit once in so many ttl. */
const NOTICED_IN_TTLS = 2;

/** Between a source and its consumer lies nothing but the lock: more than that, and the process was put aside there. */
const SAME_INSTANT = 50;

/** The codes of what can go wrong for who contends or holds; its own abort and the error of its body are planned. */
const PROMISED = ['ALREADY_LOCKED', 'LOCK_TIMEOUT', 'LOCK_LOST', 'BACKEND'];

/** And for who waits for what another one runs. */
const PROMISED_OF_RUNS = [...PROMISED, 'RUN_FAILED'];

/** An election, and some. */
const ELECTION = 3000;

/** Of so many guarded writes, one is accepted in any run that is one. */
const ENOUGH_WRITES = 20;

/** The store may grow beyond its quota by what goes past it: deletions, and what was under way. */
const BEYOND_QUOTA = 1.5;

/** @type {Readonly<Record<string, (history: History) => Violation[]>>} */
export const RULES = {
  'one holder at a time': (history) =>
    overlapsOf(history)
      .filter(({ isExcused }) => !isExcused)
      .map(({ key, from, until, holds }) => ({
        rule: 'one holder at a time',
        key,
        t: from,
        message: `${holds.map(named).join(' and ')} held ${key} together for ${(until - from).toFixed(1)} ms`,
      })),

  'tokens grow': (history) =>
    [...grouped(inOrder(history), ({ keys: [key] }) => key)].flatMap(([key, held]) =>
      pairs(held.sort((a, b) => a.heldAt - b.heldAt))
        .filter(([before, after]) => !(after.token > before.token))
        .map(([before, after]) => ({
          rule: 'tokens grow',
          key,
          t: after.heldAt,
          message: `${named({ operation: after })} held ${key} with token ${after.token}, after ${named({ operation: before })} with ${before.token}`,
        })),
    ),

  'the register takes no stale token': ({ registers }) =>
    writesOf(registers, (before, after) =>
      after.token === undefined || before.token === undefined || after.token >= before.token
        ? undefined
        : `took token ${after.token} of ${after.client} after ${before.token} of ${before.client}`,
    ).map((violation) => ({ rule: 'the register takes no stale token', ...violation })),

  'no update is lost': ({ registers }) =>
    writesOf(registers, (before, after) =>
      after.n === before.n + 1 || after.era !== before.era
        ? undefined
        : `went from ${before.n} (${before.client}) to ${after.n} (${after.client}), revision ${after.revision}`,
    ).map((violation) => ({ rule: 'no update is lost', ...violation })),

  'first come, first served': (history) =>
    [...grouped(inOrder(history), ({ keys: [key] }) => key)].flatMap(([key, held]) =>
      held.flatMap((late) =>
        held
          .filter(
            (early) =>
              early.queuedAt !== undefined &&
              !early.requeued &&
              early.queuedAt < late.contendedAt &&
              early.heldAt > late.heldAt &&
              !held.some((older) => tookPlaceOf(early, older, late)),
          )
          .map((early) => ({
            rule: 'first come, first served',
            key,
            t: late.heldAt,
            message: `${named({ operation: late })} held ${key} before ${named({ operation: early })}, which had queued before it came`,
          })),
      ),
    ),

  'served in the order of subscription': (history) =>
    overtakenOf(history).map(({ key, early, late }) => ({
      rule: 'served in the order of subscription',
      key,
      t: late.heldAt,
      message: `${named({ operation: late })} held ${key} before ${named({ operation: early })} of the same Locks, which had subscribed ${(late.contendedAt - early.contendedAt).toFixed(1)} ms before it`,
    })),

  'a refusal names who held': (history) =>
    mistakenOf(history).map(({ operation, holder, why }) => ({
      rule: 'a refusal names who held',
      key: operation.keys[0],
      t: operation.endedAt,
      message: `${named({ operation })} was refused ${operation.keys[0]}, as held by ${holder.owner} with token ${holder.token}, ${why}`,
    })),

  'some guarded writes succeed': ({ records, from }) => {
    const outcomes = records.filter(({ type }) => type === 'write').map(({ outcome }) => outcome);
    const [ok, refused] = ['ok', 'refused'].map((each) => outcomes.filter((outcome) => outcome === each).length);
    return ok > 0 || refused < ENOUGH_WRITES
      ? []
      : [{ rule: 'some guarded writes succeed', t: from, message: `none of ${refused} guarded writes was accepted` }];
  },

  'a late guarded write is refused': ({ claims, registers, lateWrites }) => {
    const byId = new Map(claims.map((claim) => [claimId(claim.created, lockOf(claim.key)), claim]));
    return [...registers, ...lateWrites].flatMap(({ key, token, revision, client, t }) => {
      const { deletedIn = Infinity, wasInBackup = false } = byId.get(claimId(token, key)) ?? {};
      if (wasInBackup || deletedIn >= revision) return [];
      const message = `a write of ${client} with token ${token} of ${key} was accepted in revision ${revision}, its claim having been gone since ${deletedIn}`;
      return [{ rule: 'a late guarded write is refused', key, t, message }];
    });
  },

  // By the servers' own order. Work that was done and not marked, since who did it died or lost its lock in between, is
  // done again: that leaves no marker, and no client could prevent it.
  'a key is run to its end at most once while its marker is kept': (history) =>
    runAgainOf(history).map(({ key, t, client, marker }) => ({
      rule: 'a key is run to its end at most once while its marker is kept',
      key,
      t,
      message: `${client} ran ${key}, which had been marked as done by ${marker.by} in revision ${marker.revision}`,
    })),

  'a runner that has lost its lock marks nothing': (history) =>
    mismarkedOf(history).map(({ marker: { key, t, by, token, revision }, why }) => ({
      rule: 'a runner that has lost its lock marks nothing',
      key,
      t,
      message: `${by} marked ${key} as done in revision ${revision}, with token ${token}, ${why}`,
    })),

  'a run that completes is marked': (history) =>
    unmarkedOf(history).map((operation) => ({
      rule: 'a run that completes is marked',
      key: operation.keys[0],
      t: operation.endedAt,
      message: `${named({ operation })} ran ${operation.keys[0]} with token ${operation.token} and completed, and left no marker`,
    })),

  'a value is one that a run of its key has produced': (history) =>
    unproducedOf(history).map(({ operation, what }) => ({
      rule: 'a value is one that a run of its key has produced',
      key: operation.keys[0],
      t: operation.result?.t ?? operation.endedAt,
      message: `${named({ operation })} was given ${what} of ${operation.keys[0]}, which nobody had produced there by then`,
    })),

  'no value older than the latest is seen after it': (history) =>
    outdatedOf(history).map(({ operation, why }) => ({
      rule: 'no value older than the latest is seen after it',
      key: operation.keys[0],
      t: operation.result?.t ?? operation.endedAt,
      message: `${named({ operation })} was given "${operation.result?.value}" ${why}`,
    })),

  'every operation ends': ({ operations, killed }) =>
    operations
      .filter(({ endedAt, client }) => endedAt === undefined && !killed.has(client))
      .map((operation) => ({
        rule: 'every operation ends',
        key: operation.keys[0],
        t: operation.contendedAt,
        message: `${named({ operation })} ${operation.heldAt === undefined ? 'waited' : 'held'} to the end and did not end`,
      })),

  'nobody waits for nothing': (history) =>
    gapsOf(history)
      .filter(({ calm }) => calm > 2 * history.ttl + ELECTION)
      .map(({ key, from, until, calm }) => ({
        rule: 'nobody waits for nothing',
        key,
        t: from,
        message: `nobody held ${key} for ${Math.round(until - from)} ms while some waited, ${Math.round(calm)} ms of it after the last fault`,
      })),

  'an observer is told in time': (history) =>
    staleOf(history, (from, until) => calmOf(history.faults, from, until))
      .filter(({ calm }) => calm > history.ttl)
      .map(({ client, key, t, what, calm }) => ({
        rule: 'an observer is told in time',
        key,
        t,
        message: `${client} was told that ${key} is ${what}, and nothing else for ${Math.round(calm)} ms after the last fault`,
      })),

  'a lock is to be had once all is well': ({ run, operations, ttl }) => {
    const healed = run.find(({ type }) => type === 'healed-all')?.t ?? Infinity;
    // A store that claims fill may be full again: then it is true, and no fault of the lock.
    const mayBeFull = run.some(({ type, quota }) => type === 'size' && quota !== undefined);
    return operations
      .filter(
        ({ contendedAt, code, heldAt, wait = Infinity }) =>
          // With less time than a slow machine takes, it may just not have been answered.
          contendedAt > healed + ELECTION + ttl / 2 && wait > ttl / 2 && code === 'BACKEND' && heldAt === undefined,
      )
      .filter(({ message }) => !(mayBeFull && message?.includes('out of space')))
      .map((operation) => ({
        rule: 'a lock is to be had once all is well',
        key: operation.keys[0],
        t: operation.endedAt,
        message: `${named({ operation })} was told, ${Math.round(operation.contendedAt - healed)} ms after the last fault was healed: ${operation.message}`,
      }));
  },

  'the store stays within its quota': ({ run }) => {
    const over = run.filter(({ type, sizes, quota }) => type === 'size' && Math.max(...sizes) > BEYOND_QUOTA * quota);
    const most = over.reduce((max, { sizes }) => Math.max(max, ...sizes), 0);
    return over.slice(0, 1).map(({ t, quota }) => ({
      rule: 'the store stays within its quota',
      t,
      message: `a store with a quota of ${megabytes(quota)} MB grew to ${megabytes(most)} MB`,
    }));
  },

  'nothing after the deadline': ({ operations }) =>
    operations.flatMap((operation) =>
      operation.emissions
        .filter(({ t, s, believed }) => !believed && t - s < SAME_INSTANT)
        .map(({ t }) => ({
          rule: 'nothing after the deadline',
          key: operation.keys[0],
          t,
          message: `${named({ operation })} was given something although it no longer held`,
        })),
    ),

  'nothing after the end': ({ operations }) =>
    operations.flatMap((operation) => {
      const over = Math.min(operation.stoppedAt ?? Infinity, operation.endedAt ?? Infinity);
      const late = operation.emissions.filter(({ t }) => t > over);
      const problems = [
        ...(late.length > 0 ? [`was given ${late.length} values after its body was stopped`] : []),
        ...(operation.ends > 1 ? [`ended ${operation.ends} times`] : []),
        ...(endedFirst(operation) ? ['was told of the end before its body was stopped'] : []),
      ];
      return problems.map((problem) => ({
        rule: 'nothing after the end',
        key: operation.keys[0],
        t: operation.endedAt ?? over,
        message: `${named({ operation })} ${problem}`,
      }));
    }),

  'a loss is told before the server gives the lock away': (history) =>
    noticesOf(history)
      .filter(({ early, paused }) => early < 0 && !paused)
      .map(({ operation, early }) => ({
        rule: 'a loss is told before the server gives the lock away',
        key: operation.keys[0],
        t: operation.stoppedAt,
        message: `${named({ operation })} was told ${Math.round(-early)} ms after its claim was gone, though its process ran`,
      })),

  'an error is one of those that are promised': ({ operations }) =>
    operations
      .filter(({ how, code, isPlanned, kind }) => {
        const promised = kind === 'once' ? PROMISED_OF_RUNS : PROMISED;
        return how === 'error' && !isPlanned && !promised.includes(code);
      })
      .map((operation) => ({
        rule: 'an error is one of those that are promised',
        key: operation.keys[0],
        t: operation.endedAt,
        message: `${named({ operation })} (${operation.form}) ended with ${operation.code ?? 'no code'}: ${operation.message}`,
      })),

  'a claim leaves with its operation': (history) =>
    forgottenOf(history).map(({ client, key, since, until }) => ({
      rule: 'a claim leaves with its operation',
      key: lockOf(key),
      t: since,
      message: `${client} left ${key} in the queue for ${Math.round(until - since)} ms after its operation, and renewed its lease meanwhile`,
    })),

  'nothing is left on the server': ({ run }) =>
    run
      .filter(({ type }) => type === 'inventory')
      .flatMap(({ t, phase, claims, leases, watchers }) =>
        [
          ...(claims.length > 0 ? [`the keys ${claims.slice(0, 5).join(', ')}${claims.length > 5 ? ' …' : ''}`] : []),
          ...(phase === 'closed' && leases > 0 ? [`${leases} leases`] : []),
          ...(phase === 'closed' && watchers > 0 ? [`${watchers} watches`] : []),
        ].map((what) => ({ rule: 'nothing is left on the server', t, message: `${phase}: ${what} left` })),
      ),

  'no process fails': ({ records, run }) =>
    [
      ...records
        .filter(({ type }) => type === 'unhandled' || type === 'crash')
        .map(({ t, client, type, message, stack }) => ({ t, message: `${client}: ${type}: ${stack ?? message}` })),
      ...records
        .filter(({ type }) => type === 'warning')
        .map(({ t, client, name, message }) => ({ t, message: `${client}: ${name}: ${message}` })),
      ...run
        .filter(({ type }) => type === 'client-died')
        .map(({ t, client, code, signal, words }) => ({
          t,
          message: `${client} ended with ${code ?? signal}: ${words}`,
        })),
    ].map((violation) => ({ rule: 'no process fails', ...violation })),

  'nothing is left in the process': ({ records, run }) =>
    [
      ...records
        .filter(({ type }) => type === 'lingering')
        .map(({ t, client, resources }) => ({
          t,
          message: `${client} did not end by itself: ${resources.join(', ')}`,
        })),
      ...run
        .filter(({ type, clean }) => type === 'client-closed' && clean === false)
        .map(({ t, client }) => ({ t, message: `${client} had to be killed after it was closed` })),
      ...heapsOf(records)
        .filter(({ early, late }) => late > 1.5 * early + 8 * 2 ** 20)
        .map(({ client, early, late, t }) => ({
          t,
          message: `${client}: the heap grew from ${megabytes(early)} to ${megabytes(late)} MB`,
        })),
    ].map((violation) => ({ rule: 'nothing is left in the process', ...violation })),

  'the observer saw all': ({ missed, from }) =>
    missed.length === 0
      ? []
      : [
          {
            rule: 'the observer saw all',
            t: from,
            message: `${missed.length} revisions were not seen: ${missed.slice(0, 5).join(', ')}`,
          },
        ],
};

/**
 * @param {History} history
 * @returns {Violation[]}
 */
export const violationsOf = (history) =>
  Object.values(RULES)
    .flatMap((rule) => rule(history))
    .sort((a, b) => a.t - b.t);

/**
 * The stretches of time in which holders of one key held that may not hold together. `isByHand`: all but one of them had
 * had their claims deleted by hand, and not for long, so that they could not have been told. `isExcused`: or their lease
 * ended by the server before its time, or the server replaced by its backup, which each renewal tells.
 *
 * @param {Pick<History, 'holds' | 'takenAway' | 'endedEarly' | 'restored' | 'ttl'>} history
 * @returns {{ key: string, from: number, until: number, holds: Hold[], isByHand: boolean, isExcused: boolean }[]}
 */
export function overlapsOf({ holds, takenAway, endedEarly, restored, ttl }) {
  const wasTaken = ({ key, operation: { token } }, until, ways) =>
    ways.some(
      (way) => until - (way.get(claimId(token, key)) ?? -Infinity) < (way === restored ? 1 : NOTICED_IN_TTLS) * ttl,
    );
  const isFine = ({ holds, until }, ...ways) => mayHoldTogether(holds.filter((hold) => !wasTaken(hold, until, ways)));
  const judged = (overlap) => ({
    ...overlap,
    isByHand: isFine(overlap, takenAway),
    isExcused: isFine(overlap, takenAway, endedEarly, restored),
  });
  return stretchesOf(holds).map(judged);
}

function stretchesOf(holds) {
  return [...grouped(holds, ({ key }) => key)].flatMap(([key, onKey]) => {
    const overlaps = [];
    const edges = onKey
      .flatMap((hold) => [
        { t: hold.from, isStart: true, hold },
        { t: hold.until, isStart: false, hold },
      ])
      // Who begins in the very instant in which another one ends overlaps.
      .sort((a, b) => a.t - b.t || Number(b.isStart) - Number(a.isStart));
    const holding = new Set();
    let since;
    for (const { t, isStart, hold } of edges) {
      if (isStart) holding.add(hold);
      const isFine = mayHoldTogether([...holding]);
      if (!isFine && isStart) {
        if (since) overlaps.push({ key, from: since.t, until: t, holds: since.holds });
        since = { t, holds: [...holding] };
      }
      if (!isStart) {
        holding.delete(hold);
        if (since) overlaps.push({ key, from: since.t, until: t, holds: since.holds });
        since = mayHoldTogether([...holding]) ? undefined : { t, holds: [...holding] };
      }
    }
    return overlaps;
  });
}

/**
 * The times in which nobody held a key although somebody contended for it; `calm` is how long that went on after the
 * last fault in it was healed.
 *
 * @param {Pick<History, 'operations' | 'faults' | 'killed' | 'until'>} history
 */
export function gapsOf({ operations, faults, killed, until: end }) {
  const lastOf = (operation) => operation.endedAt ?? killed.get(operation.client) ?? end;
  return [...grouped(operations, ({ keys: [key] }) => key)].flatMap(([key, onKey]) => {
    const edges = onKey.flatMap((operation) => {
      const { contendedAt, heldAt, stoppedAt, token } = operation;
      const last = lastOf(operation);
      // Its killer does not wait for it: a claim of a dead client holds until its lease ends.
      const isHolder = heldAt !== undefined && token !== undefined;
      return [
        { t: contendedAt, waiting: 1, holding: 0 },
        { t: heldAt ?? last, waiting: -1, holding: 0 },
        ...(isHolder
          ? [
              { t: heldAt, waiting: 0, holding: 1 },
              { t: Math.max(heldAt, stoppedAt ?? last), waiting: 0, holding: -1 },
            ]
          : []),
      ];
    });
    edges.sort((a, b) => a.t - b.t);
    const gaps = [];
    let waiting = 0;
    let holding = 0;
    let since;
    for (const edge of edges) {
      waiting += edge.waiting;
      holding += edge.holding;
      const isGap = waiting > 0 && holding === 0;
      if (isGap) since ??= edge.t;
      else if (since !== undefined) {
        if (edge.t > since) gaps.push({ key, from: since, until: edge.t, calm: calmOf(faults, since, edge.t) });
        since = undefined;
      }
    }
    return gaps;
  });
}

function calmOf(faults, from, until) {
  const disturbed = faults.filter((fault) => fault.from < until).map((fault) => Math.min(disturbsUntil(fault), until));
  return until - Math.max(from, ...disturbed);
}

/** Those of one member, whose clients reach all others: what they have to do is to find that out, and to wait for a leader. */
const CUT_OFF = {
  'part node': ELECTION,
  'part leader': ELECTION,
  'cut off the leader': ELECTION,
  'cut off a member': 0,
};

const disturbsUntil = ({ name, madeAt, until }) => Math.min(until, madeAt + (CUT_OFF[name] ?? Infinity));

/**
 * For each hold that ended because no renewal was answered: how long before the server deleted the claim its body was
 * stopped, and whether its process stood still meanwhile.
 *
 * @param {Pick<History, 'operations' | 'claims' | 'pauses' | 'restored'>} history
 */
export function noticesOf({ operations, claims, pauses, restored }) {
  const deletions = deletionsOf(claims);
  return operations
    .filter(({ token, keys: [key] }) => !restored.has(claimId(token, key)))
    .filter(({ code, reason, stoppedAt }) => code === 'LOCK_LOST' && reason === 'expired' && stoppedAt !== undefined)
    .flatMap((operation) => {
      const deletedAt = deletions.get(claimId(operation.token, operation.keys[0]));
      if (deletedAt === undefined || operation.stoppedAt === undefined) return [];
      const { client, heldAt = 0, form, endedAt = Infinity, stoppedAt } = operation;
      // A promise cannot be stopped: its user is told, by the rejection and the signal, and stops what he can.
      const noticedAt = STOPS_FIRST.includes(form) ? stoppedAt : Math.min(stoppedAt, endedAt);
      const paused = pauses.some((pause) => pause.client === client && pause.from < noticedAt && pause.until > heldAt);
      return [{ operation, early: deletedAt - noticedAt, paused }];
    });
}

/**
 * Claims that stood in the queue for two ttl after whoever queued was done, on a lease that was renewed by then: so the
 * client and the server could have spoken about it. Which operation a claim belongs to is known of those that held; of
 * the others, that it is none of those that came later.
 */
function forgottenOf({ claims, operations, records, ttl, until }) {
  const renewals = grouped(
    records.filter(({ type }) => type === 'renewed'),
    ({ lease }) => BigInt(`0x${lease}`).toString(),
  );
  const atKey = grouped(
    operations.flatMap((operation) => operation.keys.map((key) => ({ id: `${operation.client} ${key}`, operation }))),
    ({ id }) => id,
  );
  const holders = new Map(
    operations.flatMap((operation) => operation.keys.map((key) => [claimId(operation.token, key), operation])),
  );
  return claims.flatMap(({ key, created, createdAt, lease, deletedAt = until }) => {
    const onLease = renewals.get(lease) ?? [];
    const { client } = onLease[0] ?? {};
    const last = onLease.findLast(({ t }) => t < deletedAt)?.t ?? 0;
    // Most are gone long before.
    if (last < createdAt + 2 * ttl) return [];
    const own = holders.get(claimId(created, lockOf(key)));
    const ours = own ? [own] : (atKey.get(`${client} ${lockOf(key)}`) ?? []).map(({ operation }) => operation);
    const since = ours
      .filter(({ contendedAt }) => contendedAt <= createdAt)
      .reduce((latest, { endedAt = Infinity }) => Math.max(latest, endedAt), -Infinity);
    return since > -Infinity && last > since + 2 * ttl ? [{ client, key, since, until: deletedAt }] : [];
  });
}

/** When the servers deleted each claim. */
export const deletionsOf = (claims) =>
  new Map(claims.map(({ created, key, deletedAt }) => [claimId(created, lockOf(key)), deletedAt]));

/** The smallest heaps of a client in the first and the last third of its life, after it has warmed up. */
function heapsOf(records) {
  const samples = grouped(
    records.filter(({ type }) => type === 'sample'),
    ({ client }) => client,
  );
  return [...samples].flatMap(([client, all]) => {
    const warm = all.slice(2);
    const third = Math.floor(warm.length / 3);
    if (third < 2) return [];
    const least = (part) => Math.min(...part.map(({ heap }) => heap));
    return [
      { client, t: warm[warm.length - 1].t, early: least(warm.slice(0, third)), late: least(warm.slice(-third)) },
    ];
  });
}

const megabytes = (bytes) => (bytes / 2 ** 20).toFixed(1);

/** One at a time, so one token after the other. */
const isExclusive = ({ kind }) => ['mutex', 'long mutex', 'writer', 'once'].includes(kind);

const wasHeld = ({ heldAt, token }) => heldAt !== undefined && token !== undefined;

/** The operators stop a body before they tell anybody; in the other forms the body looks for itself. */
const STOPS_FIRST = ['withLock', 'usingLock', 'runOnce'];

const endedFirst = ({ form, endedAt, stoppedAt }) =>
  STOPS_FIRST.includes(form) && stoppedAt !== undefined && endedAt !== undefined && endedAt < stoppedAt;

/**
 * Whether somebody of the same client who had subscribed before holds with its place, which came before that of the late
 * one: claims of one client that ask for the same are exchanged, so that it serves its own in their order.
 */
const tookPlaceOf = (early, older, late) =>
  older.client === early.client &&
  older.contendedAt < early.contendedAt &&
  older.heldAt > early.queuedAt &&
  older.heldAt < late.heldAt &&
  BigInt(older.token) < BigInt(late.token);

/** Those of which order can be asked: not who was told that it holds when its claim had just been taken from it. */
const inOrder = ({ operations, takenAway, endedEarly, restored }) =>
  operations.filter((operation) => {
    if (!isExclusive(operation) || !wasHeld(operation)) return false;
    const id = claimId(operation.token, operation.keys[0]);
    const takenAt = takenAway.get(id) ?? endedEarly.get(id) ?? restored.get(id) ?? Infinity;
    return operation.heldAt < takenAt - A_MOMENT;
  });

/** By which a client may be told before the observer. */
const A_MOMENT = 1000;

const named = ({ operation: { client, op } }) => `${client} #${op}`;

const writesOf = (registers, objection) =>
  [...grouped(registers, ({ key }) => key)].flatMap(([key, writes]) =>
    pairs(writes.sort((a, b) => a.revision - b.revision)).flatMap(([before, after]) => {
      const message = objection(before, after);
      return message === undefined ? [] : [{ key, t: after.t, message: `the register of ${key} ${message}` }];
    }),
  );

const pairs = (list) => list.slice(1).map((after, i) => [list[i], after]);
