/**
 * The foreground of a terminal: a command that is to have it needs a process group that the terminal knows of, and only
 * a shell with job control can give it one; Node has neither setpgid(2) nor tcsetpgrp(3).
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { statOf } from './group.js';

/**
 * Whether we have a terminal to pass on. Where our output goes into a pipe, what reads from that may need the terminal,
 * such as a pager.
 */
export function isForeground(): boolean {
  if (!process.stdout.isTTY) return false;
  const [group, owner] = process.platform === 'linux' ? groupsByProc() : groupsByPs();
  return group !== undefined && group === owner;
}

/** proc(5): after the name in brackets state, parent, group, session, terminal, the terminal's foreground group. */
function groupsByProc(): readonly (string | undefined)[] {
  const [, , group, , , owner] = statOf(process.pid);
  return [group, owner];
}

const groupsByPs = (): readonly (string | undefined)[] =>
  execFileSync('ps', ['-o', 'pgid=', '-o', 'tpgid=', '-p', String(process.pid)], { encoding: 'utf8' })
    .trim()
    .split(/\s+/);

/**
 * Says which group it is, then becomes the command, whose arguments no shell reads. Ctrl-Z is ignored, since a command
 * that stands still would hold the lock; one that stops in spite of that is continued (147 to 150 are the codes of those
 * who are stopped).
 */
const SCRIPT = `
set -m
sh -c 'trap "" TSTP; echo $$ >&3; exec 3>&-; exec "$@"' sh "$@"
code=$?
while [ $code -ge 147 ] && [ $code -le 150 ]; do
  fg >/dev/null 2>&1
  code=$?
done
exit $code`;

/** Starts it in the foreground; its group is written to the socket. */
export function inForeground(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  groupEnd: Socket | undefined,
): ChildProcess {
  if (!groupEnd) throw new TypeError('no pipe to tell the group by');
  const launched = spawn('/bin/sh', ['-c', SCRIPT, 'sh', command, ...args], {
    env,
    stdio: ['inherit', 'inherit', 'inherit', groupEnd],
  });
  groupEnd.destroy();
  return launched;
}
