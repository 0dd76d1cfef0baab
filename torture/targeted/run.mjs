/**
 * The targeted runs: short plays on real servers, each held to find the broken engine that it is there for.
 *
 *   npm run torture:targeted                                all scenarios with this engine, then with the broken ones
 *   npm run torture:targeted -- --scenario 'guarded writes' that one only; more with --scenario again
 *   npm run torture:targeted -- --intact                    with this engine only
 *
 * Ends with 1 when this engine broke a scenario, or a broken one was not found.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { BROKEN } from './broken.mjs';
import { builtEngine } from './built.mjs';
import { SCENARIOS } from './scenarios.mjs';

const { startEtcd } = createRequire(import.meta.url)('../../scripts/etcd.cjs');
const ONE = fileURLToPath(new URL('one.mjs', import.meta.url));

/** They wait most of the time. */
const AT_ONCE = 4;

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true },
    intact: { type: 'boolean', default: false },
  },
});
const wanted = values.scenario ?? Object.keys(SCENARIOS);
const unknown = wanted.find((name) => !SCENARIOS[name]);
if (unknown !== undefined) {
  console.error(`There is no scenario "${unknown}"; there are: ${Object.keys(SCENARIOS).join(', ')}.`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'rxlock-targeted-'));
const etcd = await startEtcd();
let failures = 0;
try {
  const intact = builtEngine(join(folder, 'intact'));
  const plays = [
    ...wanted.map((scenario) => ({ scenario, engine: intact, broken: undefined })),
    ...Object.entries(values.intact ? {} : BROKEN)
      .filter(([, { by }]) => wanted.includes(by))
      .map(([broken, { by, change }], i) => ({
        scenario: by,
        broken,
        engine: builtEngine(join(folder, String(i)), change),
      })),
  ];
  await atOnce(AT_ONCE, plays, async ({ scenario, engine, broken }) => {
    const { found, error } = await play(scenario, engine);
    const isFine = error === undefined && (found === undefined) === (broken === undefined);
    if (!isFine) failures += 1;
    const what = broken === undefined ? scenario : `${broken}, by "${scenario}"`;
    const outcome = error ?? found ?? (broken === undefined ? 'as it should be' : 'NOT FOUND');
    console.log(`${isFine ? 'ok  ' : 'FAIL'} ${what}: ${outcome}`);
  });
} finally {
  await etcd.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.log(failures === 0 ? '\nAll as they should be.' : `\n${failures} not as they should be.`);
process.exitCode = failures === 0 ? 0 : 1;

async function play(scenario, engine) {
  const given = JSON.stringify({ engine, scenario, url: etcd.url });
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [ONE, given]);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}');
  } catch (error) {
    return { error: `its process failed: ${error.message}` };
  }
}

async function atOnce(most, list, run) {
  const left = [...list];
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) await run(next);
  };
  await Promise.all(Array.from({ length: most }, worker));
}
