/**
 * `rxlock once`: a command that one machine of many runs, and that stays done.
 */
import { lastValueFrom, map } from 'rxjs';
import type { HeldLock, Lock, Once, OnceResult } from '../index.js';
import type { Given } from './arguments.js';
import { contentionOf, sayNotAcquired } from './contention.js';
import { EXIT, UsageError } from './exit.js';
import { shown } from './say.js';
import type { Voice } from './say.js';
import { connected, serverOf } from './server.js';
import type { Signals } from './signals.js';
import type { Ending } from './supervised.js';
import { exitCodeOf, underLock } from './under-lock.js';

/** How long the work stays done by default, milliseconds: two days, to cover a weekend. */
const DEFAULT_KEEP = 2 * 24 * 60 * 60 * 1000;

/** The stored result of a successful command. */
interface ExitInfo {
  readonly exit: 0;
}

export async function once(given: Given, signals: Signals, voice: Voice): Promise<number> {
  const { operands, flags } = given;
  const [key = ''] = operands;
  const server = serverOf(flags);
  const keep = flags.duration('keep') ?? DEFAULT_KEEP;
  if (keep < 1000) throw new UsageError('--keep is less than a second: give the time for which it stays done.');
  const { wait, conflict, rules } = contentionOf(given, server.ttl);
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
    sayNotAcquired(error, operands, voice);
    return conflict;
  } finally {
    await locks.close();
  }
}

/** Somebody has already run the command. */
class AlreadyDone extends Error {
  constructor(readonly result: OnceResult<unknown>) {
    super(`${result.key} is done`);
  }
}

/** The turn of a `Once` in the shape of a lock, for {@link underLock}. */
const unlessDone = (work: Once<unknown>): Pick<Lock, 'lock$'> => ({
  lock$: (options = {}) =>
    work.turn$(options).pipe(
      map((state) => {
        if (state.status === 'done') throw new AlreadyDone(state.result);
        return state;
      }),
    ),
});
