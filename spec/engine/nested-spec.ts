/**
 * A lock that is wanted inside of its own body waits for itself. It is told so.
 */
import { describe, expect, it } from '@jest/globals';
import { catchError, lastValueFrom, of } from 'rxjs';
import { createLocks, usingLock, withLock } from '../../src/index.js';
import type { LockEvent } from '../../src/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { waitsForItself } from '../../src/engine/bodies.js';
import type { Nesting } from '../../src/engine/bodies.js';
import type { Hold } from '../../src/engine/hold.js';
import { fateOf, passing, reportsOf } from '../support/passing.js';

const notes = (reports: readonly LockEvent[]): readonly string[] =>
  reports.flatMap((event) => (event.type === 'note' ? event.message : []));

const ITSELF =
  'A contender for "k" runs inside the body that holds it, so it waits for itself: locks are not reentrant. ' +
  'Acquire the lock once, outside, or pass the held lock on.';

describe('a lock wanted inside of its own body', () => {
  it('says so in a note, since it waits for ever', async () => {
    const { client, pass } = passing();
    const locks = client();
    const reports = reportsOf(locks);
    void locks.mutex('k').use(() => locks.mutex('k').use(() => undefined));
    await pass(5);
    expect(notes(reports)).toEqual([expect.stringContaining(ITSELF)]);
  });

  it('says so in the error of its wait, in each form', async () => {
    const locks = createLocks(memoryBackend());
    const lock = locks.mutex('k');
    const told = (error: unknown) => of(error instanceof Error ? error.message : 'none');
    const inner$ = usingLock(lock, () => of('held'), { wait: 0 }).pipe(catchError(told));
    expect(await lastValueFrom(usingLock(lock, () => inner$))).toContain('so it waits for itself');
    expect(await lastValueFrom(inner$.pipe(withLock(lock)))).toContain('so it waits for itself');
    await locks.close();
    const { client, pass } = passing();
    const slow = client().mutex('k');
    const late = fateOf(slow.use(() => slow.use(() => 'held', { wait: 5 })));
    // Until the body has begun, then until its wait and the release are over.
    for (let turn = 0; turn < 3; turn += 1) await pass(5);
    expect(String(late.of)).toMatch(/did not become free within 5 ms: .* so it waits for itself/);
  });

  it('is told by another key, or by a semaphore with room, nothing of the kind', async () => {
    const { client, pass } = passing();
    const locks = client();
    const reports = reportsOf(locks);
    const inner = fateOf(locks.mutex('k').use(() => locks.mutex('other').use(() => 'done')));
    const room = fateOf(locks.semaphore('s', 2).use(() => locks.semaphore('s', 2).use(() => 'done')));
    await pass(5);
    expect([inner, room]).toEqual([
      { is: 'resolved', of: 'done' },
      { is: 'resolved', of: 'done' },
    ]);
    expect(notes(reports)).toEqual([]);
  });

  it('says once, where nobody can tell whether it is nested, that the holder is of the same Locks', async () => {
    const { client, pass } = passing();
    const locks = client();
    const reports = reportsOf(locks);
    void locks.mutex('k').acquire();
    await pass(1);
    const inTime = fateOf(locks.mutex('k').acquire({ wait: 3 }));
    void locks.mutex('k').acquire();
    void locks.mutex('k').acquire();
    await pass(1);
    expect(inTime.is).toBe('pending');
    expect(notes(reports)).toEqual([
      expect.stringMatching(
        /^"k" is held by the same Locks\. .* locks are not reentrant; otherwise nothing is wrong\. This note is reported once\.$/,
      ),
    ]);
  });

  it('says that the holder is of the same Locks where it is another of its locks', async () => {
    const { client, pass } = passing();
    const [locks, others] = [client({ owner: 'me' }), client({ owner: 'me' })];
    void locks.mutex('k').acquire();
    await pass(1);
    const own = fateOf(locks.mutex('k').acquire({ wait: 0 }));
    const other = fateOf(others.mutex('k').acquire({ wait: 0 }));
    await pass(1);
    expect(String(own.of)).toContain('is held by me. The holder is of the same `Locks`. Give a longer');
    expect(String(other.of)).toContain('is held by me. Give a longer');
  });

  it('says at the first contender that the holder is of the same Locks', async () => {
    const { client, pass } = passing();
    const locks = client();
    const reports = reportsOf(locks);
    void locks.mutex('k').acquire();
    await pass(1);
    void locks.mutex('k').acquire();
    await pass(1);
    expect(notes(reports)).toEqual([expect.stringContaining('"k" is held by the same Locks.')]);
    void locks.mutex('k').acquire();
    await pass(1);
    expect(notes(reports)).toHaveLength(1);
  });

  it('waits for itself also where it wants one of several keys that it holds', async () => {
    const { client, pass } = passing();
    const locks = client();
    const reports = reportsOf(locks);
    void locks.all(locks.mutex('k'), locks.mutex('l')).use(() => locks.mutex('k').use(() => undefined));
    await pass(5);
    expect(notes(reports)).toEqual([expect.stringContaining(ITSELF)]);
  });

  it('waits not for itself where another client holds, too', async () => {
    const { client, pass } = passing();
    const [locks, others] = [client(), client()];
    const reports = reportsOf(locks);
    void others.semaphore('k', 2).acquire();
    await pass(1);
    void locks.semaphore('k', 2).use(() => locks.semaphore('k', 2).use(() => undefined));
    await pass(5);
    expect(notes(reports).join()).not.toContain('waits for itself');
  });

  it('is not said to wait for itself before the server has told who holds', async () => {
    const { client, pass } = passing();
    const locks = client();
    locks.network.partition();
    const late = fateOf(locks.mutex('k').acquire({ wait: 5 }));
    for (let turn = 0; turn < 5; turn += 1) await pass(5);
    expect(late.is).toBe('rejected');
    expect(String(late.of)).not.toContain('waits for itself');
  });

  it('is not said so inside of its body either', async () => {
    const { client, pass } = passing();
    const locks = client();
    const late = fateOf(
      locks.mutex('k').use(() => {
        locks.network.partition();
        return locks.mutex('k').acquire({ wait: 3 });
      }),
    );
    for (let turn = 0; turn < 5; turn += 1) await pass(5);
    expect(late.is).toBe('rejected');
    expect(String(late.of)).not.toContain('waits for itself');
  });

  it('is told by its error that the holder is of the same Locks where one of the holders is', async () => {
    const { client, pass } = passing();
    const [locks, others] = [client({ owner: 'me' }), client({ owner: 'other' })];
    void locks.semaphore('k', 2).acquire();
    await pass(1);
    void others.semaphore('k', 2).acquire();
    await pass(1);
    const late = fateOf(locks.semaphore('k', 2).acquire({ wait: 3 }));
    for (let turn = 0; turn < 2; turn += 1) await pass(5);
    expect(String(late.of)).toMatch(/it is held by me, other\. The holder is of the same `Locks`\.$/);
  });

  it('is told so not of another key, which the same Locks holds, while others hold what is in the way', async () => {
    const { client, pass } = passing();
    const [locks, others] = [client({ owner: 'me' }), client({ owner: 'other' })];
    void locks.readLock('a').acquire();
    void others.mutex('b').acquire();
    await pass(1);
    const late = fateOf(locks.all(locks.readLock('a'), locks.mutex('b')).acquire({ wait: 3 }));
    for (let turn = 0; turn < 2; turn += 1) await pass(5);
    expect(String(late.of)).toMatch(/it is held by other\.$/);
  });

  it('waits not for itself once its holder has released, though the key stays taken', async () => {
    const { client, pass } = passing();
    const lock = client().mutex('k');
    const late = fateOf(
      lock.use(
        (held) => {
          void held.release();
          return lock.acquire({ wait: 3 });
        },
        { atLeast: 20 },
      ),
    );
    for (let turn = 0; turn < 3; turn += 1) await pass(5);
    expect(late.of).toMatchObject({ code: 'LOCK_TIMEOUT' });
    expect(String(late.of)).not.toContain('waits for itself');
  });
});

