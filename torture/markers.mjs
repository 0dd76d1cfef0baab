/**
 * What one of a fleet has done for all: the markers that say so, and what the rules of them find. Pure.
 */
import { grouped } from './grouped.mjs';
import { lockOf, markedBy } from './names.mjs';

/**
 * @typedef {import('./history.mjs').History} History
 * @typedef {import('./history.mjs').Operation} Operation
 */

/**
 * @typedef {object} Marker
 * @property {string} key whose work is done
 * @property {number} revision
 * @property {number} t when it was first heard of
 * @property {bigint | undefined} token of whose run it is
 * @property {string | undefined} by
 * @property {string | undefined} value
 * @property {boolean} isFailed
 * @property {boolean} isOver it was written over another one
 * @property {number} [deletedIn] the revision
 * @property {number} [deletedAt] when that was first heard of
 * @property {boolean} [wasInBackup] it may be there again after a restore
 */

/**
 * @param {readonly import('./observer.mjs').Change[]} changes
 * @param {readonly import('./eras.mjs').Restore[]} restores
 * @returns {Marker[]}
 */
export function markersOf(changes, restores) {
  /** @type {Marker[]} */
  const all = [];
  const kept = new Map();
  const pending = [...restores];
  const restore = ({ from, first, backup }) => {
    for (const marker of all) marker.wasInBackup ||= marker.revision <= backup && (marker.deletedIn ?? first) > backup;
    for (const marker of kept.values()) Object.assign(marker, { deletedAt: from, deletedIn: first });
    kept.clear();
  };
  for (const { key: marking, type, value, created, revision, t } of changes) {
    while (pending[0] && revision > pending[0].first) restore(pending.shift());
    const key = markedBy(marking);
    if (key === undefined) continue;
    const before = kept.get(key);
    if (before) Object.assign(before, { deletedAt: t, deletedIn: revision });
    kept.delete(key);
    if (type === 'delete') continue;
    const said = JSON.parse(value);
    const token = said.token === undefined ? undefined : BigInt(said.token);
    const isOver = created !== String(revision);
    const marker = { key, revision, t, token, by: said.by, value: said.value, isFailed: 'failed' in said, isOver };
    kept.set(key, marker);
    all.push(marker);
  }
  for (const each of pending) restore(each);
  return all;
}

const isOnce = ({ kind }) => kind === 'once';
const isDone = (operation) => isOnce(operation) && operation.heldAt !== undefined && operation.how === 'completed';
const idOf = (key, token) => `${key} ${token}`;

/**
 * Runs that began although the key was marked as done, by the order of the servers: the marker was there before the
 * claim of the run came to the head of its queue, and still when the run wrote that it had begun. And markers that were
 * written over others.
 *
 * Not meant: a run whose predecessor had done the work and died, or lost its lock, before it was marked. That one left
 * no marker, and the work is done again, as docs/fleet.md says.
 *
 * @param {Pick<History, 'begun' | 'markers' | 'claims'>} history
 * @returns {{ key: string, t: number, client: string, marker: Marker }[]}
 */
export function runAgainOf({ begun, markers, claims }) {
  const turns = turnsOf(claims);
  const atKey = grouped(markers, ({ key }) => key);
  const again = begun.flatMap(({ key, token, revision, t, client }) => {
    const { from = -Infinity } = turns.get(idOf(key, token)) ?? {};
    return (atKey.get(key) ?? [])
      .filter((marker) => marker.token !== token && marker.revision < from)
      .filter(({ deletedIn = Infinity }) => revision < deletedIn)
      .map((marker) => ({ key, t, client, marker }));
  });
  const over = markers.filter(({ isOver }) => isOver).map((marker) => ({ ...marker, client: marker.by, marker }));
  return [...again, ...over];
}

/**
 * Markers of runs whose claim was not at the head of its queue when they were written: it had gone, or was not yet.
 *
 * @param {Pick<History, 'markers' | 'claims' | 'run'>} history
 * @returns {{ marker: Marker, why: string }[]}
 */
export function mismarkedOf({ markers, claims, run }) {
  const turns = turnsOf(claims);
  const isRestored = run.some(({ type }) => type === 'restored');
  return markers.flatMap((marker) => {
    const turn = turns.get(idOf(marker.key, marker.token));
    // The last changes before a restore may not have been told to the observer; what was in the backup came back.
    if (turn?.wasInBackup || (!turn && isRestored)) return [];
    const why = !turn
      ? 'of which there never was a claim'
      : marker.revision >= turn.until
        ? `whose claim had gone in revision ${turn.until}`
        : marker.revision < turn.from
          ? 'whose claim was not at the head of its queue'
          : undefined;
    return why === undefined ? [] : [{ marker, why }];
  });
}

