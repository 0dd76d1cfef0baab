/**
 * `rxlock lead`: runs a command on one machine of many; if that machine fails, another one runs it.
 */
import { firstValueFrom, merge, timer } from 'rxjs';
import { Observable } from 'rxjs';
import { BackendError, LockLostError } from '../index.js';
import type { Given } from './arguments.js';
import { commandOf } from './contention.js';
import { EXIT, codeOf } from './exit.js';
import { graceOf } from './grace.js';
import { shown } from './say.js';
import type { Voice } from './say.js';
import { connected, serverOf } from './server.js';
import type { Signals } from './signals.js';
import type { Rules } from './supervised.js';
import { exitCodeOf, underLock } from './under-lock.js';
import type { Result } from './under-lock.js';

/**
 * Milliseconds between two campaigns while the server cannot be reached. In each, the engine has tried several times.
 */
const PAUSE = 1000;

export async function lead({ operands, flags, toRun }: Given, signals: Signals, voice: Voice): Promise<number> {
  const [name = ''] = operands;
  const server = serverOf(flags);
  const rules: Rules = { ...commandOf(toRun), grace: graceOf(flags, server.ttl), atMost: undefined, onRevoke: 'term' };
  const { backend, locks } = connected(server);
  const campaign = async (): Promise<Result | undefined> => {
    const lock = locks.election(server.prefix + name).candidate(flags.text('value') ?? server.owner);
    try {
      return await underLock({ lock, keys: operands, wait: Infinity, rules, backend, signals, voice });
    } catch (error) {
      if (!mayPass(error)) throw error;
      voice.outcome(`${error.message} Trying again.`, { event: 'retry', key: name });
      await firstValueFrom(merge(timer(PAUSE), signalled(signals)));
      return undefined;
    }
  };
  try {
    for (;;) {
      const result = await campaign();
      const [signal] = signals.received;
      if (signal && !result) return codeOf(signal);
      if (!result) continue;
      const code = exitCodeOf(result);
      if (signal || code !== EXIT.ended || result.type !== 'ran' || !result.ending.endedFor) return code;
      voice.outcome(`leads ${shown(name)} no more: standing for election again.`, { event: 'lost', key: name });
    }
  } finally {
    await locks.close();
  }
}

const mayPass = (error: unknown): error is LockLostError | BackendError =>
  error instanceof LockLostError || (error instanceof BackendError && (error.retryable || error.outcome === 'unknown'));

const signalled = (signals: Signals): Observable<NodeJS.Signals> =>
  new Observable((subscriber) => signals.each((signal) => subscriber.next(signal)));
