/**
 * Locks on a real cluster, under faults, and a checker over all that was seen.
 *
 *   npm run torture -- --minutes 2 --seed 1            ends with 1 when a rule was violated
 *   npm run torture -- --contender etcd3-lock          npm etcd3's own Lock, by the same rules
 *   npm run torture -- --contender etcd3-lock --must-break    ends with 1 when none was: for a known-bad one
 *   npm run torture -- --only 'kill leader'            these faults alone; more with --only again
 *   npm run torture -- --setup proxies                 with that around the cluster; `each` is one after the other
 *   npm run torture -- --check torture/runs/rxlock-1   the checker and the report over the logs of an earlier run
 *   npm run torture -- --broken 'a deadline at 1.4 ttl'       with an engine that is broken so: torture/targeted/broken.mjs
 *   … --part 600-720                                   the picture shows these seconds only
 *
 * What it does and how to read what it prints: torture/README.md.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { decksFor } from './faults.mjs';
import { openLog, readLog } from './log.mjs';
import { report } from './report.mjs';
import { schedule } from './schedule.mjs';
import { SETUPS } from './setups.mjs';
import { BROKEN } from './targeted/broken.mjs';
import { builtEngine } from './targeted/built.mjs';
import { torture } from './torture.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CONTENDERS = ['rxlock', 'etcd3-lock'];

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    contender: { type: 'string', default: 'rxlock' },
    only: { type: 'string', multiple: true },
    clients: { type: 'string', default: '5' },
    workers: { type: 'string', default: '7' },
    ttl: { type: 'string', default: '5000' },
    setup: { type: 'string', default: 'plain' },
    broken: { type: 'string' },
    check: { type: 'string' },
    part: { type: 'string' },
    'must-break': { type: 'boolean', default: false },
  },
});

/** What a known-bad contender is to break: to be slow or untidy does not count. */
const SAFETY = [
  'one holder at a time',
  'tokens grow',
  'the register takes no stale token',
  'no update is lost',
  'a key is run to its end at most once while its marker is kept',
  'a runner that has lost its lock marks nothing',
  'a value is one that a run of its key has produced',
  'no value older than the latest is seen after it',
];

const fail = (message) => {
  console.error(message);
  process.exit(2);
};

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupted.abort(new Error(signal)));

try {
  process.exitCode = values.check === undefined ? await newRuns() : conclude(values.check);
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
  console.error(`Ended early by ${interrupted.signal.reason.message}; everything that was started is stopped.`);
  process.exitCode = 130;
}

/** One, or one of each set-up, which share the time. */
async function newRuns() {
  const each = Object.keys(SETUPS);
  const chosen = values.setup === 'each' ? each : [values.setup];
  if (!chosen.every((name) => each.includes(name)))
    fail(`There is no set-up "${values.setup}"; there are: each, ${each.join(', ')}.`);
  let code = 0;
  for (const setup of chosen) code = Math.max(code, conclude(await newRun(setup, chosen.length)));
  return code;
}

/** @param {string} setup @param {number} share as many runs share the time */
async function newRun(setup, share) {
  const numbers = Object.fromEntries(
    ['minutes', 'clients', 'workers', 'ttl'].map((name) => [name, Number(values[name])]),
  );
  for (const [name, number] of Object.entries(numbers)) if (!(number > 0)) fail(`--${name} must be a number above 0.`);
  const { clients, workers, ttl } = numbers;
  const minutes = numbers.minutes / share;
  const { seed, contender, only, broken } = values;
  if (!CONTENDERS.includes(contender))
    fail(`There is no contender "${contender}"; there are: ${CONTENDERS.join(', ')}.`);
  const decks = decksFor(ttl, SETUPS[setup]);
  const names = Object.values(decks).flatMap((deck) => deck.map(({ name }) => name));
  const unknown = share > 1 ? undefined : only?.find((name) => !names.includes(name));
  if (unknown !== undefined) fail(`There is no fault "${unknown}"; there are: ${names.join(', ')}.`);
  const chosen = Object.fromEntries(
    Object.entries(decks)
      .map(([lane, deck]) => [lane, deck.filter(({ name }) => only?.includes(name) ?? true)])
      .filter(([, deck]) => deck.length > 0),
  );

  const length = minutes * 60_000;
  const planned = schedule({ seed, length, decks: chosen });
  const folder = join(
    ROOT,
    'torture/runs',
    [contender, seed, ...(setup === 'plain' ? [] : [setup]), ...(broken === undefined ? [] : ['broken'])].join('-'),
  );
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const record = openLog(join(folder, 'run.jsonl'));
  record('settings', { contender, setup, broken, seed, minutes, clients, workers, ttl, only, planned });

  const bar = new SingleBar({
    format: '{bar} {duration_formatted} {phase}',
    clearOnComplete: true,
    noTTYOutput: false,
  });
  bar.start(length, 0, { phase: 'starting' });
  try {
    await torture({
      folder,
      contender,
      setup,
      engine: engineOf(broken),
      seed,
      clients,
      workers,
      ttl,
      planned,
      length,
      record,
      signal: interrupted.signal,
      progress: (done, phase) => bar.update(done, { phase }),
    });
  } finally {
    bar.stop();
  }
  return folder;
}

/** The folder of the engine that is to be tried, if it is not the one of this package. */
function engineOf(broken) {
  if (broken === undefined) return undefined;
  const { change } = BROKEN[broken] ?? {};
  if (!change) return fail(`There is no engine broken as "${broken}"; there are: ${Object.keys(BROKEN).join(', ')}.`);
  const made = mkdtempSync(join(tmpdir(), 'rxlock-broken-'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  return builtEngine(made, change);
}

function partGiven() {
  if (values.part === undefined) return undefined;
  const [, from, until] = /^(\d+)-(\d+)$/.exec(values.part) ?? fail('--part is two numbers of seconds: 600-720.');
  return { from: Number(from), until: Number(until) };
}

/** @returns {number} how the process is to end */
function conclude(folder) {
  const files = readdirSync(folder).filter((file) => /^c\d+\.\d+\.jsonl$/.test(file));
  const {
    text,
    files: written,
    violations,
  } = report({
    run: readLog(join(folder, 'run.jsonl')),
    changes: readLog(join(folder, 'changes.jsonl')),
    part: partGiven(),
    clients: Object.fromEntries(files.map((file) => [basename(file, '.jsonl'), readLog(join(folder, file))])),
  });
  for (const [name, content] of Object.entries(written)) writeFileSync(join(folder, name), content);
  console.log(text);
  console.log(`\nThe logs, the figures and the timeline are in ${relative(process.cwd(), folder) || folder}`);
  const isSafe = !violations.some(({ rule }) => SAFETY.includes(rule));
  if (values['must-break']) {
    console.log(isSafe ? 'No rule of safety was violated, as one should have been.' : 'As it has to be with this one.');
    return isSafe ? 1 : 0;
  }
  return violations.length > 0 ? 1 : 0;
}
