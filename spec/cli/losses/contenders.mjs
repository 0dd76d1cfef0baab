/**
 * Who runs the command under a lock: rxlock, and etcdctl to compare.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const CHILD = join(here, 'child.mjs');
const RXLOCK = join(here, '../../../dist/esm/cli/rxlock.js');

/** @param {{ hosts: string, key: string, ttl: number, folder: string, etcdctl: string }} of */
const started = {
  rxlock: ({ hosts, key, ttl, folder }) =>
    spawn(
      process.execPath,
      [RXLOCK, 'run', key, '--hosts', hosts, '--ttl', `${ttl}ms`, '--', process.execPath, CHILD, folder],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    ),
  etcdctl: ({ hosts, key, ttl, folder, etcdctl }) =>
    spawn(etcdctl, ['lock', `--ttl=${ttl / 1000}`, key, process.execPath, CHILD, folder], {
      env: { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: hosts },
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
};

/** A process that contends, with what it said and how it ended. */
export function contender(kind, of) {
  const process = started[kind](of);
  const made = { process, said: '', ended: undefined, exited: undefined };
  process.stderr.on('data', (chunk) => (made.said += chunk));
  made.exited = new Promise((resolve) => {
    process.once('exit', (code, signal) => {
      made.ended = { code, signal };
      resolve(made.ended);
    });
  });
  return made;
}
