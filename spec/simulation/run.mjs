/** Runs the simulator on a compiled copy of the engine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import fc from 'fast-check';
import { changedSources, compile, compileAll, sourceOf } from '../../scripts/changed-sources.mjs';
import { GUARDS } from './guards.mjs';

const CHUNK = 250;

const HELP = `Real engines, a server in memory, virtual time, and faults drawn from seeds.

  npm run simulate -- --seeds 100000                  as many schedules as asked, else 10000
  npm run simulate -- --seed 7                        from another start
  npm run simulate -- --without 'the deadline itself'    with a guard of the engine taken out: ends with 0 when that is found
  npm run simulate -- --guards --seeds 3000    the same with each guard, one after another

Three clients, each with a machine and a network of its own, contend for mutexes, semaphores, read/write locks and
several keys at once, try, lead an election, and take part in what is done once. Messages get lost, late and slow,
processes stop, machines sleep, wall clocks are set, clients are closed, the server restarts. In half of the runs it is
restored from a backup, too, people delete claims, and the ttl is from 2 s to a day.

A violation prints the smallest schedule that leads to it, and the seed and path to come back to it.

Guards:
${Object.keys(GUARDS)
  .map((name) => `  ${name}`)
  .join('\n')}`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    without: { type: 'string' },
    guards: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit();
}
const seeds = Number(values.seeds);
const guards = values.guards ? Object.keys(GUARDS) : [values.without];
for (const guard of guards) {
  if (guard !== undefined && !GUARDS[guard]) {
    throw new Error(`there is no guard "${guard}"; there are: ${Object.keys(GUARDS).join(', ')}`);
  }
}

// Thousands of errors are made for what gets lost on the simulated network, and nobody reads where.
Error.stackTraceLimit = 0;

const copy = mkdtempSync(join(tmpdir(), 'rxlock-simulation-'));
process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
compileAll(copy, 'commonjs', ['src', 'spec/simulation']);
for (const guard of guards) await run(guard);

/** Runs the schedules until one violates a rule. With a guard taken out, one has to. */
async function run(guard) {
  const { simulate, schedules } = loaded(guard);
  const total = {};
  let isFound = false;
  const property = fc.asyncProperty(schedules, async (schedule) => {
    // Promises that were settled in a run are handled between runs, or they and all they know pile up.
    await nextTurn();
    try {
      for (const [what, count] of Object.entries(simulate(schedule))) total[what] = (total[what] ?? 0) + count;
    } catch (error) {
      // Told at once: the search for the smallest schedule may take minutes.
      if (!isFound && guard === undefined)
        console.error(`\nviolated: ${error.message}; looking for the smallest schedule`);
      isFound = true;
      throw error;
    }
  });
  const bar = new SingleBar({ format: '{bar} {value}/{total} schedules, {duration_formatted}', noTTYOutput: false });
  bar.start(seeds, 0);
  let failure;
  for (let done = 0; done < seeds && !failure; done += CHUNK) {
    const details = await fc.check(property, {
      seed: Number(values.seed) + done,
      numRuns: Math.min(CHUNK, seeds - done),
      endOnFailure: guard !== undefined,
    });
    bar.update(done + details.numRuns);
    if (details.failed) failure = { ...details, run: done + details.numRuns };
  }
  bar.stop();

  const without = guard === undefined ? '' : `without "${guard}": `;
  if (failure) {
    console.log(`\n${without}schedule ${failure.run} violates: ${failure.errorInstance?.message}`);
    if (guard === undefined) console.log(fc.defaultReportMessage(failure));
  } else {
    const counts = Object.entries(total).map(([what, count]) => `${count} ${what}`);
    console.log(`\n${without}${seeds} schedules without a violation: ${counts.join(', ')}`);
  }
  if ((failure !== undefined) !== (guard !== undefined)) process.exitCode = 1;
}

/** The simulator with an engine that lacks the guard. The copy is whole again afterwards. */
function loaded(guard) {
  const changed = changedSources(guard === undefined ? [] : GUARDS[guard]);
  for (const [file, code] of changed) compile(copy, 'commonjs', file, code);
  const load = createRequire(join(copy, 'package.json'));
  for (const path of Object.keys(load.cache)) if (path.startsWith(copy)) delete load.cache[path];
  const parts = { ...load('./spec/simulation/schedule.js'), ...load('./spec/simulation/simulate.js') };
  for (const file of changed.keys()) compile(copy, 'commonjs', file, sourceOf(file));
  return parts;
}
