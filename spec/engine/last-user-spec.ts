/**
 * A backend is closed with the last `Locks` that uses it.
 */
import { describe, expect, it } from '@jest/globals';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { createLocks } from '../../src/index.js';

const counted = () => {
  let closed = 0;
  const backend = { ...memoryBackend(), close: () => void (closed += 1) };
  return { backend, closed: () => closed };
};

describe('a backend', () => {
  it('is closed when the last of its `Locks` is, once', async () => {
    const { backend, closed } = counted();
    const [a, b] = [createLocks(backend), createLocks(backend)];
    await a.close();
    await a.close();
    expect(closed()).toBe(0);
    await b.close();
    expect(closed()).toBe(1);
  });

  it('that is frozen is closed by each of them: it cannot note who else uses it', async () => {
    const { backend, closed } = counted();
    const frozen = Object.freeze(backend);
    const [a, b] = [createLocks(frozen), createLocks(frozen)];
    await a.close();
    expect(closed()).toBe(1);
    await b.close();
    expect(closed()).toBe(2);
  });

  it('that has nothing to close is left as it is', async () => {
    const { close, ...open } = memoryBackend();
    expect(close).toBeDefined();
    await expect(createLocks(open).close()).resolves.toBeUndefined();
  });
});
