/**
 * Measures what locks cost, side by side with what the same work costs without them.
 *
 *   npm run bench                              all scenarios
 *   npm run bench -- --only sequential         one of them, or several: --only held --only nested
 *   npm run bench -- --quick                   fewer rounds, under a minute: to see that nothing broke
 *   npm run bench -- --json figures.json       the figures, to be compared with another run's
 *   npm run bench -- --publish                 … into docs/benchmarks: figures, tables and plots, of what was measured
 *
 * How to read the result: bench/README.md.
 */
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { plotsOf } from './plots.mjs';
import { hasTarget, headerOf, isMet, pageOf, scenarioReport, surroundings } from './report.mjs';

const SCENARIOS = [
  'sequential',
  'in-flight',
  'hand-off-between',
  'hand-off-inside',
  'held',
  'nested',
  'observed',
  'start',
  'engine',
  'once',
  'peers',
  'peers-hand-off',
  'clients-hand-off',
  'loss',
];
const PUBLISHED = new URL('../docs/benchmarks/', import.meta.url);
const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url));

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: SCENARIOS },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    publish: { type: 'boolean', default: false },
  },
});
const unknown = values.only.find((name) => !SCENARIOS.includes(name));
if (unknown !== undefined) {
  console.error(`There is no scenario "${unknown}"; there are: ${SCENARIOS.join(', ')}.`);
  process.exit(2);
}

const header = surroundings();
console.log(headerOf(header));
const results = {};
for (const name of SCENARIOS.filter((each) => values.only.includes(each))) {
  const { title, flags = [] } = await import(`./scenarios/${name}.mjs`);
  try {
    const result = await inProcessOfItsOwn(name, flags);
    results[name] = { title, ...result, targets: result.targets.map(judged) };
    console.log(scenarioReport(name, title, result));
  } catch (error) {
    // What could not be measured is no figure, and no reason not to measure the rest.
    console.error(`\n${name}  ${title}\n  FAILED     ${error.message}`);
    results[name] = { title, failed: error.message, tables: [], targets: [] };
    process.exitCode = 1;
  }
  // Each by itself: a run takes an hour, and one that is cut off keeps what it has measured.
  if (values.publish) await publish(name, results[name]);
}

const targets = Object.values(results)
  .flatMap((result) => result.targets)
  .filter(hasTarget);
console.log(`\n${targets.filter(isMet).length} of ${targets.length} targets met.`);
const figures = { ...header, quick: values.quick, scenarios: results };
if (values.json) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);

/** Beside what other runs have published: each scenario says when and where it was measured. */
async function publish(name, result) {
  mkdirSync(PUBLISHED, { recursive: true });
  const kept = new URL('figures.json', PUBLISHED);
  const before = existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : {};
  const measured = { ...header, quick: values.quick };
  const all = { ...before, [name]: { ...result, measured } };
  const inOrder = Object.fromEntries(SCENARIOS.flatMap((name) => (name in all ? [[name, all[name]]] : [])));
  writeFileSync(kept, `${JSON.stringify(inOrder, null, 2)}\n`);
  const plots = await plotsOf(inOrder);
  for (const [name, svg] of Object.entries(plots)) writeFileSync(new URL(`${name}.svg`, PUBLISHED), svg);
  writeFileSync(new URL('README.md', PUBLISHED), pageOf(inOrder, Object.keys(plots)));
}

function judged(target) {
  return hasTarget(target) ? { ...target, met: isMet(target) } : target;
}

function inProcessOfItsOwn(name, flags) {
  const bar = new SingleBar({ format: `${name} {bar} {percentage}%`, clearOnComplete: true, noTTYOutput: false });
  const child = fork(CHILD, [name, values.quick ? 'quick' : 'full'], { execArgv: ['--expose-gc', ...flags] });
  bar.start(1, 0);
  return new Promise((resolve, reject) => {
    child.on('message', ({ total, done, result, error }) => {
      if (result) resolve(result);
      else if (error) reject(new Error(error));
      else {
        bar.setTotal(total);
        bar.update(done);
      }
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`its process ended with ${code}`)));
  }).finally(() => bar.stop());
}