describe('who is in the way', () => {
  const hold = (token: bigint, keys: readonly string[], isOver = false): Hold =>
    ({ isOver, keys: () => keys, held: { fencingToken: token } }) as unknown as Hold;
  const inside = (...holds: readonly Hold[]): Nesting | undefined =>
    holds.reduce<Nesting | undefined>((outer, one) => ({ hold: one, outer }), undefined);

  it.each<[string, boolean, Nesting | undefined, readonly bigint[]]>([
    ['the hold around it', true, inside(hold(1n, ['k'])), [1n]],
    ['the outer hold', true, inside(hold(1n, ['k']), hold(2n, ['other'])), [1n]],
    ['both holds around it', true, inside(hold(1n, ['k', 'l']), hold(2n, ['k'])), [1n, 2n]],
    ['nobody', false, inside(hold(1n, ['k'])), []],
    ['somebody else', false, inside(hold(1n, ['k'])), [2n]],
    ['somebody else, too', false, inside(hold(1n, ['k'])), [1n, 2n]],
    ['somebody, and nothing is around it', false, undefined, [1n]],
    ['nobody, and nothing is around it', false, undefined, []],
    ['a hold around it that is over', false, inside(hold(1n, ['k'], true)), [1n]],
    ['one with the token of a hold around it at another key', false, inside(hold(1n, ['other'])), [1n]],
  ])('is %s: whether it waits for itself is %s', (_, expected, nesting, tokens) => {
    const inTheWay = tokens.map((fencingToken) => ({ fencingToken }));
    expect(waitsForItself(nesting, ['k'], inTheWay)).toBe(expected);
  });
});
