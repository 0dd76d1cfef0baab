/**
 * `rxlock watch`: shows live who holds which lock.
 */
import { concatMap, lastValueFrom, map } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Locks, Ownership } from '../index.js';
import type { Given } from './arguments.js';
import { EXIT } from './exit.js';
import { wallClock } from './instant.js';
import { orSignal } from './or-signal.js';
import { watchedAll } from './ownerships.js';
import { HEADINGS, aligned, jsonOf, rowsOf } from './rows.js';
import type { Voice } from './say.js';
import { connected, serverOf } from './server.js';
import type { Signals } from './signals.js';

interface View {
  readonly all: readonly Ownership[];
  readonly changed: readonly Ownership[];
  readonly cause: Error | undefined;
}

export async function watch({ operands: [key = ''], flags }: Given, signals: Signals, voice: Voice): Promise<number> {
  const server = serverOf(flags);
  const { locks } = connected(server);
  const { prefix } = server;
  const show = voice.isForPeople ? screen(prefix, voice) : lines(prefix, voice);
  try {
    const shown$ = viewed(locks, prefix + key).pipe(concatMap(show));
    const end = await orSignal(signals, lastValueFrom(shown$, { defaultValue: undefined }));
    return end ?? EXIT.done;
  } finally {
    await locks.close();
  }
}

function viewed(locks: Locks, key: string): Observable<View> {
  if (!key.endsWith('/')) {
    return locks
      .mutex(key)
      .ownership$()
      .pipe(map((state) => ({ all: [state], changed: [state], cause: undefined })));
  }
  return watchedAll(locks, key).pipe(
    // A copy, since the library changes the map later.
    map(({ all, changed, cause }) => ({ all: [...all.values()], changed, cause })),
  );
}

const lines =
  (prefix: string, voice: Voice) =>
  async ({ changed, cause }: View): Promise<undefined> => {
    if (cause && changed.length === 0) await voice.line(JSON.stringify({ status: 'unknown', cause: cause.message }));
    for (const state of changed) await voice.line(JSON.stringify(jsonOf(state, prefix)));
  };

/** Draws each table over the one before. */
function screen(prefix: string, voice: Voice): (view: View) => Promise<undefined> {
  let height = 0;
  return async ({ all, cause }) => {
    const states = [...all].sort((a, b) => (a.key < b.key ? -1 : 1));
    const rows = states.flatMap((state) => rowsOf(state, prefix, wallClock()));
    // The size is 0 on a terminal that does not know it.
    const [most, columns] = [process.stdout.rows || 24, process.stdout.columns || 80];
    const table = aligned([HEADINGS, ...rows.slice(0, most - 3)], voice).map((line) => cut(line, columns));
    const more = rows.length > most - 3 ? [`… and ${rows.length - (most - 3)} more: rxlock ls`] : [];
    const doubt = cause ? [voice.paint('red', `unknown: ${cause.message}`)] : [];
    const text = [...table, ...more, ...doubt];
    await voice.line(`${height > 0 ? `\x1b[${height}F` : ''}\x1b[J${text.join('\n')}`);
    height = text.length;
    return undefined;
  };
}

/** A wrapped line would count as two when the cursor moves up. */
const cut = (line: string, columns: number): string =>
  line.length > columns ? `${line.slice(0, columns - 1)}…` : line;
