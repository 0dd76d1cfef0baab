/**
 * A second process that ends the command if rxlock cannot, because rxlock is dead, or is stopped past the deadline of
 * its lock. It has a session of its own, so that no terminal and no `kill` of a job reaches it, and it ignores all
 * signals that can be ignored.
 *
 * ```text
 * rxlock    ---until---until------!          !: killed, or stopped
 * guardian  ---|-------|----------x          sees the end of the pipe, or that the deadline has come
 * command      ---------------------#        #: SIGKILL to its whole group
 * ```
 */
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { Subject, filter, map, merge, mergeMap, switchMap } from 'rxjs';
import { codeOf, signalGroup } from './group.js';
import { at } from './instant.js';
import type { Instant } from './instant.js';
import { eachLine } from './lines.js';
import { FORWARDED } from './signals.js';

/** The messages from rxlock to the guardian: one line of JSON each. */
export type Order =
  /** Start this command, in a process group of its own. */
  | {
      readonly type: 'start';
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string | undefined>>;
    }
  /** The lock is valid until `kill`: send SIGTERM at `term`, SIGKILL at `kill`. */
  | { readonly type: 'until'; readonly term: Instant; readonly kill: Instant }
  /** Send SIGTERM now, and SIGKILL at `kill`, if given. */
  | { readonly type: 'end'; readonly kill?: Instant }
  /** The command has ended: its group id may belong to another program from now on. */
  | { readonly type: 'done' };

/** The messages from the guardian to rxlock. */
export type Report =
  | { readonly type: 'started'; readonly group: number }
  | { readonly type: 'not-started'; readonly code: string; readonly message: string }
  /** SIGTERM was sent, since the lock is about to be lost. */
  | { readonly type: 'ending' }
  | { readonly type: 'exited'; readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** The argument with which rxlock runs as a guardian. */
export const GUARDIAN = '--guardian';

/**
 * The pipe from rxlock, and the pipe for the process group, which the launcher writes when the command runs in the
 * foreground of a terminal.
 */
const ORDERS_FD = 3;
const GROUP_FD = 4;

export function guard(startsItself: boolean): void {
  for (const signal of [...FORWARDED, 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGALRM', 'SIGPIPE'] as const) {
    process.on(signal, () => undefined);
  }
  const channel = new Socket({ fd: ORDERS_FD });
  const report = (what: Report): void => void channel.write(`${JSON.stringify(what)}\n`);

  let group: number | undefined;
  let isEnding = false;
  let isLosing = false;
  let isTooLate = false;
  let isOrphan = false;
  const kill = (): void => {
    isTooLate = true;
    if (group !== undefined) signalGroup(group, 'SIGKILL');
  };
  const end = (): void => {
    if (isEnding) return;
    isEnding = true;
    if (group !== undefined) terminate(group);
  };
  const started = (pid: number): void => {
    group = pid;
    report({ type: 'started', group: pid });
    if (isTooLate) kill();
    else if (isEnding) terminate(pid);
  };

  const until$ = new Subject<Order & { type: 'until' }>();
  until$
    .pipe(
      // SIGTERM is final: a late renewal does not take it back.
      filter(() => !isLosing),
      switchMap((until) =>
        merge(at(until.term).pipe(map(() => 'term' as const)), at(until.kill).pipe(map(() => 'kill' as const))),
      ),
    )
    .subscribe((what) => {
      if (what === 'kill') return kill();
      isLosing = true;
      report({ type: 'ending' });
      end();
    });
  const ends$ = new Subject<Instant>();
  ends$.pipe(mergeMap(at)).subscribe(kill);

  const obey = (order: Order): void => {
    if (order.type === 'until') {
      until$.next(order);
    } else if (order.type === 'end') {
      end();
      if (order.kill) ends$.next(order.kill);
    } else if (order.type === 'start') {
      start(order);
    } else {
      group = undefined;
      process.exit();
    }
  };
  const start = ({ command, args, env }: Order & { type: 'start' }): void => {
    if (isTooLate) return report({ type: 'exited', code: null, signal: 'SIGKILL' });
    const child = spawn(command, args, { env, detached: true, stdio: 'inherit' });
    if (child.pid !== undefined) started(child.pid);
    child.once('error', (error) => {
      report({ type: 'not-started', code: String(codeOf(error)), message: error.message });
    });
    child.once('exit', (code, signal) => report({ type: 'exited', code, signal }));
  };

  const orphaned = (): void => {
    kill();
    process.exit();
  };
  const rxlockIsDead = (): void => {
    // A command that is being started in the foreground will still report its group.
    if (group !== undefined || startsItself) return orphaned();
    isOrphan = true;
  };
  eachLine(channel, (line) => obey(read(line, isOrder)), rxlockIsDead);
  if (startsItself) return;
  const startedByLauncher = (pid: string): void => {
    started(Number(pid));
    if (isOrphan) orphaned();
  };
  eachLine(new Socket({ fd: GROUP_FD }), startedByLauncher, () => {
    if (isOrphan) orphaned();
  });
}

function terminate(group: number): void {
  // A stopped process gets SIGTERM only after SIGCONT.
  if (signalGroup(group, 'SIGTERM')) signalGroup(group, 'SIGCONT');
}

const typeOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;

const isOrder = (value: unknown): value is Order =>
  ['start', 'until', 'end', 'done'].some((type) => type === typeOf(value));

export const isReport = (value: unknown): value is Report =>
  ['started', 'not-started', 'ending', 'exited'].some((type) => type === typeOf(value));

/** Reads a line of the other process, which is of the same version. */
export function read<T>(line: string, isRight: (value: unknown) => value is T): T {
  const value: unknown = JSON.parse(line);
  if (isRight(value)) return value;
  throw new TypeError(`not understood: ${line}`);
}
