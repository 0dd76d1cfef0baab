/**
 * Runs a command that must not outlive its lock.
 *
 * ```text
 * lock      --h---r---r---------------#      r: renewed   #: lost, `validUntil`
 * command     ^-------------------T---K      T: SIGTERM, `grace` before   K: SIGKILL to the group
 * ```
 */
import { EMPTY, Subject, Subscription, firstValueFrom, map, mergeMap, of, tap } from 'rxjs';
import type { Observable } from 'rxjs';
import type { HeldLock } from '../index.js';
import { EXIT, ExitError } from './exit.js';
import { inForeground, isForeground } from './foreground.js';
import { gone, groupStartedWith, isAlive, signalGroup } from './group.js';
import { isReport, read } from './guardian.js';
import type { Order, Report } from './guardian.js';
import { at, earlier, instantIn } from './instant.js';
import { eachLine } from './lines.js';
import type { Signals } from './signals.js';
import { guardianOf } from './spawning.js';
import { shown } from './say.js';
import type { Voice } from './say.js';

export type OnRevoke = 'term' | 'usr1' | 'ignore';

/** How a command is run. */
export interface Rules {
  readonly command: string;
  readonly args: readonly string[];
  /** The time between SIGTERM and SIGKILL, milliseconds. */
  readonly grace: number;
  readonly atMost: number | undefined;
  readonly onRevoke: OnRevoke;
}

/** Why rxlock ended the command. */
export type Cause = 'lost' | 'overdue' | 'revoked';

/** How the command ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly endedFor: Cause | undefined;
}

/** How long before the lock is taken from us the command is killed, milliseconds. */
const TAKEN_MARGIN = 250;

/** How long killed processes may take to disappear before that is reported, milliseconds. */
const VANISH_WITHIN = 2000;

/**
 * Runs the command while the lock is held; resolves when all its processes are dead.
 *
 * The guardian, a process of its own, keeps the time: it ends the command at `validUntil` even where this process was
 * stopped. From here the command is ended softly (SIGTERM by the guardian, SIGKILL later) when it is overdue or its lock
 * is wanted, and at once when the lock is lost or the guardian is dead.
 */
