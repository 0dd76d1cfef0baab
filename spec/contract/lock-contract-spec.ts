/**
 * What every backend must do, on a real server in real time: the published contract, and what is said at the call where
 * a server cannot do something. The rules of time have their proof in virtual time, in the marble specs.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { contract } from '../../src/contract/index.js';
import { createLocks } from '../../src/index.js';
import { CONTENDERS, memoryOverNetwork } from './backends.js';
import type { Server } from './backends.js';

jest.setTimeout(60_000);

describe.each([...CONTENDERS, memoryOverNetwork])('the contract on $name', ({ start, fifo, overwrites, ttl }) => {
  let server: Server;

  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.stop());

  const rules = contract({
    kind: fifo ? 'queue' : 'slot',
    ttl,
    backend: () => server.backend(),
    deleteHolder: (key) => server.deleteHolder(key),
    overwriteHolder: overwrites ? async (key) => server.overwriteHolder?.(key) : undefined,
  });
  it.each(rules)('$title', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined();
  });

  if (!fifo) {
    it('says at the call which kinds of lock it cannot have, and what to use', async () => {
      const locks = createLocks(server.backend(), { ttl });
      const refusal = expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(/etcd v3/) });
      const several = (): unknown => locks.all(locks.mutex('a'), locks.mutex('b'));
      for (const make of [
        () => locks.semaphore('k', 2),
        () => locks.readLock('k'),
        () => locks.writeLock('k'),
        several,
      ]) {
        expect(make).toThrow(refusal);
      }
      await expect(locks.mutex('k').revoke({ reason: 'no room for it' })).rejects.toEqual(refusal);
      await locks.close();
    });
  }
});
