import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { interleaved, row } from '../measure.mjs';

export const title = 'The start: a process imports what it needs for locks on etcd v3';
export const server = false;

const node = promisify(execFile);

/** With the client that etcd v3 needed before rxlock had its own. */
const BEFORE = 'rxlock and npm etcd3';

/** What is imported, each in a process that does nothing else. */
const IMPORTS = {
  [BEFORE]: ['rxlock', 'etcd3'],
  'rxlock and rxlock/etcd3': ['rxlock', 'rxlock/etcd3'],
  'rxjs alone': ['rxjs'],
};

export async function run({ quick, progress }) {
  const [rounds, warmups] = quick ? [5, 1] : [31, 2];
  const tick = progress((rounds + warmups) * Object.keys(IMPORTS).length);
  const samples = await interleaved(
    Object.entries(IMPORTS).map(([name, modules]) => ({ name, round: () => importing(modules) })),
    { rounds, warmups, tick },
  );
  const rows = Object.keys(IMPORTS).map((name) => row(samples, name, BEFORE));
  const { ratio } = rows.find(({ name }) => name === 'rxlock and rxlock/etcd3');
  return {
    tables: [{ unit: 'ms to import', rows }],
    targets: [{ figure: 'with its own client / with npm etcd3', most: 0.5, value: ratio.median }],
  };
}

/** Milliseconds, as the process itself sees them. */
async function importing(modules) {
  const imports = modules.map((name) => `await import(${JSON.stringify(name)});`).join(' ');
  const code = `const from = performance.now(); ${imports} process.stdout.write(String(performance.now() - from));`;
  const { stdout } = await node(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: new URL('../..', import.meta.url),
  });
  return Number(stdout);
}
