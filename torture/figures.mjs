/**
 * The figures of a run. Pure.
 */
import { deletionsOf, gapsOf, noticesOf, overlapsOf } from './checker.mjs';
import { grouped } from './grouped.mjs';
import { claimId } from './history.mjs';

/** For so long the last commits of a leader that fell are still being told of; no successor is elected that soon. */
const STILL_TOLD = 500;

/** Further apart, no two operations can overtake each other. */
const TOO_FAR = 15_000;

/**
 * @param {import('./history.mjs').History} history
 * @returns {Record<string, string>}
 */
export function figuresOf(history) {
  const { operations, records, run, faults, registers, commits } = history;
  const held = operations.filter(({ heldAt }) => heldAt !== undefined);
  const writes = countsOf(
    records.filter(({ type }) => type === 'write'),
    ({ outcome }) => outcome,
  );
  const losses = operations.filter(({ code }) => code === 'LOCK_LOST');
  const gaps = gapsOf(history).map(({ from, until }) => until - from);
  const overlaps = overlapsOf(history);
  const lasting = (list) =>
    `${milliseconds(sum(list.map(({ from, until }) => until - from)))} in ${list.length} stretches`;
  const handOvers = handOversOf(history);
  const notices = noticesOf(history)
    .filter(({ paused }) => !paused)
    .map(({ early }) => early);
  const harness = run.find(({ type }) => type === 'harness');
  const stalls = records.filter(({ type }) => type === 'stall').map(({ t, from }) => t - from);
  const ambiguous = operations.flatMap(({ emissions }) => emissions.filter(({ believed }) => !believed)).length;

  return {
    operations: `${operations.length}, of which ${held.length} held`,
    'operations by kind': inWords(countsOf(operations, ({ kind }) => kind)),
    'operations by form': inWords(countsOf(operations, ({ form }) => form)),
    'operations by ending': inWords(countsOf(operations, endingOf)),
    'faults by kind': inWords(countsOf(faults, ({ name }) => name)),
    'faults that could not be made': String(run.filter(({ type }) => type === 'fault-failed').length),
    'done once for all': doneOf(history),
    losses: `${losses.length} (${inWords(countsOf(losses, ({ reason }) => reason ?? 'unknown')) || 'none'})`,
    'places lost while waiting': String(records.filter(({ type }) => type === 'requeued').length),
    'double holding': lasting(overlaps.filter(({ isExcused }) => !isExcused)),
    'double holding after a claim was deleted by hand': lasting(overlaps.filter(({ isByHand }) => isByHand)),
    'claims whose lease the server ended before its time': String(history.endedEarly.size),
    'double holding after that': lasting(overlaps.filter(({ isExcused, isByHand }) => isExcused && !isByHand)),
    'from such a deletion to the stop of the body': spread(takingsOf(history)),
    'values let through and late, the process having stood still in between': String(ambiguous),
    'writes to the registers': inWords(writes) || 'none',
    'writes in the registers': String(registers.length),
    'body stopped before the server deleted the claim, at a loss by expiry': spread(notices),
    'longest time in which nobody held while somebody waited': milliseconds(longest(gaps)),
    "from a holder's death to the next hold": spread(handOvers.map(({ afterDeath }) => afterDeath)),
    '… of that, from the deletion of its claim by the server': spread(
      handOvers.flatMap(({ afterDeletion }) => afterDeletion),
    ),
    'first commit after a leader was killed': spread(recoveriesOf(faults, commits, 'kill leader')),
    'longest time without a commit': milliseconds(longest(commits.slice(1).map((t, i) => t - commits[i]))),
    'first come, first served: pairs compared': String(comparedOf(held)),
    'heap at the end, of each client': heapsOf(records),
    'stalls of client processes': `${stalls.length}, longest ${milliseconds(longest(stalls))}`,
    'slowest turn of the harness itself': milliseconds(harness?.['slowest'] ?? 0),
  };
}

/**
 * From the death of a process that held to the next hold of that key by another one, where somebody waited. The first
 * part of it is the server's, which lets the lease run out; the second one is the client's.
 *
 * @param {import('./history.mjs').History} history
 * @returns {{ afterDeath: number, afterDeletion: number[] }[]}
 */
