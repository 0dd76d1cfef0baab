/**
 * Starts the guardian.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { GUARDIAN } from './guardian.js';

export interface Guardian {
  readonly guardian: ChildProcess;
  /** The pipe to and from the guardian. */
  readonly orders: Socket;
  /** The pipe for the process group of the command, if the guardian does not start the command itself. */
  readonly groupEnd: Socket | undefined;
}

/**
 * @param startsItself whether the guardian starts the command itself: then it knows the group from the start, even if
 *   rxlock dies
 */
export function guardianOf(startsItself: boolean): Guardian {
  const entry = process.argv[1];
  if (entry === undefined) throw new TypeError('not started as a script');
  const guardian = startsItself
    ? spawn(process.execPath, [entry, GUARDIAN, 'start'], {
        detached: true,
        stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
      })
    : spawn(process.execPath, [entry, GUARDIAN], {
        detached: true,
        stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
      });
  const [orders, groupEnd] = guardian.stdio.slice(3);
  if (!(orders instanceof Socket)) throw new TypeError('no pipe to the guardian');
  return { guardian, orders, groupEnd: groupEnd instanceof Socket ? groupEnd : undefined };
}
