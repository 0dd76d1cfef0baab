/**
 * `rxlock once`: a command that one of many runs, and that stays done.
 */
import { lastValueFrom, map } from 'rxjs';
import type { HeldLock, Lock, Once, OnceResult } from '../index.js';
import type { Given } from './arguments.js';
import { EXIT, UsageError, isNotAcquired } from './exit.js';
import { graceOf } from './grace.js';
import { commandOf, refusal } from './run.js';
import { shown } from './say.js';
import type { Voice } from './say.js';
import { connected, serverOf } from './server.js';
import type { Signals } from './signals.js';
import type { Ending, Rules } from './supervised.js';
import { exitCodeOf, underLock } from './under-lock.js';

/** How long it stays done, unless something else is asked for: two days, as a weekend. */
const DEFAULT_KEEP = 2 * 24 * 60 * 60 * 1000;

/** What is kept of a command that has ended well. */
interface ExitInfo {
  readonly exit: 0;
}

export async function once({ operands, flags, toRun }: Given, signals: Signals, voice: Voice): Promise<number> {
  const [key = ''] = operands;
  const server = serverOf(flags);
  if (flags.has('no-wait') && flags.has('wait')) throw new UsageError('Give --wait or --no-wait, not both.');
  const wait = flags.has('no-wait') ? 0 : (flags.duration('wait') ?? Infinity);
  const conflict = flags.whole('conflict-exit-code', 255) ?? EXIT.notAcquired;
  const keep = flags.duration('keep') ?? DEFAULT_KEEP;
  if (keep < 1000) throw new UsageError('--keep is less than a second: give the time for which it stays done.');
  const rules: Rules = {
    ...commandOf(toRun),
    grace: graceOf(flags, server.ttl),
    atMost: flags.duration('at-most'),
    onRevoke: flags.word('on-revoke', ['term', 'usr1', 'ignore'], 'term'),
  };
  const { backend, locks } = connected(server);
  try {
    const work = locks.once<ExitInfo>(server.prefix + key, { keep });
    const isDone = async (held: HeldLock, { code, signal, endedFor }: Ending): Promise<void> => {
      if (code !== 0 || signal || endedFor) return;
      await lastValueFrom(work.mark$(held, { exit: 0 }), { defaultValue: undefined });
    };
    const lock = unlessDone(work);
    return exitCodeOf(await underLock({ lock, keys: operands, wait, rules, backend, signals, voice, ran: isDone }));
  } catch (error) {
    if (error instanceof AlreadyDone) {
      const { by, at } = error.result;
      const when = at ? ` at ${at.toISOString()}` : '';
      voice.outcome(`${shown(key)} was done by ${shown(by)}${when}: the command was not run.`, {
        event: 'done-before',
        key,
        by,
        at: at?.toISOString(),
      });
      return EXIT.done;
    }
    if (!isNotAcquired(error)) throw error;
    voice.outcome(refusal(operands, error), {
      event: 'not-acquired',
      keys: operands,
      holders: error.holders.map((holder) => holder.toJSON()),
    });
    return conflict;
  } finally {
    await locks.close();
  }
}

/** Somebody else has run it. */
class AlreadyDone extends Error {
  constructor(readonly result: OnceResult<unknown>) {
    super(`${result.key} is done`);
  }
}

/** Its turn, as the lock that a command runs under. */
const unlessDone = (work: Once<unknown>): Pick<Lock, 'lock$'> => ({
  lock$: (options = {}) =>
    work.turn$(options).pipe(
      map((state) => {
        if (state.status === 'done') throw new AlreadyDone(state.result);
        return state;
      }),
    ),
});
