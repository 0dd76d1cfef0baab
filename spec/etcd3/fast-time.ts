/**
 * Runs what waits in no time: timers fire one after another, each as soon as all that went before is carried out.
 */
import os from 'node:os';
import { jest } from '@jest/globals';

/** As many turns as a request, its answer and what they set off take. */
const TURNS = 40;

/** More timers than anything takes that comes to an end. */
const MOST = 3000;

const { setImmediate: soon } = globalThis;
const turn = (): Promise<void> => new Promise((resolve) => void soon(resolve));

/** To be called within a spec: all clocks and timers of the machine stand still, but for this. */
export async function fast<T>(work: () => Promise<T>): Promise<T> {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'nextTick', 'queueMicrotask'] });
  // Jest leaves it running: what a slow machine takes would count as sleep, and the lock would be lost.
  const uptime = jest.spyOn(os, 'uptime').mockImplementation(() => performance.now() / 1000);
  const over = new AbortController();
  const isOver = (): boolean => over.signal.aborted;
  try {
    const result = work().finally(() => over.abort());
    result.catch(() => undefined);
    for (let timers = 0; !isOver(); timers += 1) {
      for (let i = 0; i < TURNS && !isOver(); i += 1) await turn();
      if (isOver()) break;
      if (timers > MOST || jest.getTimerCount() === 0) throw new Error('nothing more happens, and it is not over');
      jest.advanceTimersToNextTimer();
    }
    return await result;
  } finally {
    uptime.mockRestore();
    jest.clearAllTimers();
    jest.useRealTimers();
  }
}
