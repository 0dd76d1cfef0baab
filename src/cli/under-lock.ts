/**
 * Common to `run`, `once` and `lead`: contends, runs the command, releases.
 */
import type { Subscription } from 'rxjs';
import type { Etcd3Backend } from '../backends/etcd3/index.js';
import { LockNotOwnedError } from '../index.js';
import type { ContendOptions, HeldLock, Lock, LockState } from '../index.js';
import { EXIT, ExitError, codeOf } from './exit.js';
import { shown } from './say.js';
import type { Voice } from './say.js';
import type { Signals } from './signals.js';
import { supervised } from './supervised.js';
import type { Ending, Rules } from './supervised.js';

export interface Work {
  readonly lock: Pick<Lock, 'lock$'>;
  /** The keys as the user gave them. */
  readonly keys: readonly string[];
  readonly wait: number;
  readonly rules: Rules;
  readonly backend: Etcd3Backend;
  readonly signals: Signals;
  readonly voice: Voice;
  /** Called under the lock once the command has ended. */
  readonly ran?: (held: HeldLock, ending: Ending) => Promise<void>;
}

export type Result =
  | { readonly type: 'ran'; readonly ending: Ending }
  /** A signal came before the command was started. */
  | { readonly type: 'interrupted'; readonly signal: NodeJS.Signals };

/**
 * Contends, runs the command, and releases the lock once all processes of the command are dead. Rejects as the lock
 * does.
 */
export async function underLock(work: Work): Promise<Result> {
  const { lock, wait, signals, backend, rules, voice } = work;
  const leaving = new AbortController();
  const stop = signals.each(() => leaving.abort());
  let held: HeldLock;
  try {
    held = await contended(lock, { wait, signal: leaving.signal }, (state) => say(state, work));
  } catch (error) {
    const [signal] = signals.received;
    if (signal) return { type: 'interrupted', signal };
    throw error;
  } finally {
    stop();
  }
  try {
    const [signal] = signals.received;
    if (signal) return { type: 'interrupted', signal };
    voice.notice(`holding ${named(work)}, token ${held.fencingToken}`, {
      event: 'acquired',
      keys: work.keys,
      token: held.fencingToken.toString(),
    });
    const env = { ...process.env, ...variablesOf(held, work.keys, await claimsOf(held, backend)) };
    const ending = await supervised(held, rules, env, signals, voice);
    await work.ran?.(held, ending);
    return { type: 'ran', ending };
  } finally {
    await givenBack(held, voice);
  }
}

/** The exit code of rxlock for the result. */
export function exitCodeOf(result: Result): number {
  if (result.type === 'interrupted') return codeOf(result.signal);
  const { endedFor, code, signal } = result.ending;
  if (endedFor) return EXIT.ended;
  return signal ? codeOf(signal) : (code ?? EXIT.failed);
}

/** Resolves with the held lock. `states` stays subscribed, since unsubscribing would release it. */
function contended(
  lock: Work['lock'],
  options: ContendOptions,
  onWaiting: (state: LockState) => void,
): Promise<HeldLock> {
  return new Promise((resolve, reject) => {
    const states: Subscription = lock.lock$(options).subscribe({
      next: (state) => {
        if (state.status === 'held') resolve(state.held);
        else onWaiting(state);
      },
      error: (error: unknown) => {
        states.unsubscribe();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    });
  });
}

const named = ({ keys }: Work): string => keys.map(shown).join(', ');

function say(state: LockState, work: Work): void {
  if (state.status === 'held') return;
  const { ahead, holders } = state;
  const names = holders.map(({ owner }) => shown(owner)).join(', ');
  work.voice.notice(
    `waiting for ${named(work)}${names === '' ? '' : `, held by ${names}`}${ahead === undefined ? '' : `, ${ahead} ahead`}`,
    { event: 'waiting', keys: work.keys, ahead, holders: holders.map((holder) => holder.toJSON()) },
  );
}

/** The server keys of our claims. */
async function claimsOf(held: HeldLock, backend: Etcd3Backend): Promise<readonly string[]> {
  try {
    return (await backend.guards(held)).map(([key]) => key.toString());
  } catch (error) {
    if (!(error instanceof LockNotOwnedError)) throw error;
    throw new ExitError(EXIT.notAcquired, 'the lock was lost before the command was started.');
  }
}

function variablesOf(held: HeldLock, keys: readonly string[], claims: readonly string[]): Record<string, string> {
  const token = held.fencingToken.toString();
  const [claim = ''] = claims;
  return {
    RXLOCK_KEY: keys.join(' + '),
    RXLOCK_KEYS: keys.join('\n'),
    RXLOCK_TOKEN: token,
    RXLOCK_OWNER: held.owner,
    RXLOCK_CLAIM: claims.join('\n'),
    ...(keys.length === 1 && { ETCD_LOCK_KEY: claim, ETCD_LOCK_REV: token }),
  };
}

/** Releases without a hand-off, since requests that the command sent may still be under way. */
async function givenBack(held: HeldLock, voice: Voice): Promise<void> {
  try {
    await held.release({ handOff: false });
  } catch (error) {
    // If the lock was lost before, that has been reported.
    if (!(error instanceof LockNotOwnedError)) voice.error(String(error), { event: 'release-failed' });
  }
}
