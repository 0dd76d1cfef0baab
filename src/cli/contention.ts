/**
 * Common to `run` and `once`: how to contend, how to run the command, and the message when others hold.
 */
import type { AlreadyLockedError, LockTimeoutError } from '../index.js';
import type { Given } from './arguments.js';
import { checkCommand } from './command-path.js';
import { EXIT, UsageError, isNotAcquired } from './exit.js';
import { graceOf } from './grace.js';
import { shown } from './say.js';
import type { Voice } from './say.js';
import type { Rules } from './supervised.js';

export interface Contention {
  readonly wait: number;
  /** The exit code if the lock is not acquired. */
  readonly conflict: number;
  readonly rules: Rules;
}

/** @throws UsageError; ExitError if the command cannot be run */
export function contentionOf({ flags, toRun }: Given, ttl: number): Contention {
  if (flags.has('no-wait') && flags.has('wait')) throw new UsageError('Give --wait or --no-wait, not both.');
  return {
    wait: flags.has('no-wait') ? 0 : (flags.duration('wait') ?? Infinity),
    conflict: flags.whole('conflict-exit-code', 255) ?? EXIT.notAcquired,
    rules: {
      ...commandOf(toRun),
      grace: graceOf(flags, ttl),
      atMost: atMostOf(flags),
      onRevoke: flags.word('on-revoke', ['term', 'usr1', 'ignore'], 'term'),
    },
  };
}

function atMostOf(flags: Given['flags']): number | undefined {
  const atMost = flags.duration('at-most');
  if (atMost !== 0) return atMost;
  throw new UsageError('--at-most is zero: the command would be ended at once. Leave it out for no limit.');
}

/** @throws ExitError if the command cannot be run */
export function commandOf([command = '', ...args]: readonly string[]): Pick<Rules, 'command' | 'args'> {
  checkCommand(command, process.env['PATH']);
  return { command, args };
}

/** Prints who holds the lock. Rethrows any other error. */
export function sayNotAcquired(error: unknown, keys: readonly string[], voice: Voice): void {
  if (!isNotAcquired(error)) throw error;
  voice.outcome(refusal(keys, error), {
    event: 'not-acquired',
    keys,
    holders: error.holders.map((holder) => holder.toJSON()),
  });
}

function refusal(keys: readonly string[], { holders }: AlreadyLockedError | LockTimeoutError): string {
  const names = holders.map(({ owner }) => shown(owner)).join(', ');
  return `${keys.map(shown).join(', ')} is held by ${names === '' ? 'another client' : names}: the command was not run.`;
}
