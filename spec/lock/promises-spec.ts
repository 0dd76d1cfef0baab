/**
 * The promise forms, in the real time of promises, on the memory backend.
 */
import { describe, expect, it } from '@jest/globals';
import { firstValueFrom, filter } from 'rxjs';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { LockLostError, LockNotOwnedError, createLocks } from '../../src/index.js';
import type { HeldLock, LockEvent, Locks } from '../../src/index.js';
import { behindNetwork } from '../../src/testing/index.js';

/** A client whose locks are lost half a second after its network has been cut, at the latest. */
const cutOff = (): { locks: Locks; network: ReturnType<typeof behindNetwork>['network'] } => {
  const { backend, network } = behindNetwork(memoryBackend());
  return { locks: createLocks(backend, { ttl: 600, safetyMargin: 100 }), network };
};

const lossOf = (held: HeldLock): Promise<unknown> =>
  new Promise((resolve) => held.signal.addEventListener('abort', () => resolve(held.signal.reason)));

describe('acquire', () => {
  it('holds until released, and releases once however often it is asked to', async () => {
    const locks = createLocks(memoryBackend());
    const held = await locks.mutex('k').acquire();
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
    const locks = createLocks(memoryBackend());
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
    const { locks, network } = cutOff();
    const held = await locks.mutex('k').acquire();
    const loss = lossOf(held);
    network.partition();
    expect(await loss).toBeInstanceOf(LockLostError);
    const error: unknown = await held.release().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LockNotOwnedError);
    expect(error).toMatchObject({ cause: await loss });
  });

  it('gives an aborted signal to who asks for it only after the loss', async () => {
    const { locks, network } = cutOff();
    const held = await locks.mutex('k').acquire();
    const lost = firstValueFrom(locks.events$.pipe(filter(({ type }) => type === 'lost')));
    network.partition();
    await lost;
    expect(held.signal.aborted).toBe(true);
    expect(held.signal.reason).toBeInstanceOf(LockLostError);
  });
});

describe('use', () => {
  it('rejects at the moment of the loss, and what the body does later is an event', async () => {
    const { locks, network } = cutOff();
    const late = firstValueFrom(locks.events$.pipe(filter(({ type }) => type === 'late-result')));
    let finish: (value: string) => void = () => undefined;
    const running = locks.mutex('k').use((held) => {
      network.partition();
      expect(held.isHeld()).toBe(true);
      return new Promise<string>((resolve) => (finish = resolve));
    });
    await expect(running).rejects.toBeInstanceOf(LockLostError);
    finish('too late');
    expect(await late).toMatchObject({ type: 'late-result', key: 'k', outcome: 'resolved' });
  });

  it('lets the body give the lock back itself', async () => {
    const locks = createLocks(memoryBackend());
    const result = await locks.mutex('k').use(async (held) => {
      await held.release();
      return 'done';
    });
    expect(result).toBe('done');
  });

  it('runs one body at a time', async () => {
    const locks = createLocks(memoryBackend());
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