/** From which revision to which each claim was at the head of its queue. */
function turnsOf(claims) {
  const turns = new Map();
  for (const [key, queue] of grouped(claims, (claim) => lockOf(claim.key))) {
    let gone = -Infinity;
    for (const { created, deletedIn = Infinity, wasInBackup } of queue.sort(
      (a, b) => Number(a.created) - Number(b.created),
    )) {
      turns.set(idOf(key, created), { from: Math.max(Number(created), gone), until: deletedIn, wasInBackup });
      gone = Math.max(gone, deletedIn);
    }
  }
  return turns;
}

/**
 * Results that nobody has produced at that key by then: values, and failures that count.
 *
 * @param {Pick<History, 'operations' | 'markers' | 'run'>} history
 * @returns {{ operation: Operation, what: string }[]}
 */
export function unproducedOf({ operations, markers, run }) {
  const isRestored = run.some(({ type }) => type === 'restored');
  const producedAt = new Map(
    operations.flatMap(({ keys: [key], produced }) => (produced ? [[idOf(key, produced.value), produced.t]] : [])),
  );
  const failed = new Set(markers.filter(({ isFailed }) => isFailed).map(({ key, by }) => idOf(key, by)));
  return operations.filter(isOnce).flatMap((operation) => {
    const [key] = operation.keys;
    const { result, code, by } = operation;
    if (result && !(producedAt.get(idOf(key, result.value)) <= result.t)) {
      return [{ operation, what: `"${result.value}"` }];
    }
    if (code === 'RUN_FAILED' && !isRestored && !failed.has(idOf(key, by))) {
      return [{ operation, what: `a failure of ${by}` }];
    }
    return [];
  });
}

/**
 * Runs that completed for their user, and that nobody else is told of.
 *
 * @param {Pick<History, 'operations' | 'markers' | 'run'>} history
 * @returns {Operation[]}
 */
export function unmarkedOf({ operations, markers, run }) {
  if (run.some(({ type }) => type === 'restored')) return [];
  const marked = new Set(markers.map(({ key, token }) => idOf(key, token)));
  return operations.filter((operation) => isDone(operation) && !marked.has(idOf(operation.keys[0], operation.token)));
}

/**
 * Values that were older than what somebody had been given before it was asked, or that were kept no more by then. What
 * a restored server has is older, and true.
 *
 * @param {Pick<History, 'operations' | 'markers' | 'run'>} history
 * @returns {{ operation: Operation, why: string }[]}
 */
export function outdatedOf({ operations, markers, run }) {
  const restores = run.filter(({ type }) => type === 'restored').map(({ from }) => from);
  const eraAt = (t) => restores.filter((from) => from < t).length;
  const byValue = new Map(markers.map((marker) => [idOf(marker.key, marker.value), marker]));
  const byToken = new Map(markers.map((marker) => [idOf(marker.key, marker.token), marker]));
  const seen = operations.filter(isOnce).flatMap((operation) => {
    const { keys, contendedAt: asked, heldAt, endedAt, result, token } = operation;
    const [key] = keys;
    const isOwn = heldAt !== undefined;
    const marker = isOwn ? byToken.get(idOf(key, token)) : result && byValue.get(idOf(key, result.value));
    if (!marker || (isOwn && !isDone(operation))) return [];
    const t = isOwn ? endedAt : result.t;
    return [{ operation, key, asked, t, marker, isOwn, era: eraAt(t) }];
  });
  return [...grouped(seen, ({ key, era }) => `${key} ${era}`).values()].flatMap((those) => {
    const told = [...those].sort((a, b) => a.t - b.t);
    let newest;
    let next = 0;
    return those
      .sort((a, b) => a.asked - b.asked)
      .flatMap(({ operation, asked, marker, isOwn }) => {
        for (; next < told.length && told[next].t < asked; next += 1) {
          if (!newest || told[next].marker.revision > newest.marker.revision) newest = told[next];
        }
        if (newest && newest.marker.revision > marker.revision) {
          const { client, op } = newest.operation;
          return [{ operation, why: `after ${client} #${op} had been given "${newest.marker.value}", which is newer` }];
        }
        const { deletedAt = Infinity, wasInBackup } = marker;
        if (!isOwn && !wasInBackup && deletedAt < asked) {
          return [{ operation, why: `which was kept no more for ${Math.round(asked - deletedAt)} ms when it asked` }];
        }
        return [];
      });
  });
}
