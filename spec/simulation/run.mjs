/** Runs the simulator on a compiled copy of the engine. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { transformSync } from '@swc/core';
import { SingleBar } from 'cli-progress';
import fc from 'fast-check';
import { GUARDS } from './guards.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const CHUNK = 250;

const HELP = `Real engines, a server in memory, virtual time, and faults drawn from seeds.

  npm run simulate -- --seeds 100000                  as many schedules as asked, else 10000
  npm run simulate -- --seed 7                        from another start
  npm run simulate -- --without 'the deadline itself'    with a guard of the engine taken out: ends with 0 when that is found

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
  },
});
if (values.help) {
  console.log(HELP);
  process.exit();
}
const seeds = Number(values.seeds);
const changes = values.without === undefined ? [] : GUARDS[values.without];
if (!changes) throw new Error(`there is no guard "${values.without}"; there are: ${Object.keys(GUARDS).join(', ')}`);

// Thousands of errors are made for what gets lost on the simulated network, and nobody reads where.
Error.stackTraceLimit = 0;

const copy = mkdtempSync(join(tmpdir(), 'rxlock-simulation-'));
process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
compile(copy);
const load = createRequire(join(copy, 'package.json'));
const { schedules } = load('./spec/simulation/schedule.js');
const { simulate } = load('./spec/simulation/simulate.js');

const total = {};
const property = fc.property(schedules, (schedule) => {
  for (const [what, count] of Object.entries(simulate(schedule))) total[what] = (total[what] ?? 0) + count;
});
const bar = new SingleBar({ format: '{bar} {value}/{total} schedules, {duration_formatted}', noTTYOutput: false });
bar.start(seeds, 0);
let failure;
for (let run = 0; run < seeds && !failure; run += CHUNK) {
  const details = fc.check(property, {
    seed: Number(values.seed) + run,
    numRuns: Math.min(CHUNK, seeds - run),
    endOnFailure: values.without !== undefined,
  });
  bar.update(run + details.numRuns);
  // Promises that were settled in the runs are handled between them, or they and all they know pile up.
  await nextTurn();
  if (details.failed) failure = { ...details, run: run + details.numRuns };
}
bar.stop();

if (failure) {
  console.log(`\nschedule ${failure.run} violates: ${failure.errorInstance?.message}`);
  if (values.without === undefined) console.log(fc.defaultReportMessage(failure));
} else {
  const counts = Object.entries(total).map(([what, count]) => `${count} ${what}`);
  console.log(`\n${seeds} schedules without a violation: ${counts.join(', ')}`);
}
const asExpected = (failure !== undefined) === (values.without !== undefined);
process.exitCode = asExpected ? 0 : 1;

/** Sources and simulator as CommonJS, with the guard taken out. */
function compile(target) {
  const files = ['src', 'spec/simulation'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true })
      .map((file) => join(folder, file))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('-spec.ts')),
  );
  const made = new Set();
  for (const file of files) {
    let code = readFileSync(join(ROOT, file), 'utf8');
    for (const [where, what, instead] of changes) {
      if (where !== file) continue;
      if (!code.includes(what)) throw new Error(`the guard "${values.without}" is not in ${file} any more: ${what}`);
      code = code.replaceAll(what, instead);
      made.add(where);
    }
    const { code: output } = transformSync(code, {
      filename: file,
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs' },
    });
    const path = join(target, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, output);
  }
  for (const [where] of changes) if (!made.has(where)) throw new Error(`there is no ${where}`);
  const imports = { '#platform': './src/platform/node.js' };
  writeFileSync(join(target, 'package.json'), JSON.stringify({ type: 'commonjs', imports }));
  symlinkSync(join(ROOT, 'node_modules'), join(target, 'node_modules'));
}
