/**
 * `rxlock ls`: prints once who holds which lock.
 */
import { firstValueFrom } from 'rxjs';
import type { Ownership, Ownerships } from '../index.js';
import type { Given } from './arguments.js';
import { EXIT } from './exit.js';
import { wallClock } from './instant.js';
import { orSignal } from './or-signal.js';
import { watchedAll } from './ownerships.js';
import { HEADINGS, aligned, jsonOf, rowsOf } from './rows.js';
import type { Voice } from './say.js';
import { connected, serverOf } from './server.js';
import type { Signals } from './signals.js';

/**
 * Milliseconds. No lease is granted here, but an attempt to read may take a sixth of the ttl, and thousands of locks
 * take long.
 */
const PATIENT_TTL = 60_000;

/** The number of lines in one write: a reader gets the first lines while the others are being formatted. */
const CHUNK = 500;

export async function ls(
  { operands: [beginning = ''], flags }: Given,
  signals: Signals,
  voice: Voice,
): Promise<number> {
  const server = serverOf(flags);
  const { locks } = connected(server, { ttl: Math.max(server.ttl, PATIENT_TTL) });
  try {
    const seen = await orSignal(signals, firstValueFrom(watchedAll(locks, server.prefix + beginning)));
    if (typeof seen === 'number') return seen;
    if (seen.cause) throw seen.cause;
    await print(statesOf(seen, flags.has('waiting')), server.prefix, voice);
    return EXIT.done;
  } finally {
    await locks.close();
  }
}

function statesOf({ all }: Ownerships, onlyAwaited: boolean): readonly Ownership[] {
  const held = [...all.values()].filter(({ status }) => status !== 'free');
  const shown = onlyAwaited ? held.filter((state) => state.status === 'held' && (state.waiting ?? 0) > 0) : held;
  return shown.sort((a, b) => (a.key < b.key ? -1 : 1));
}

async function print(states: readonly Ownership[], prefix: string, voice: Voice): Promise<void> {
  const now = wallClock();
  const lines = voice.isForPeople
    ? aligned([HEADINGS, ...states.flatMap((state) => rowsOf(state, prefix, now))], voice)
    : undefined;
  const count = lines?.length ?? states.length;
  for (let from = 0; from < count; from += CHUNK) {
    const chunk =
      lines?.slice(from, from + CHUNK) ??
      states.slice(from, from + CHUNK).map((state) => JSON.stringify(jsonOf(state, prefix)));
    await voice.line(chunk.join('\n'));
  }
}
