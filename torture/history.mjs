/**
 * What the logs say, put together: operations, lives of clients, faults, claims and registers. Pure.
 */
import { grouped } from './grouped.mjs';
import { inEras } from './eras.mjs';
import { markersOf } from './markers.mjs';
import { BEGUN, LATE, LOCKS, REGISTERS, lockOf } from './names.mjs';

/**
 * @typedef {{ readonly t: number, readonly type: string, readonly [field: string]: any }} LogRecord
 */

/**
 * @typedef {object} Emission what the user of a lock was given while it was held
 * @property {number} t when it arrived, read before `believed`
 * @property {number} s when its source emitted it, before the lock let it through
 * @property {boolean} believed whether the client believed that it held, asked after `t`
 */

/**
 * @typedef {object} Operation one contention of one client
 * @property {string} client
 * @property {number} op
 * @property {string} kind
 * @property {readonly string[]} keys
 * @property {string} form
 * @property {number} [wait] as it was asked for, milliseconds
 * @property {number} contendedAt
 * @property {number} [queuedAt] when it was first known to be in the queue
 * @property {boolean} requeued its place was lost while it waited
 * @property {number} [heldAt]
 * @property {bigint} [token]
 * @property {readonly Emission[]} emissions
 * @property {number} [stoppedAt] when its body was stopped or had ended
 * @property {number} [endedAt]
 * @property {string} [how] completed, error, unsubscribed
 * @property {string} [code] of the error
 * @property {string} [reason] of the loss
 * @property {string} [message] of the error
 * @property {boolean} [isPlanned] whether the operation was chosen to end with that error
 * @property {number} ends how often it ended
 * @property {readonly { owner: string, token: bigint }[]} [holders] whom a refusal names
 * @property {{ t: number, value: string }} [produced] what its run has come to
 * @property {{ t: number, value: string }} [result] what it was given: of its own run, or of another one's
 * @property {string} [by] whose run had failed, by the error it was given
 */

/**
 * @typedef {object} Hold while the client did things under the lock
 * @property {Operation} operation
 * @property {string} key
 * @property {string} kind
 * @property {number} from its first emission
 * @property {number} until its last emission at which it believed that it held
 */

/**
 * @typedef {object} Claim
 * @property {string} key in etcd
 * @property {string} created
 * @property {string} lease
 * @property {number} createdAt when that was first heard of
 * @property {number} [deletedAt] when that was first heard of
 * @property {number} [deletedIn] the revision
 * @property {string} kind of lock, as the claim itself says
 * @property {boolean} [wasInBackup] it may be there again after a restore
 */

/**
 * @typedef {object} Register a write that the server accepted
 * @property {string} key of the lock
 * @property {number} revision
 * @property {bigint | undefined} token
 * @property {number} n
 * @property {string} client
 * @property {number} t
 */

/**
 * @typedef {object} History
 * @property {number} from
 * @property {number} until
 * @property {number} ttl
 * @property {Operation[]} operations
 * @property {Hold[]} holds
 * @property {readonly (LogRecord & { client: string })[]} records of the clients, in the order of their times
 * @property {readonly LogRecord[]} run of the harness
 * @property {{ lane: string, name: string, target: string, from: number, madeAt: number, until: number }[]} faults those that could be made; `from` is when
 *   that was begun
 * @property {{ client: string, from: number, until: number }[]} pauses times in which a client did not run
 * @property {Map<string, number>} killed
 * @property {Claim[]} claims
 * @property {Map<string, number>} takenAway when a claim, known by its token and its lock, was deleted by hand or its
 *   lease revoked: before its time, so that its holder can only be told afterwards
 * @property {Map<string, number>} endedEarly when a claim went with its lease that the server itself ended, although it
 *   had answered a renewal by which it was to live longer: the same for its holder
 * @property {Register[]} registers
 * @property {Register[]} lateWrites accepted ones, of those that were sent on purpose when the lock was over
 * @property {Register[]} begun the runs of what is done once, as they began
 * @property {import('./markers.mjs').Marker[]} markers
 * @property {Map<string, number>} restored when a claim was lost with the server that was replaced by its backup
 * @property {{ client: string, key: string, t: number, status: string, tokens: bigint[] }[]} told to observers
 * @property {readonly number[]} commits when each revision was first heard of
 * @property {readonly number[]} missed revisions that no observer saw
 */

/**
 * @param {object} given
 * @param {number} given.ttl
 * @param {Readonly<Record<string, readonly LogRecord[]>>} given.clients
 * @param {readonly LogRecord[]} given.run
 * @param {readonly import('./observer.mjs').Change[]} given.changes
 * @returns {History}
 */
