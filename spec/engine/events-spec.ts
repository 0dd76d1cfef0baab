/**
 * Every contention ends in exactly one event, `acquired` or `withdrawn`, and every hold in one, `released` or `lost`.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, take } from 'rxjs';
import { BackendError, createLocks } from '../../src/index.js';
import type { ContendOptions, LockEvent } from '../../src/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { fateOf, passing, reportsOf } from '../support/passing.js';
import { failureOf } from '../support/waiting.js';

const ofType = (reports: readonly LockEvent[], ...types: LockEvent['type'][]): LockEvent[] =>
  reports.filter(({ type }) => types.includes(type));

/** Another one holds `k`; ours contends, and is left after `until`. */
const contended = async (
  options: ContendOptions,
  until: { after?: number; meanwhile?: (world: { abort(): void; close(): void; cut(): void }) => void } = {},
): Promise<LockEvent[]> => {
  const { client, pass } = passing();
  const [other, ours] = [client({ owner: 'other' }), client({ owner: 'me' })];
  void other.mutex('k').acquire();
  await pass(1);
  const reports = reportsOf(ours);
  const aborter = new AbortController();
  const states = ours
    .mutex('k')
    .lock$({ signal: aborter.signal, ...options })
    .subscribe({ error: () => undefined });
  await pass(3);
  until.meanwhile?.({
    abort: () => aborter.abort('enough'),
    close: () => void ours.close(),
    cut: () => ours.network.partition(),
  });
  await pass(until.after ?? 5);
  states.unsubscribe();
  await pass(5);
  return ofType(reports, 'acquired', 'withdrawn');
};

describe('a contention that ends without the lock', () => {
  const about = { type: 'withdrawn', key: 'k', kind: 'mutex', owner: 'me' };

  it('is withdrawn as busy where it tried once', async () => {
    const cause = expect.objectContaining({ code: 'ALREADY_LOCKED' });
    expect(await contended({ wait: 0 })).toEqual([{ ...about, reason: 'busy', waitedFor: 0, cause }]);
  });

  it('is withdrawn as busy also where that is skipped', async () => {
    expect(await contended({ wait: 0, onBusy: 'skip' })).toMatchObject([{ ...about, reason: 'busy' }]);
  });

  it('is withdrawn by the end of its wait', async () => {
    const cause = expect.objectContaining({ code: 'LOCK_TIMEOUT' });
    expect(await contended({ wait: 4 })).toEqual([{ ...about, reason: 'timeout', waitedFor: 4, cause }]);
  });

  it('is withdrawn by a signal, with its reason', async () => {
    const aborted = await contended({}, { meanwhile: ({ abort }) => abort() });
    expect(aborted).toEqual([{ ...about, reason: 'aborted', waitedFor: 3, cause: 'enough' }]);
  });

  it('is withdrawn by whoever unsubscribes, without a cause', async () => {
    expect(await contended({})).toEqual([{ ...about, reason: 'unsubscribed', waitedFor: 8 }]);
  });

  it('is withdrawn by close()', async () => {
    expect(await contended({}, { meanwhile: ({ close }) => close() })).toMatchObject([{ ...about, reason: 'closed' }]);
  });

  it('is withdrawn as failed where its wait ends in an outage, which is no contention', async () => {
    const cut = await contended({ wait: 30 }, { after: 40, meanwhile: ({ cut: outage }) => outage() });
    expect(cut).toMatchObject([{ ...about, reason: 'failed', cause: { code: 'BACKEND' } }]);
  });

  it('is withdrawn as failed where the server refuses', async () => {
    const refused = new BackendError('no', { retryable: false });
    const backend = memoryBackend();
    const locks = createLocks({
      ...backend,
      enqueue: () => {
        throw refused;
      },
    });
    const reports = reportsOf(locks);
    await failureOf(locks.mutex('k').acquire());
    expect(ofType(reports, 'acquired', 'withdrawn')).toMatchObject([{ reason: 'failed', cause: { code: 'BACKEND' } }]);
    await locks.close();
  });

  it('is withdrawn at once after close()', async () => {
    const locks = createLocks(memoryBackend());
    void locks.close({ drain: 1 });
    const reports = reportsOf(locks);
    const again = fateOf(locks.mutex('k').acquire());
    await Promise.resolve();
    expect(again.is).toBe('rejected');
    expect(reports.length).toBeLessThanOrEqual(1);
    await locks.close();
  });
});

describe('a contention that gets the lock', () => {
  it('is acquired, and never withdrawn, however it ends', async () => {
    const { client, pass } = passing();
    const locks = client();
    const reports = reportsOf(locks);
    locks.mutex('released').lock$().subscribe().unsubscribe();
    locks.mutex('taken').lock$().pipe(take(1)).subscribe();
    const aborter = new AbortController();
    locks
      .mutex('aborted')
      .lock$({ signal: aborter.signal })
      .subscribe({ error: () => undefined });
    const using = fateOf(locks.mutex('lost').use(() => new Promise(() => NEVER)));
    await pass(1);
    aborter.abort();
    locks.network.partition();
    await pass(20);
    expect(using.is).toBe('rejected');
    const types = (key: string): string[] =>
      ofType(reports, 'acquired', 'withdrawn', 'released', 'lost')
        .filter((event) => 'key' in event && event.key === key)
        .map(({ type }) => type);
    expect(types('released')).toEqual(['acquired', 'released']);
    expect(types('taken')).toEqual(['acquired', 'released']);
    expect(types('aborted')).toEqual(['acquired', 'released']);
    expect(types('lost')).toEqual(['acquired', 'lost']);
  });

  it('says of which kind it is, and of none where there are several', async () => {
    const { client, pass } = passing();
    const locks = client();
    const reports = reportsOf(locks);
    const locked = [
      locks.semaphore('s', 2),
      locks.readLock('r'),
      locks.all(locks.readLock('a'), locks.readLock('b')),
      locks.all(locks.readLock('c'), locks.mutex('d')),
    ];
    for (const lock of locked) void lock.acquire();
    await pass(1);
    expect(ofType(reports, 'acquired').map((event) => 'kind' in event && event.kind)).toEqual([
      'semaphore',
      'read',
      'read',
      undefined,
    ]);
  });

  it('can all be written as JSON', async () => {
    const { client, pass } = passing();
    const locks = client();
    const reports = reportsOf(locks);
    void locks
      .mutex('k')
      .acquire({ atMost: 3 })
      .then((held) => held.fencingToken);
    const late = fateOf(locks.mutex('k').acquire({ wait: 1 }));
    await pass(10);
    expect(late.is).toBe('rejected');
    const written = reports.map((event) => JSON.stringify(event));
    expect(written.find((one) => one.includes('"lost"'))).toContain('"fencingToken":"');
    expect(written.find((one) => one.includes('"withdrawn"'))).toContain('"code":"LOCK_TIMEOUT"');
  });
});

describe('an outage', () => {
  it('is told once when it begins and once when it ends, with how long it was', async () => {
    const { client, pass } = passing();
    const locks = client({ owner: 'me' });
    const reports = reportsOf(locks);
    void locks.mutex('k').acquire();
    await pass(1);
    locks.network.partition();
    await pass(5);
    locks.network.heal();
    await pass(4);
    // The renewal at 4 has no answer at 6; the next attempt, at 7, is answered.
    expect(ofType(reports, 'disconnected', 'connected')).toEqual([
      { type: 'disconnected', cause: expect.objectContaining({ code: 'BACKEND' }) },
      { type: 'connected', downFor: 1 },
    ]);
    await locks.close();
  });
});
