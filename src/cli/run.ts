/**
 * `rxlock run`: runs a command under a lock.
 */
import type { Lock, Locks } from '../index.js';
import type { Given } from './arguments.js';
import { contentionOf, sayNotAcquired } from './contention.js';
import { UsageError } from './exit.js';
import type { Voice } from './say.js';
import { connected, serverOf } from './server.js';
import type { Signals } from './signals.js';
import { exitCodeOf, underLock } from './under-lock.js';

export async function run(given: Given, signals: Signals, voice: Voice): Promise<number> {
  const { operands, flags } = given;
  const server = serverOf(flags);
  const { wait, conflict, rules } = contentionOf(given, server.ttl);
  const { backend, locks } = connected(server);
  try {
    const lock = lockOf(
      locks,
      operands.map((key) => server.prefix + key),
      flags.text('kind') ?? 'mutex',
    );
    return exitCodeOf(await underLock({ lock, keys: operands, wait, rules, backend, signals, voice }));
  } catch (error) {
    sayNotAcquired(error, operands, voice);
    return conflict;
  } finally {
    await locks.close();
  }
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
