/**
 * `rxlock revoke`: asks holders to release a lock, and takes it from them.
 */
import { createInterface } from 'node:readline/promises';
import { firstValueFrom } from 'rxjs';
import type { Holder, Ownership } from '../index.js';
import type { Given } from './arguments.js';
import { shownDuration } from './durations.js';
import { EXIT, UsageError } from './exit.js';
import { wallClock } from './instant.js';
import { orSignal } from './or-signal.js';
import { HEADINGS, aligned, rowsOf } from './rows.js';
import { shown } from './say.js';
import type { Voice } from './say.js';
import { connected, serverOf } from './server.js';
import type { Signals } from './signals.js';

export async function revoke({ operands: [key = ''], flags }: Given, signals: Signals, voice: Voice): Promise<number> {
  const server = serverOf(flags);
  const reason = flags.text('reason');
  if (reason === undefined || reason === '') throw new UsageError('Say why with --reason TEXT: the holder reads it.');
  const within = flags.duration('within');
  const token = tokenOf(flags.text('token'));
  const mayAsk = process.stdin.isTTY && process.stderr.isTTY;
  if (!flags.has('yes') && !mayAsk) throw new UsageError('There is no terminal to confirm this on: give --yes.');

  const { locks } = connected(server);
  const lock = locks.mutex(server.prefix + key);
  const revoked = async (): Promise<number> => {
    const state = await firstValueFrom(lock.ownership$());
    if (state.status === 'unknown') throw state.cause;
    const holders = holdersOf(state, token);
    if (holders.length === 0) {
      voice.outcome(`nobody holds ${shown(key)}${token === undefined ? '' : ` with token ${token}`}.`, {
        event: 'free',
        key,
      });
      return EXIT.done;
    }
    if (!flags.has('yes')) {
      const lines = aligned([HEADINGS, ...rowsOf(state, server.prefix, wallClock())], voice);
      process.stderr.write(`${lines.join('\n')}\n`);
      if (!(await agreed(within))) return EXIT.notAcquired;
    }
    const asked = await lock.revoke({
      reason,
      ...(within !== undefined && { within }),
      ...(token !== undefined && { fencingToken: token }),
    });
    await report(asked, within, key, voice);
    return EXIT.done;
  };
  try {
    return await orSignal(signals, revoked());
  } finally {
    await locks.close();
  }
}

function tokenOf(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return BigInt(text);
  throw new UsageError(`--token is ${JSON.stringify(text)}: give the number that rxlock ls shows.`);
}

const holdersOf = (state: Ownership, token: bigint | undefined): readonly Holder[] =>
  state.status === 'held' ? state.holders.filter(({ fencingToken }) => fencingToken === (token ?? fencingToken)) : [];

async function agreed(within: number | undefined): Promise<boolean> {
  const question = within === undefined ? 'Ask for it?' : `Ask for it, and take it after ${shownDuration(within)}?`;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

async function report(asked: readonly Holder[], within: number | undefined, key: string, voice: Voice): Promise<void> {
  const what = within === undefined ? 'asked' : 'holds it no more';
  for (const holder of asked) {
    await voice.line(
      voice.isForPeople
        ? `${shown(holder.owner)} (token ${holder.fencingToken}): ${what}`
        : JSON.stringify({ key, event: within === undefined ? 'asked' : 'revoked', holder: holder.toJSON() }),
    );
  }
}