function handOversOf({ holds, operations, killed, claims }) {
  const deletions = deletionsOf(claims);
  return [...killed].flatMap(([client, t]) => {
    const orphans = operations.filter(
      // One whose body was done had its release under way, perhaps.
      (each) => each.client === client && each.heldAt !== undefined && each.stoppedAt === undefined,
    );
    return orphans.flatMap(({ keys: [key], token }) => {
      const next = holds.filter((hold) => hold.key === key && hold.from > t).sort((a, b) => a.from - b.from)[0];
      if (!next || next.operation.contendedAt > t) return [];
      const deletedAt = deletions.get(claimId(token, key));
      return [{ afterDeath: next.from - t, afterDeletion: deletedAt === undefined ? [] : [next.from - deletedAt] }];
    });
  });
}

/** Of what one does for all; `again`: runs whose predecessor came to its end and was not marked. */
function doneOf({ operations, markers }) {
  const those = operations.filter(({ kind }) => kind === 'once');
  const runs = those.filter(({ heldAt }) => heldAt !== undefined);
  const marked = new Set(markers.map(({ key, token }) => claimId(token, key)));
  const again = runs.filter(({ produced, token, keys: [key] }) => produced && !marked.has(claimId(token, key)));
  const given = those.filter(({ heldAt, result, code }) => heldAt === undefined && (result || code === 'RUN_FAILED'));
  return `${runs.length} runs, ${markers.length} markers, given to ${given.length}; ${again.length} done and not marked`;
}

/** How long holders went on whose claims were taken away by hand. */
const takingsOf = ({ operations, takenAway }) =>
  operations.flatMap(({ token, keys: [key], code, stoppedAt }) => {
    const at = takenAway.get(claimId(token, key));
    return at === undefined || stoppedAt === undefined || code !== 'LOCK_LOST' ? [] : [stoppedAt - at];
  });

/**
 * @param {import('./history.mjs').History['faults']} faults
 * @param {readonly number[]} commits in order
 * @param {string} name of the fault
 */
function recoveriesOf(faults, commits, name) {
  return faults
    .filter((fault) => fault.name === name)
    .flatMap(({ madeAt }) => {
      const first = commits.find((t) => t > madeAt + STILL_TOLD);
      return first === undefined ? [] : [first - madeAt];
    });
}

/** How many pairs the rule of order had something to say about: those that waited at the same time, or nearly. */
const comparedOf = (held) =>
  [...grouped(held, ({ keys: [key] }) => key).values()].reduce(
    (count, onKey) =>
      count +
      onKey.reduce(
        (more, late) =>
          more +
          onKey.filter(
            ({ queuedAt = Infinity, requeued }) =>
              !requeued && queuedAt < late.contendedAt && late.contendedAt - queuedAt < TOO_FAR,
          ).length,
        0,
      ),
    0,
  );

const endingOf = ({ how, code, heldAt }) => {
  if (how === undefined) return 'died with its process';
  if (how !== 'error') return how;
  return code ?? (heldAt === undefined ? 'aborted' : 'body failed or aborted');
};

function heapsOf(records) {
  const last = new Map();
  for (const { type, client, heap } of records) if (type === 'sample') last.set(client, heap);
  const heaps = [...last.values()].map((heap) => heap / 2 ** 20);
  return heaps.length === 0 ? 'none' : `${Math.min(...heaps).toFixed(1)} to ${Math.max(...heaps).toFixed(1)} MB`;
}

function countsOf(list, nameOf) {
  const counts = {};
  for (const item of list) counts[nameOf(item)] = (counts[nameOf(item)] ?? 0) + 1;
  return counts;
}

const inWords = (counts) =>
  Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

/** Of more than can be arguments of one call. */
const longest = (list) => list.reduce((most, each) => Math.max(most, each), 0);

const sum = (list) => list.reduce((total, each) => total + each, 0);

const milliseconds = (ms) => `${Math.round(ms).toLocaleString('en')} ms`;

function spread(list) {
  if (list.length === 0) return 'did not occur';
  const sorted = [...list].sort((a, b) => a - b);
  const at = (part) => milliseconds(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]);
  return `${list.length} times: least ${at(0)}, p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`;
}
