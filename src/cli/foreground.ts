/**
 * Starts a command in the foreground of a terminal. The terminal must know its process group. Only a shell with job
 * control can arrange that, since Node has neither setpgid(2) nor tcsetpgrp(3).
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { statOf } from './group.js';

/**
 * Whether we have the terminal, and may pass it on. Not if our output goes into a pipe: its reader, such as a pager,
 * may need the terminal.
 */
export function isForeground(): boolean {
  if (!process.stdout.isTTY) return false;
  const [group, owner] = process.platform === 'linux' ? groupsByProc() : groupsByPs();
  return group !== undefined && group === owner;
}

/**
 * proc(5): the fields after the name in brackets are state, parent, group, session, terminal, and the foreground group
 * of the terminal.
 */
function groupsByProc(): readonly (string | undefined)[] {
  const [, , group, , , owner] = statOf(process.pid);
  return [group, owner];
}

const groupsByPs = (): readonly (string | undefined)[] =>
  execFileSync('ps', ['-o', 'pgid=', '-o', 'tpgid=', '-p', String(process.pid)], { encoding: 'utf8' })
    .trim()
    .split(/\s+/);

/**
 * Writes its process group to fd 3, then executes the command; no shell interprets the arguments. Ctrl-Z is ignored,
 * since a stopped command would keep the lock. A command that stops nevertheless is continued (147 to 150 are the codes
 * of stopped commands).
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

/** Starts the command in the foreground. Its process group is written to the socket. */
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