export async function supervised(
  held: HeldLock,
  rules: Rules,
  env: Readonly<Record<string, string | undefined>>,
  signals: Signals,
  voice: Voice,
): Promise<Ending> {
  const { command, args, grace, atMost } = rules;
  const isInForeground = isForeground();
  const { guardian, orders, groupEnd } = guardianOf(!isInForeground);
  const ended = new Subject<Pick<Ending, 'code' | 'signal'>>();
  const ending = firstValueFrom(ended);
  let endedFor: Cause | undefined;
  /** The processes of the command. Known once the guardian has reported it. */
  let group: number | undefined;
  /** Signals that came before that. */
  const early: NodeJS.Signals[] = [];
  let isOver = false;

  const order = (what: Order): void => {
    if (!orders.destroyed) orders.write(`${JSON.stringify(what)}\n`);
  };
  const tellDeadline = (): void => {
    const validUntil = instantIn(() => held.remaining());
    order({ type: 'until', kill: validUntil, term: earlier(validUntil, grace) });
  };
  const forward = (signal: NodeJS.Signals): void => {
    if (group === undefined) early.push(signal);
    else signalGroup(group, signal);
  };
  /** SIGTERM now, and SIGKILL in so many milliseconds. */
  const end = (cause: Cause, within: number): void => {
    endedFor ??= cause;
    order({ type: 'end', ...(within < Infinity && { kill: instantIn(() => within) }) });
  };
  /** If the guardian was stopped or killed before it reported the group, the group is found by its environment. */
  const killGroup = (): void => {
    const claim = env['RXLOCK_CLAIM'];
    if (claim) group ??= groupStartedWith(`RXLOCK_CLAIM=${claim}`);
    if (group !== undefined) signalGroup(group, 'SIGKILL');
  };
  const lost = (): void => {
    if (isOver) return;
    killGroup();
    // The guardian may be about to start it.
    end('lost', 0);
  };
  const guardianIsDead = (): void => {
    if (isOver) return;
    // Without a guardian, nobody would end the command if we were stopped.
    killGroup();
    ended.error(new ExitError(EXIT.failed, 'the guardian of the command was killed, so the command was, too.'));
  };

  const hear = (report: Report): void => {
    switch (report.type) {
      case 'started':
        ({ group } = report);
        for (const signal of early.splice(0)) forward(signal);
        return;
      case 'ending':
        endedFor ??= 'lost';
        return voice.outcome(`${shown(held.key)} is not renewed any more: ending the command.`, {
          event: 'ending',
          key: held.key,
        });
      case 'exited':
        return ended.next(report);
      case 'not-started': {
        const code = report.code === 'EACCES' ? EXIT.notExecutable : EXIT.notFound;
        return ended.error(new ExitError(code, `${command} cannot be run: ${report.message}`));
      }
    }
  };
  eachLine(orders, (line) => hear(read(line, isReport)), guardianIsDead);
  guardian.once('error', (error) => ended.error(error));

  tellDeadline();
  const watching = new Subscription();
  watching.add(held.renewals$.subscribe({ next: tellDeadline, error: lost }));
  if (isInForeground) {
    const launched = inForeground(command, args, env, groupEnd);
    launched.once('exit', (code, signal) => ended.next({ code, signal }));
    launched.once('error', (error) => ended.error(error));
  } else {
    order({ type: 'start', command, args, env });
  }
  watching.add(signals.each(forward));
  if (atMost !== undefined) {
    watching.add(
      at(instantIn(() => atMost)).subscribe(() => {
        voice.outcome(`${shown(held.key)} was held for --at-most: ending the command.`, {
          event: 'overdue',
          key: held.key,
        });
        end('overdue', grace);
      }),
    );
  }
  watching.add(
    held.revocation$
      .pipe(
        tap(({ reason, by = 'somebody' }) => {
          const text = `${shown(by)} wants ${shown(held.key)} back: ${shown(reason)}`;
          voice.outcome(text, { event: 'revocation', key: held.key, by, reason });
          if (rules.onRevoke === 'usr1') forward('SIGUSR1');
        }),
        mergeMap(({ within }) => endOnRevocation$(within, rules)),
      )
      .subscribe({ next: (left) => end('revoked', left), error: () => undefined }),
  );

  try {
    const exit = await ending;
    return { ...exit, endedFor };
  } finally {
    if (group !== undefined) await buried(group, endedFor ? 0 : grace, voice);
    watching.unsubscribe();
    isOver = true;
    order({ type: 'done' });
    orders.end();
  }
}

/**
 * Emits when a command is to be ended whose lock is taken within so many milliseconds: the time that it then has. With
 * `usr1` and `ignore`, that is only when the lock is about to be taken.
 */
function endOnRevocation$(within: number, { onRevoke, grace }: Rules): Observable<number> {
  const left = within - Math.min(TAKEN_MARGIN, within / 4);
  if (onRevoke === 'term') return of(left);
  return within === Infinity ? EMPTY : at(instantIn(() => left - grace)).pipe(map(() => Math.min(left, grace)));
}

/**
 * Ends processes that the command left running in its group, since they would go on without the lock. A process that is
 * meant to go on, such as a daemon, has a group of its own.
 */
async function buried(group: number, grace: number, voice: Voice): Promise<void> {
  if (!isAlive(group)) return;
  if (grace > 0) {
    voice.outcome('the command left processes behind: ending them before the lock is given back.', {
      event: 'left-behind',
    });
    signalGroup(group, 'SIGTERM');
    if (await gone(group, grace)) return;
  }
  signalGroup(group, 'SIGKILL');
  // A killed process may take a while to end, for example during a write to a disk: keep the lock until then.
  while (!(await gone(group, VANISH_WITHIN))) {
    voice.error(`processes of group ${group} cannot be killed: keeping the lock until they are gone.`, {
      event: 'unkillable',
      group,
    });
  }
}
