/**
 * Process groups: signalling one, and finding out whether it is still alive.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { defer, filter, firstValueFrom, map, repeat, take, takeUntil, timer } from 'rxjs';

/**
 * Sends the signal to all processes of the group. Returns false if there are none. @throws an error of the system, such
 * as EPERM
 */
export function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-group, signal);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/** Whether any process of the group is alive. Zombies do not count. */
export function isAlive(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    if (codeOf(error) !== 'EPERM') throw error;
  }
  return process.platform !== 'linux' || membersOf(group).length > 0;
}

/** Milliseconds between two looks: there is no event for the end of a group. */
const LOOK_EVERY = 5;

/**
 * Waits until all processes of the group are dead, for `within` milliseconds at most. Resolves with whether they are.
 */
export const gone = (group: number, within: number): Promise<boolean> =>
  firstValueFrom(
    defer(() => timer(isAlive(group) ? LOOK_EVERY : 0)).pipe(
      repeat(),
      map(() => !isAlive(group)),
      filter((isGone) => isGone),
      take(1),
      takeUntil(timer(within)),
    ),
    { defaultValue: false },
  );

/**
 * The group of the first process that has this variable in its environment; later processes are its children.
 * `undefined` if the system cannot tell.
 */
export function groupStartedWith(variable: string): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const leaders = processes().flatMap((pid) => {
    const { group, startedAt } = fieldsOf(pid);
    return group === pid && environmentOf(pid).includes(variable) ? { group, startedAt } : [];
  });
  const [first] = leaders.sort((a, b) => a.startedAt - b.startedAt);
  return first?.group;
}

function membersOf(group: number): readonly number[] {
  return processes().filter((pid) => {
    const { state, group: its } = fieldsOf(pid);
    return its === group && state !== 'Z' && state !== 'X';
  });
}

const processes = (): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** proc(5): the first fields after the name in brackets are state, parent and group; the 20th is the start time. */
function fieldsOf(pid: number): { readonly state: string; readonly group: number; readonly startedAt: number } {
  const fields = statOf(pid);
  return { state: fields[0] ?? 'X', group: Number(fields[2]), startedAt: Number(fields[19]) };
}

/** The environment of a process; empty for a process that is gone or that we may not read. */
function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(String(codeOf(error)))) return [];
    throw error;
  }
}

/** The fields of /proc/PID/stat, from the state on; empty for a process that is gone. */
export function statOf(pid: number): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return [];
    throw error;
  }
}

export const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
