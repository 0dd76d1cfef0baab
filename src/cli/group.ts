/**
 * A process group: whom to signal, and whether somebody in it is still alive.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { defer, filter, firstValueFrom, map, repeat, take, takeUntil, timer } from 'rxjs';

/** Sends it to all in the group; false if there is nobody. @throws an error of the system, such as EPERM */
export function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-group, signal);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/** Whether anybody in it is alive. What is dead and not yet collected by its parent does not count. */
export function isAlive(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    if (codeOf(error) !== 'EPERM') throw error;
  }
  return process.platform !== 'linux' || membersOf(group).length > 0;
}

/** How often to look whether it is gone: nothing tells. */
const LOOK_EVERY = 5;

/** Until all in it are dead, for so many milliseconds at most; says whether they are. */
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
 * The group of the first process that was started with this in its environment; the later ones are of those that it has
 * started. Nothing where the system does not tell.
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

/** proc(5): after the name in brackets come state, parent, group; the start is the twentieth. */
function fieldsOf(pid: number): { readonly state: string; readonly group: number; readonly startedAt: number } {
  const fields = statOf(pid);
  return { state: fields[0] ?? 'X', group: Number(fields[2]), startedAt: Number(fields[19]) };
}

/** What it was started with; nothing of a process that is gone, or not ours to look at. */
function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(String(codeOf(error)))) return [];
    throw error;
  }
}

/** The fields of /proc/PID/stat from the state on; none for a process that is gone. */
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
