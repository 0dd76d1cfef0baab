/**
 * Checks whether a command can be run, before a lock is requested.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { EXIT, ExitError } from './exit.js';
import { codeOf } from './group.js';

/** Searches as execvp(3) does. @throws ExitError with 126 or 127 */
export function checkCommand(command: string, path: string | undefined): void {
  const places = command.includes('/')
    ? [command]
    : (path ?? '/usr/bin:/bin').split(delimiter).map((folder) => join(folder === '' ? '.' : folder, command));
  const findings = places.map(findingAt);
  if (findings.includes('runs')) return;
  if (findings.includes('denied')) {
    throw new ExitError(EXIT.notExecutable, `${command} cannot be run: it is not executable.`);
  }
  throw new ExitError(EXIT.notFound, `${command}: there is no such command.`);
}

function findingAt(place: string): 'runs' | 'denied' | 'absent' {
  try {
    if (!statSync(place).isFile()) return 'denied';
    accessSync(place, constants.X_OK);
    return 'runs';
  } catch (error) {
    return codeOf(error) === 'EACCES' ? 'denied' : 'absent';
  }
}
