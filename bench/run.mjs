/**
 * Measures what locks cost, side by side with what the same work costs without them.
 *
 *   npm run bench                              all scenarios
 *   npm run bench -- --only sequential         one of them, or several: --only held --only nested
 *   npm run bench -- --quick                   fewer rounds, under a minute: to see that nothing broke
 *   npm run bench -- --json figures.json       the figures, to be compared with another run's
 *
 * How to read the result: bench/README.md.
 */
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { hasTarget, headerOf, isMet, scenarioReport, surroundings } from './report.mjs';

const SCENARIOS = [
  'sequential',
  'in-flight',
  'hand-off-between',
  'hand-off-inside',
  'held',
  'nested',
  'observed',
  'engine',
  'peers',
  'peers-hand-off',
  'loss',
];
const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url));

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: SCENARIOS },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
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
    results[name] = { title, ...result };
    console.log(scenarioReport(name, title, result));
  } catch (error) {
    // What could not be measured is no figure, and no reason not to measure the rest.
    console.error(`\n${name}  ${title}\n  FAILED     ${error.message}`);
    results[name] = { title, failed: error.message, tables: [], targets: [] };
    process.exitCode = 1;
  }
}

const targets = Object.values(results)
  .flatMap((result) => result.targets)
  .filter(hasTarget);
console.log(`\n${targets.filter(isMet).length} of ${targets.length} targets met.`);
if (values.json) {
  const figures = Object.fromEntries(
    Object.entries(results).map(([name, result]) => [name, { ...result, targets: result.targets.map(judged) }]),
  );
  writeFileSync(values.json, `${JSON.stringify({ ...header, quick: values.quick, scenarios: figures }, null, 2)}\n`);
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
