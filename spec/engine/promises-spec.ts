/**
 * The promise forms: promises settle in their own time, everything else is in virtual time.
 */
import { describe, expect, it } from '@jest/globals';
import { VirtualTimeScheduler, filter, firstValueFrom } from 'rxjs';
import { LockLostError, LockNotOwnedError } from '../../src/index.js';
import type { HeldLock, LockEvent } from '../../src/index.js';
import { lockServer } from '../../src/testing/index.js';
import { TIMES } from '../support/marbles.js';

/** A client of its own server, which answers at once; time passes when asked to: longer than any lease. */
const alone = () => {
  const scheduler = new VirtualTimeScheduler(undefined, 100);
  return { locks: lockServer(scheduler).client(TIMES), pass: () => scheduler.flush() };
};

const lossOf = (held: HeldLock): Promise<unknown> =>
  new Promise((resolve) => held.signal.addEventListener('abort', () => resolve(held.signal.reason)));

describe('acquire', () => {
  it('holds until released, and releases once however often it is asked to', async () => {
    const { locks } = alone();
    const held = await locks.mutex('k').acquire();
    expect(held).toMatchObject({ key: 'k', keys: ['k'] });
    expect(held.isHeld()).toBe(true);
    expect(held.remaining()).toBeGreaterThan(0);
    const released = held.release();
    expect(held.release()).toBe(released);
    await released;
    expect(held.isHeld()).toBe(false);
    expect(held.remaining()).toBe(0);
    expect(held.signal.aborted).toBe(false);
  });

  it('is given back at the end of an `await using` block', async () => {
    const { locks } = alone();
    let outer: HeldLock | undefined;
    {
      await using held = await locks.mutex('k').acquire();
      outer = held;
      expect(held.isHeld()).toBe(true);
    }
    expect(outer.isHeld()).toBe(false);
    await (await locks.mutex('k').acquire({ wait: 0 })).release();
  });

  it('rejects the release of a lock that was lost, with the loss as cause', async () => {
    const { locks, pass } = alone();
    const held = await locks.mutex('k').acquire();
    const loss = lossOf(held);
    locks.network.partition();
    pass();
    expect(await loss).toBeInstanceOf(LockLostError);
    const error: unknown = await held.release().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LockNotOwnedError);
    expect(error).toMatchObject({ cause: await loss });
  });

  it('gives an aborted signal to who asks for it only after the loss', async () => {
    const { locks, pass } = alone();
    const held = await locks.mutex('k').acquire();
    const lost = firstValueFrom(locks.events$.pipe(filter(({ type }) => type === 'lost')));
    locks.network.partition();
    pass();
    await lost;
    expect(held.signal.aborted).toBe(true);
    expect(held.signal.reason).toBeInstanceOf(LockLostError);
  });
});

describe('use', () => {
  it('rejects at the moment of the loss, and what the body does later is an event', async () => {
    const { locks, pass } = alone();
    const late = firstValueFrom(locks.events$.pipe(filter(({ type }) => type === 'late-result')));
    let finish: (value: string) => void = () => undefined;
    const running = locks.mutex('k').use((held) => {
      locks.network.partition();
      pass();
      expect(held.isHeld()).toBe(false);
      return new Promise<string>((resolve) => (finish = resolve));
    });
    await expect(running).rejects.toBeInstanceOf(LockLostError);
    finish('too late');
    expect(await late).toMatchObject({ type: 'late-result', key: 'k', outcome: 'resolved' });
  });

  it('lets the body give the lock back itself', async () => {
    const { locks } = alone();
    const result = await locks.mutex('k').use(async (held) => {
      await held.release();
      return 'done';
    });
    expect(result).toBe('done');
  });

  it('runs one body at a time', async () => {
    const { locks } = alone();
    let inside = 0;
    const events: LockEvent['type'][] = [];
    locks.events$.subscribe(({ type }) => events.push(type));
    const body = async (): Promise<void> => {
      inside += 1;
      expect(inside).toBe(1);
      await Promise.resolve();
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 20 }, () => locks.mutex('k').use(body)));
    expect(events.filter((type) => type === 'released')).toHaveLength(20);
  });
});
