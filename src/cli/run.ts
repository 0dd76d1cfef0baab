/**
 * `rxlock run`: a command under a lock.
 */
import type { Lock, Locks } from '../index.js';
import type { Given } from './arguments.js';
import { checkCommand } from './command-path.js';
import { EXIT, UsageError, isNotAcquired } from './exit.js';
import type { AlreadyLockedError, LockTimeoutError } from '../index.js';
import { graceOf } from './grace.js';
import { shown } from './say.js';
import type { Voice } from './say.js';
import { connected, serverOf } from './server.js';
import type { Signals } from './signals.js';
import type { Rules } from './supervised.js';
import { exitCodeOf, underLock } from './under-lock.js';

export async function run({ operands, flags, toRun }: Given, signals: Signals, voice: Voice): Promise<number> {
  const server = serverOf(flags);
  if (flags.has('no-wait') && flags.has('wait')) throw new UsageError('Give --wait or --no-wait, not both.');
  const wait = flags.has('no-wait') ? 0 : (flags.duration('wait') ?? Infinity);
  const conflict = flags.whole('conflict-exit-code', 255) ?? EXIT.notAcquired;
  const rules: Rules = {
    ...commandOf(toRun),
    grace: graceOf(flags, server.ttl),
    atMost: flags.duration('at-most'),
    onRevoke: flags.word('on-revoke', ['term', 'usr1', 'ignore'], 'term'),
  };
  const { backend, locks } = connected(server);
  try {
    const lock = lockOf(
      locks,
      operands.map((key) => server.prefix + key),
      flags.text('kind') ?? 'mutex',
    );
    return exitCodeOf(await underLock({ lock, keys: operands, wait, rules, backend, signals, voice }));
  } catch (error) {
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

/** @throws ExitError where it cannot be run */
export function commandOf([command = '', ...args]: readonly string[]): Pick<Rules, 'command' | 'args'> {
  checkCommand(command, process.env['PATH']);
  return { command, args };
}

function lockOf(locks: Locks, keys: readonly string[], kind: string): Lock {
  const all = keys.map((key) => one(locks, key, kind));
  const [first] = all;
  if (all.length === 1 && first) return first;
  return locks.all(...all);
}

function one(locks: Locks, key: string, kind: string): Lock {
  const [, permits] = /^semaphore:([1-9]\d{0,8})$/.exec(kind) ?? [];
  if (permits !== undefined) return locks.semaphore(key, Number(permits));
  if (kind === 'mutex') return locks.mutex(key);
  if (kind === 'read') return locks.readLock(key);
  if (kind === 'write') return locks.writeLock(key);
  throw new UsageError(
    `--kind is ${JSON.stringify(kind)}: give mutex, read, write or semaphore:N, such as semaphore:3.`,
  );
}

export function refusal(keys: readonly string[], { holders }: AlreadyLockedError | LockTimeoutError): string {
  const names = holders.map(({ owner }) => shown(owner)).join(', ');
  return `${keys.map(shown).join(', ')} is held by ${names === '' ? 'another client' : names}: the command was not run.`;
}
