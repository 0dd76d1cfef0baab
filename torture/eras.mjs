/**
 * A cluster that was restored from a snapshot counts its revisions on from there: what clients and servers say of two
 * times may have the same numbers. Here each restore begins an era, and its revisions are made larger than all before.
 */
import { BEGUN, LATE, LOCKS, REGISTERS, lockOf, markedBy } from './names.mjs';

/** More than there are revisions in a run. */
const ERA = 1e10;

/**
 * @typedef {object} Restore
 * @property {number} from when the servers were stopped
 * @property {number} t when they served again
 * @property {number} backup the revision in the snapshot, as counted here
 * @property {number} first the revision that the era began with, as counted here
 */

/**
 * @param {object} given
 * @param {Readonly<Record<string, readonly import('./history.mjs').LogRecord[]>>} given.clients
 * @param {readonly import('./history.mjs').LogRecord[]} given.run
 * @param {readonly import('./observer.mjs').Change[]} given.changes
 */
export function inEras({ clients, run, changes: seen }) {
  const restored = run.filter(({ type }) => type === 'restored');
  if (restored.length === 0) return { clients, changes: seen, restores: [] };
  /** Of each claim, the eras in which it came in. */
  const erasOf = new Map();
  for (const { key, type, created, revision, era = 0 } of seen) {
    if (type !== 'put' || !key.startsWith(LOCKS) || created !== String(revision)) continue;
    const id = `${lockOf(key)} ${created}`;
    erasOf.set(id, [...(erasOf.get(id) ?? []), era]);
  }
  const eraAt = (t) => restored.filter((each) => each['from'] < t).length;
  const counted = (revision, era) => era * ERA + Number(revision);
  /** A token says which claim it is of; where two eras have such a one, the time does. */
  const tokenOf = (lock, token, t) => {
    const eras = erasOf.get(`${lock} ${token}`) ?? [];
    const now = eraAt(t);
    return counted(token, eras.findLast((era) => era <= now) ?? now);
  };

  const changes = seen.map(({ era = 0, ...change }) => {
    const register = [REGISTERS, LATE, BEGUN].find((below) => change.key.startsWith(below));
    const lock = register === undefined ? markedBy(change.key) : change.key.slice(register.length);
    return {
      ...change,
      era,
      revision: counted(change.revision, era),
      // What was there in the snapshot is of the time before.
      created: change.created === '0' ? '0' : String(createdIn(change, era, tokenOf)),
      ...(lock !== undefined && change.type === 'put' && { value: valueIn(change, lock, tokenOf) }),
    };
  });
  const told = ([client, log]) => {
    const locks = new Map();
    const lines = log.map((line) => {
      const { type, op, t } = line;
      if (type === 'contend') locks.set(op, line['keys'][0]);
      const named = (key, token) => (token === undefined ? undefined : String(tokenOf(key, token, t)));
      if (type === 'held') return { ...line, token: named(locks.get(op), line['token']) };
      if (type === 'told') return { ...line, tokens: line['tokens'].map((token) => named(line['key'], token)) };
      if (type !== 'end' || !line['holders']) return line;
      const holders = line['holders'].map((holder) => ({ ...holder, token: named(locks.get(op), holder.token) }));
      return { ...line, holders };
    });
    return [client, lines];
  };
  return {
    clients: Object.fromEntries(Object.entries(clients).map(told)),
    changes,
    restores: restored.map(({ from, t, revision }, i) => ({
      from,
      t,
      backup: counted(revision, i),
      first: counted(revision, i + 1),
    })),
  };
}

function createdIn({ key, created, revision, t }, era, tokenOf) {
  if (created === String(revision) || !key.startsWith(LOCKS)) return era * ERA + Number(created);
  return tokenOf(lockOf(key), created, t);
}

function valueIn({ value, t }, lock, tokenOf) {
  const said = JSON.parse(value);
  if (said.token === undefined || said.token === 'undefined') return value;
  return JSON.stringify({ ...said, token: String(tokenOf(lock, said.token, t)) });
}
