/**
 * What ends a contention from outside: what its error tells, and who hears of an abort.
 */
import { describe, expect, it, jest } from '@jest/globals';
import { marbles } from 'rxjs-marbles/jest';
import { checkedAcquireOptions } from '../../src/api/options.js';
import type { Aborted } from '../../src/engine/aborts.js';
import { aborted } from '../../src/engine/aborts.js';
import { asError } from '../../src/engine/as-error.js';
import { endings } from '../../src/engine/endings.js';
import { timeOf } from '../../src/time/clock.js';

describe('a wait that no server has answered', () => {
  it.each([
    [99, undefined, 'etcd did not answer within the 99 ms of the wait for "k". `wait` is in milliseconds.'],
    [100, undefined, 'etcd did not answer within the 100 ms of the wait for "k".'],
    [100, new Error('It is down.'), 'etcd did not answer within the 100 ms of the wait for "k". It is down.'],
  ])('of %d ms ends with what is known of the outage: %s', (wait, cause, message) => {
    marbles((m) => {
      const told: unknown[] = [];
      endings({
        time: timeOf({ scheduler: m.scheduler }),
        key: 'k',
        contention: checkedAcquireOptions({ wait }),
        serverName: 'etcd',
        isHeld: () => false,
        outage: () => cause,
        inTheWay: () => undefined,
        relation: () => undefined,
      }).subscribe({ error: (error: unknown) => told.push(error) });
      m.scheduler.schedule(() => {
        expect(told).toEqual([expect.objectContaining({ message, retryable: true, cause })]);
      }, wait + 1);
      m.flush();
      expect.assertions(1);
    })();
  });
});

describe('an abort', () => {
  const heard = (signal: AbortSignal, to: unknown[]) =>
    aborted(signal).subscribe({ error: (error: unknown) => to.push(error) });

  it('has the reason of the platform where its signal has none', () => {
    const signal = { aborted: true, reason: undefined } as AbortSignal;
    const told: unknown[] = [];
    heard(signal, told);
    const [error] = told as Aborted[];
    expect(error).toMatchObject({ name: 'Aborted', message: 'the signal was aborted' });
    expect(error?.reason).toMatchObject({ name: 'AbortError', message: 'This operation was aborted' });
  });

  it('is listened for once for all contenders, until the last has left', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const added = jest.spyOn(signal, 'addEventListener');
    const removed = jest.spyOn(signal, 'removeEventListener');
    const told: unknown[] = [];
    const [first, second, third] = [heard(signal, told), heard(signal, told), heard(signal, told)];
    expect(added).toHaveBeenCalledTimes(1);
    second.unsubscribe();
    expect(removed).not.toHaveBeenCalled();
    first.unsubscribe();
    expect(removed).not.toHaveBeenCalled();
    third.unsubscribe();
    expect(removed).toHaveBeenCalledTimes(1);
    // What was added, and nothing else, is what is removed.
    expect(removed.mock.calls).toEqual(added.mock.calls);
    expect(removed.mock.calls[0]?.[1]).toBe(added.mock.calls[0]?.[1]);
    controller.abort();
    expect(told).toEqual([]);
  });

  it('reaches the others where its reason cannot be read for one, and that is thrown to who aborted', () => {
    const unreadable = new Error('no reason for you');
    let reads = 0;
    let abort = (): void => undefined;
    const signal = {
      aborted: false,
      get reason() {
        reads += 1;
        if (reads === 1) throw unreadable;
        return 'stop';
      },
      addEventListener: (_: string, listener: () => void) => (abort = listener),
      removeEventListener: () => undefined,
    } as unknown as AbortSignal;
    const [oldest, older, latest]: [unknown[], unknown[], unknown[]] = [[], [], []];
    for (const to of [oldest, older, latest]) heard(signal, to);
    expect(abort).toThrow(unreadable);
    expect([oldest, older, latest]).toMatchObject([[{ reason: 'stop' }], [{ reason: 'stop' }], []]);
  });

  it('of which all was told throws nothing', () => {
    let abort = (): void => undefined;
    const signal = {
      ...{ aborted: false, reason: 'stop', removeEventListener: () => undefined },
      addEventListener: (_: string, listener: () => void) => (abort = listener),
    } as unknown as AbortSignal;
    const told: unknown[] = [];
    heard(signal, told);
    expect(abort).not.toThrow();
    expect(told).toMatchObject([{ reason: 'stop' }]);
  });

  it('does not reach a contender that another one ended', () => {
    const controller = new AbortController();
    const told: unknown[] = [];
    const older = heard(controller.signal, told);
    aborted(controller.signal).subscribe({ error: () => older.unsubscribe() });
    controller.abort();
    expect(told).toEqual([]);
  });
});

describe('what was thrown', () => {
  it('is an error already, or becomes one with the same text and itself as the cause', () => {
    const error = new TypeError('broken');
    expect(asError(error)).toBe(error);
    expect(asError('broken')).toEqual(new Error('broken'));
    expect(asError('broken').cause).toBeUndefined();
    expect(asError({ a: 1 })).toMatchObject({ cause: { a: 1 } });
    expect(asError(7)).toBeInstanceOf(Error);
    const hostile: object = new Proxy(
      {},
      {
        getPrototypeOf: () => {
          throw new Error('trap');
        },
      },
    );
    expect(asError(hostile).cause).toBe(hostile);
  });
});