export function historyOf({ ttl, clients: logs, run, changes: seen }) {
  const { changes, clients, restores } = inEras({ clients: logs, run, changes: seen });
  const records = Object.entries(clients)
    .flatMap(([client, log]) => log.map((record) => ({ ...record, client })))
    .sort((a, b) => a.t - b.t);
  const all = [...run.map(({ t }) => t), ...records.map(({ t }) => t)];
  const from = all.reduce((a, b) => Math.min(a, b), Infinity);
  const until = all.reduce((a, b) => Math.max(a, b), -Infinity);
  const claims = claimsOf(changes, restores);
  const takenAway = takenAwayOf(run, claims);
  const operations = Object.entries(clients).flatMap(([client, log]) => operationsOf(client, log));
  const revisions = new Map();
  for (const { revision, t } of changes) revisions.set(revision, Math.min(t, revisions.get(revision) ?? Infinity));
  return {
    from,
    until,
    ttl,
    operations,
    holds: operations.flatMap(holdsOf),
    records,
    run,
    faults: run
      .filter(({ type }) => type === 'fault')
      .map(({ lane, name, target, from: began, t }) => {
        const healed = run.find((each) => each.type === 'healed' && each['from'] === began && each['name'] === name);
        return { lane, name, target, from: began, madeAt: t, until: healed?.t ?? t };
      }),
    pauses: pausesOf(run, records, until),
    killed: new Map(run.filter(({ type }) => type === 'client-killed').map(({ client, t }) => [client, t])),
    claims,
    takenAway,
    restored: new Map(
      claims
        .filter(({ isRestored }) => isRestored)
        .map(({ created, key, deletedAt }) => [claimId(created, lockOf(key)), deletedAt]),
    ),
    endedEarly: endedEarlyOf({ claims, takenAway, records, ttl }),
    registers: registersOf(changes, REGISTERS),
    lateWrites: registersOf(changes, LATE),
    begun: registersOf(changes, BEGUN),
    markers: markersOf(changes, restores),
    told: records.flatMap(({ type, client, t, key, status, tokens = [] }) =>
      type === 'told' ? [{ client, key, t, status, tokens: tokens.map(BigInt) }] : [],
    ),
    commits: [...revisions.values()].sort((a, b) => a - b),
    missed: missing(
      [...revisions.keys()].sort((a, b) => a - b),
      restores,
    ),
  };
}

/** Between the keys of one lock, as it names itself. */
const SEVERAL = ' + ';

function operationsOf(client, log) {
  const operations = new Map();
  for (const { t, type, op, ...fields } of log) {
    const operation = operations.get(op);
    if (type === 'contend') {
      const { kind, keys, form, wait } = fields;
      operations.set(op, {
        client,
        op,
        kind,
        keys,
        form,
        wait,
        contendedAt: t,
        requeued: false,
        emissions: [],
        ends: 0,
      });
    } else if (type === 'requeued') {
      // It names the keys alone, so it may be any of those that wait for them.
      const named = fields.key.split(SEVERAL);
      for (const each of operations.values()) {
        const waits = each.heldAt === undefined && each.endedAt === undefined;
        const isOfThem =
          each.keys.length === named.length && each.keys.every((key) => named.includes(`${LOCKS}${key}`));
        if (waits && isOfThem) each.requeued = true;
      }
    } else if (!operation) {
      continue;
    } else if (type === 'waiting') {
      operation.queuedAt ??= t;
    } else if (type === 'held') {
      Object.assign(operation, { heldAt: t, token: fields.token === undefined ? undefined : BigInt(fields.token) });
    } else if (type === 'emit') {
      operation.emissions.push({ t, s: fields.s, believed: fields.believed });
    } else if (type === 'produced' || type === 'result') {
      operation[type] ??= { t, value: fields.value };
    } else if (type === 'stopped') {
      operation.stoppedAt = t;
    } else if (type === 'end') {
      operation.ends += 1;
      operation.endedAt ??= t;
      operation.how ??= fields.how;
      operation.code ??= fields.code;
      operation.reason ??= fields.reason;
      operation.message ??= fields.message;
      operation.by ??= fields.by;
      operation.isPlanned ??= fields.isPlanned;
      operation.holders ??= fields.holders?.map(({ owner, token }) => ({ owner, token: BigInt(token) }));
    }
  }
  return [...operations.values()];
}

/** From the first to the last thing it did while it believed that it held: what it did in between, it did holding. */
function holdsOf(operation) {
  const believed = operation.emissions.filter((emission) => emission.believed);
  if (believed.length === 0) return [];
  const from = believed[0].t;
  const until = believed[believed.length - 1].t;
  return operation.keys.map((key) => ({ operation, key, kind: operation.kind, from, until }));
}

function pausesOf(run, records, end) {
  const frozen = run
    .filter(({ type }) => type === 'client-frozen')
    .map(({ client, t }) => {
      const thawed = run.find((each) => each.type === 'client-thawed' && each['client'] === client && each.t >= t);
      return { client, from: t, until: thawed?.t ?? end };
    });
  const stalled = records
    .filter(({ type }) => type === 'stall')
    .map(({ client, from, t }) => ({ client, from, until: t }));
  return [...frozen, ...stalled];
}

