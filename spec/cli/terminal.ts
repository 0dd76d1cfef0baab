/**
 * rxlock as a process, as typed at a prompt.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const RXLOCK = join(__dirname, '../../dist/esm/cli/rxlock.js');

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcess;
  /** Resolves with the match in stdout or stderr, printed now or before; rejects when it ends without. */
  printed(what: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<Ended>;
}

/** Those that are running, to be ended after each spec. */
const running = new Set<Running>();

export async function endAll(): Promise<void> {
  for (const { process, ended } of [...running]) {
    process.kill('SIGCONT');
    process.kill('SIGKILL');
    await ended;
  }
}

interface Options {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly nodeArgs?: readonly string[];
}

/** Starts a program; its standard input ends after `input`. */
export function started(program: string, args: readonly string[], { env, input }: Options = {}): Running {
  const child = spawn(program, args, {
    env: { ...process.env, NO_COLOR: '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk: Buffer) => {
      text[stream] += chunk.toString();
      for (const listener of [...listeners]) listener();
    });
  }
  // It may end without having read it.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  let hasEnded = false;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      hasEnded = true;
      running.delete(made);
      for (const listener of [...listeners]) listener();
      resolve({ code, signal, ...text });
    });
  });
  const made: Running = {
    process: child,
    ended,
    printed: (what) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = what.exec(text.stdout) ?? what.exec(text.stderr);
          if (!found && !hasEnded) return;
          listeners.delete(look);
          if (found) resolve(found);
          else reject(new Error(`ended without ${String(what)}:\n${text.stdout}${text.stderr}`));
        };
        listeners.add(look);
        look();
      }),
  };
  running.add(made);
  return made;
}

/** rxlock with the arguments; `hosts` by the environment, as for etcdctl. */
export const rxlock = (hosts: string, args: readonly string[], { nodeArgs = [], ...options }: Options = {}): Running =>
  started(process.execPath, [...nodeArgs, RXLOCK, ...args], {
    ...options,
    env: { ETCDCTL_ENDPOINTS: hosts, ...options.env },
  });

/** A shell command that prints its pid, then what it gets; it ends with 3 on SIGTERM unless it ignores it. */
export const lasting = (traps = `trap 'echo got-TERM; exit 3' TERM`): readonly string[] => [
  'sh',
  '-c',
  `${traps}; echo "pid $$ token $RXLOCK_TOKEN"; while :; do sleep 0.05; done`,
];

export const IGNORES_ALL = `trap '' TERM INT HUP QUIT USR1 USR2`;

/** The pid that {@link lasting} printed. */
export const pidOf = async (one: Running): Promise<number> => Number((await one.printed(/pid (\d+)/))[1]);

/** Whether a process is there and no zombie. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !['Z', 'X'].includes(stat[stat.lastIndexOf(')') + 2] ?? '');
  } catch {
    // Gone between two looks, or long ago.
    return false;
  }
}

/** Resolves when it is dead: nothing tells, so it is looked at. */
export async function dead(pid: number): Promise<void> {
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
}
