/**
 * Starting the guardian.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { GUARDIAN } from './guardian.js';

export interface Guardian {
  readonly guardian: ChildProcess;
  /** To it and from it. */
  readonly orders: Socket;
  /** Where the command's group is to be written, if others than the guardian start it. */
  readonly groupEnd: Socket | undefined;
}

/** @param startsItself whether it is to start the command, so that nobody can die between a start and the word of it */
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