function claimsOf(changes, restores) {
  const claims = new Map();
  const pending = [...restores];
  const restore = ({ from, first, backup }) => {
    for (const claim of [...claims.values()].flat()) {
      const { created, deletedIn = Infinity } = claim;
      claim.wasInBackup ||= Number(created) <= backup && deletedIn > backup;
      if (claim.deletedAt !== undefined) continue;
      Object.assign(claim, { deletedAt: from, deletedIn: first, isRestored: true });
    }
  };
  for (const { key, type, value, created, lease, t, revision } of changes) {
    while (pending[0] && revision > pending[0].first) restore(pending.shift());
    if (!key.startsWith(LOCKS) || key.includes('\0')) continue;
    if (type === 'delete') {
      const claim = claims.get(key)?.at(-1);
      if (claim) {
        claim.deletedAt ??= t;
        claim.deletedIn ??= revision;
      }
      continue;
    }
    const known = claims.get(key) ?? [];
    claims.set(key, known);
    if (!known.some((claim) => claim.created === created))
      known.push({ key, created, createdAt: t, lease, kind: kindIn(value) });
  }
  for (const each of pending) restore(each);
  return [...claims.values()].flat();
}

/** Of a lock that is not ours, or whose value was spoilt: nobody holds beside it. */
function kindIn(value) {
  try {
    return KIND_OF[JSON.parse(value).kind] ?? 'mutex';
  } catch {
    return 'mutex'; // npm etcd3 writes nothing, and a person anything
  }
}

/** As the checker calls what is written in a claim. */
const KIND_OF = { read: 'reader', write: 'writer', semaphore: 'semaphore' };

/** A request that was refused for want of a leader, and one whose connection broke. */
const CARRIED_OUT_WITHIN = 1000;

const BY_HAND = ['delete claim', 'revoke lease'];

function takenAwayOf(run, claims) {
  const taken = new Map();
  for (const { type, name, target, from, t } of run) {
    if (!['fault', 'fault-failed'].includes(type) || !BY_HAND.includes(name) || target === undefined) continue;
    // One that was not answered was carried out by then, or never.
    const by = type === 'fault' ? Infinity : t + CARRIED_OUT_WITHIN;
    const lease = claims.findLast(({ key, deletedAt = Infinity }) => key === target && deletedAt > from)?.lease;
    for (const claim of claims) {
      if (claim.key === target || (name === 'revoke lease' && claim.lease === lease)) {
        const { deletedAt } = claim;
        if (deletedAt !== undefined && deletedAt > from && deletedAt < by)
          taken.set(claimId(claim.created, lockOf(claim.key)), deletedAt);
      }
    }
  }
  return taken;
}

/** Who learns of that from the server, and not by its clock. */
const FROM_THE_SERVER = ['deleted', 'session'];

/** Where it is told a moment before we saw it. */
const A_MOMENT = 1000;

/**
 * Of each lease those claims that went last, all in one revision, while the client counted on the lease still: an answered
 * renewal said so, and it learnt of the end from the server.
 */
function endedEarlyOf({ claims, takenAway, records, ttl }) {
  const renewals = grouped(
    records.filter(({ type }) => type === 'renewed'),
    ({ lease }) => BigInt(`0x${lease}`).toString(),
  );
  const told = records.filter(
    ({ type, reason, cause }) =>
      ['lost', 'requeued'].includes(type) && FROM_THE_SERVER.includes(reason ?? cause?.reason),
  );
  const early = new Map();
  for (const [lease, onLease] of grouped(claims, (claim) => claim.lease)) {
    const last = onLease.reduce((latest, { deletedIn = Infinity }) => Math.max(latest, deletedIn), 0);
    const gone = onLease.filter(({ deletedIn }) => deletedIn === last);
    const at = gone[0]?.deletedAt;
    const renewal = at === undefined ? undefined : renewals.get(lease)?.findLast(({ t }) => t < at);
    if (at === undefined || !renewal || at >= renewal.t - renewal.took + ttl - marginOf(ttl)) continue;
    const isTold = ({ client, t }) => client === renewal.client && t > at - A_MOMENT && t < at + 2 * ttl;
    if (!told.some(isTold)) continue;
    const ids = gone.map(({ created, key }) => claimId(created, lockOf(key)));
    if (ids.some((id) => takenAway.has(id))) continue;
    for (const id of ids) early.set(id, at);
  }
  return early;
}

/** By which a client gives its lease up before the server may. */
const marginOf = (ttl) => Math.max(250, ttl / 10);

/** What a holder and the server both know a claim by. */
export const claimId = (token, key) => `${key} ${token}`;

const registersOf = (changes, below) =>
  changes
    .filter(({ key, type }) => type === 'put' && key.startsWith(below))
    .map(({ key, value, revision, t, era = 0 }) => {
      const { token, n, client } = JSON.parse(value);
      const known = token === undefined || token === 'undefined' ? undefined : BigInt(token);
      return { key: key.slice(below.length), revision, token: known, n, client, t, era };
    });

/** A restore leaps ahead, as revisions are counted here. */
function missing(revisions, restores) {
  const leaps = (before, after) => restores.some(({ first }) => before < first && first < after);
  const holes = [];
  for (let i = 1; i < revisions.length; i += 1) {
    if (leaps(revisions[i - 1], revisions[i])) continue;
    for (let revision = revisions[i - 1] + 1; revision < revisions[i]; revision += 1) holes.push(revision);
  }
  return holes;
}
