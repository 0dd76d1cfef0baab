import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { interleaved, row } from '../measure.mjs';

export const title = 'The start: a process imports what it needs for locks on etcd v3';
export const server = false;

const node = promisify(execFile);

/** What is imported, each in a process that does nothing else. */
const IMPORTS = {
  'npm etcd3': ['etcd3'],
  rxjs: ['rxjs'],
  'rxlock and rxlock/etcd3': ['rxlock', 'rxlock/etcd3'],
};

export async function run({ quick, progress }) {
  const [rounds, warmups] = quick ? [5, 1] : [31, 2];
  const tick = progress((rounds + warmups) * Object.keys(IMPORTS).length);
  const samples = await interleaved(
    Object.entries(IMPORTS).map(([name, modules]) => ({ name, round: () => importing(modules) })),
    { rounds, warmups, tick },
  );
  const rows = Object.keys(IMPORTS).map((name) => row(samples, name, 'npm etcd3'));
  const { ratio } = rows.find(({ name }) => name.startsWith('rxlock'));
  return {
    tables: [{ unit: 'ms to import', rows }],
    targets: [
      { figure: 'rxlock with its client / npm etcd3, which was needed beside rxlock', most: 0.5, value: ratio.median },
    ],
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
