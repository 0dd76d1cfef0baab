import { describe, expect, it } from '@jest/globals';
import Etcd from 'node-etcd';
import { NEVER, concat, filter, finalize, map, merge, mergeMap, of, switchMap, takeUntil, tap, timer } from 'rxjs';
import type { Observable } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { nodeEtcdBackend } from '../../../src/backends/node-etcd/index.js';
import { InvalidOptionError, LockLostError, LocksClosedError, createLocks, usingLock } from '../../../src/index.js';
import type { Holder, Lock, Revocation } from '../../../src/index.js';
import { SLOW, TIMES, atFrame, codes, events, letters, openServer, serverOf } from '../../support/marbles.js';

/** The reasons of what a holder is asked, while it holds on. */
const asked = (lock: Lock): Observable<string> =>
  usingLock(lock, ({ revocation$ }) => revocation$.pipe(map(({ reason }) => reason))).pipe(codes());

const tokens = (holders: readonly Holder[]): string => holders.map(({ fencingToken }) => String(fencingToken)).join();

describe('revoke', () => {
  it(
    'asks who holds, which does about it what it likes; who waits is not asked',
    marbles((m) => {
      const server = serverOf(m, { latency: 1 });
      const lock = () => server.client(SLOW).mutex('k');
      // Held from 4 on, watched from 12 on. The request needs a read of the queue first.
      m.expect(asked(lock()), '------^-------------------!').toBeObservable('---------------------a---b-');
      m.expect(asked(lock()), '--------^-----------------!').toBeObservable('---------------------------');
      atFrame(m, 17, () => void lock().revoke({ reason: 'a' }));
      atFrame(m, 21, () => void lock().revoke({ reason: 'b' }));
    }),
  );

  it(
    'a holder that ends its stream when asked gives way to the next',
    marbles((m) => {
      const server = serverOf(m);
      const work = (name: string) =>
        usingLock(server.client(TIMES).mutex('k'), ({ revocation$ }) =>
          concat(of(name), NEVER).pipe(takeUntil(revocation$)),
        );
      m.expect(work('a'), '^------!').toBeObservable('    a----|');
      m.expect(work('b'), '-^---------!').toBeObservable('-----b------');
      atFrame(m, 5, () => void server.client(TIMES).mutex('k').revoke({ reason: 'now me' }));
    }),
  );

  it(
    'with a time limit takes it then: the loser tidies up, is told why, and has left before the next one holds',
    marbles((m) => {
      const server = serverOf(m, { latency: 1 });
      const order: string[] = [];
      const first$ = usingLock(server.client(SLOW).mutex('k'), () =>
        NEVER.pipe(finalize(() => order.push('tidied up'))),
      ).pipe(tap({ error: (error: unknown) => order.push(String(error)) }));
      const next$ = usingLock(server.client(SLOW).mutex('k'), () =>
        concat(of('h'), NEVER).pipe(tap(() => order.push('next'))),
      );
      const admin = server.client({ ...SLOW, owner: 'ops' });
      // Asked at 22, taken 5 after that is acknowledged: at 30 it is told so, and its claim leaves at 31.
      m.expect(first$.pipe(codes()), '^-----------------------------------!').toBeObservable(
        '                              ------------------------------#',
        undefined,
        'LOCK_LOST revoked',
      );
      m.expect(next$, '               -----^------------------------------!').toBeObservable(
        '                              --------------------------------h----',
      );
      atFrame(m, 19, () => void admin.mutex('k').revoke({ reason: 'drain', within: 5 }));
      m.scheduler.schedule(() => {
        expect(order).toEqual([
          'tidied up',
          'LockLostError: Lost "k": it was taken away by ops: "drain". Another client may hold it now: stop writing, ' +
            'or have writes with fencing token 2 refused.',
          'next',
        ]);
      }, 35);
    }),
  );

  it(
    'takes it from who stands still as well, a tenth of a ttl after its time is up',
    marbles((m) => {
      const server = serverOf(m);
      const frozen = server.client({ ttl: 100, safetyMargin: 10 });
      const lost$ = letters(frozen.mutex('k').lock$());
      const next$ = letters(server.client({ ttl: 100, safetyMargin: 10 }).mutex('k').lock$());
      m.expect(lost$, '^ 120ms !').toBeObservable('h 99ms #', undefined, 'LOCK_LOST revoked');
      m.expect(next$, '-^ 119ms !').toBeObservable('-w 73ms h');
      atFrame(m, 52, () => frozen.pauseClient(48));
      atFrame(m, 60, () => {
        void server.client({ ttl: 100 }).mutex('k').revoke({ reason: 'stuck', within: 5 });
      });
    }),
  );

  it(
    'of one holder of several, by its token',
    marbles((m) => {
      const server = openServer(m);
      const lock = (owner: string) => server.client({ ...TIMES, owner }).semaphore('k', 2);
      m.expect(asked(lock('a')), ' ^------!').toBeObservable('--------');
      m.expect(asked(lock('b')), ' -^-----!').toBeObservable('-----y--');
      atFrame(m, 3, () => void lock('c').revoke({ reason: 'y', fencingToken: 3n }));
    }),
  );

  it(
    'of several keys at once: each of them asks for all, and all are lost when one is taken',
    marbles((m) => {
      const server = serverOf(m);
      const locks = server.client(TIMES);
      const both = locks.all(locks.mutex('a'), locks.mutex('b'));
      const other = server.client(TIMES);
      m.expect(asked(both), '                        ^---------!').toBeObservable(
        '----x-#',
        undefined,
        'LOCK_LOST revoked',
      );
      m.expect(letters(other.mutex('a').lock$()), '    -^--------!').toBeObservable('-w----h---');
      atFrame(m, 2, () => void other.mutex('b').revoke({ reason: 'x' }));
      atFrame(m, 6, () => {
        const ours = server.client(TIMES);
        void ours.all(ours.mutex('b'), ours.mutex('c')).revoke({ reason: 'y', within: 0 });
      });
    }),
  );

  it(
    'what was asked while other keys were waited for is told when all are held',
    marbles((m) => {
      const server = serverOf(m);
      const locks = server.client(TIMES);
      const both = locks.all(locks.mutex('a'), locks.mutex('b'));
      m.expect(letters(server.client(TIMES).mutex('b').lock$()), '^---!').toBeObservable('h----');
      m.expect(asked(both), '                                     -^-----!').toBeObservable('-----x--');
      atFrame(m, 2, () => void server.client(TIMES).mutex('a').revoke({ reason: 'x' }));
    }),
  );

  it(
    'takes the lead of a candidate, whose value has no room for a request',
    marbles((m) => {
      const server = serverOf(m);
      const led = letters(server.client(TIMES).election('e').candidate('A').lock$());
      m.expect(led, '^---------!').toBeObservable('h---#', undefined, 'LOCK_LOST revoked');
      const asks: string[] = [];
      const admin = server.client(TIMES).election('e').candidate('ops');
      atFrame(m, 2, () => void admin.revoke({ reason: 'only asked' }).then((all) => asks.push(tokens(all))));
      atFrame(m, 4, () => void admin.revoke({ reason: 'taken', within: 0 }));
    }),
  );

  it(
    'an observer sees who was asked, by whom and why; who looks late sees it, too',
    marbles((m) => {
      const server = serverOf(m);
      const revocations = (lock: Lock) =>
        lock.ownership$().pipe(
          filter((ownership) => ownership.status === 'held'),
          map(({ holders: [holder] }) => holder?.revocation),
          filter((revocation) => revocation !== undefined),
        );
      const watcher = server.client(TIMES).mutex('k');
      const r: Revocation = { reason: 'why', by: 'ops', at: new Date(3), within: Infinity };
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '^-------!').toBeObservable('h--------');
      m.expect(revocations(watcher), '                             ^------!').toBeObservable('---r----', { r });
      m.expect(revocations(server.client(TIMES).mutex('k')), '     -----^-!').toBeObservable('-----r--', { r });
      atFrame(m, 3, () => {
        void server
          .client({ ...TIMES, owner: 'ops' })
          .mutex('k')
          .revoke({ reason: 'why' });
      });
    }),
  );

  it(
    'whose answer is lost is written once; the holder is asked once',
    marbles((m) => {
      const server = serverOf(m);
      const admin = server.client(TIMES);
      const holder = server.client(TIMES);
      m.expect(asked(holder.mutex('k')), '^--------------!').toBeObservable('-----x----------');
      m.expect(events(holder.events$, { revocation: 'r' }), '^------!').toBeObservable('-----r--');
      atFrame(m, 5, () => {
        admin.network.dropNextReply();
        void admin.mutex('k').revoke({ reason: 'x' });
      });
    }),
  );

  it(
    'is a reason to end, to complete with the hold and to fail with its loss',
    marbles((m) => {
      const server = openServer(m);
      const revocations = (lock: Lock) =>
        lock.lock$().pipe(switchMap((state) => (state.status === 'held' ? state.held.revocation$ : NEVER)));
      const lock = server.client(TIMES).mutex('k');
      m.expect(revocations(lock).pipe(codes()), '^--!').toBeObservable('---');
      const other = server.client(TIMES).mutex('o');
      m.expect(revocations(other).pipe(codes()), '^-------!').toBeObservable('----#', undefined, 'LOCK_LOST deleted');
      atFrame(m, 3, () => server.deleteFirst('o'));
      const released = server.client(TIMES).mutex('r');
      const releasing$ = released.lock$().pipe(
        mergeMap((state) => {
          if (state.status !== 'held') return NEVER;
          const { held } = state;
          return merge(held.revocation$, timer(2, m.scheduler).pipe(tap(() => void held.release())));
        }),
        map(() => 'r'),
      );
      m.expect(releasing$).toBeObservable('--(r|)');
    }),
  );

  it(
    'of who was handed it, while the release before it is asked for once more, costs it nothing',
    marbles((m) => {
      const server = serverOf(m);
      const ours = server.client(TIMES);
      const first$ = usingLock(ours.mutex('k'), () => timer(5, m.scheduler).pipe(map(() => 'f')));
      atFrame(m, 5, () => ours.network.dropNextReply());
      atFrame(m, 6, () => void server.client(TIMES).mutex('k').revoke({ reason: 'x' }));
      m.expect(first$, '                   ^----------!').toBeObservable('-----f--|');
      m.expect(asked(ours.mutex('k')), '   -^----------!').toBeObservable('------x------');
      m.expect(events(ours.events$, { acquired: 'a', lost: 'L', released: 'r' }), '^----------------!').toBeObservable(
        '-----(ra)---r-----',
      );
    }),
  );

  it('resolves with nobody where nobody holds', async () => {
    await using locks = createLocks(memoryBackend());
    await expect(locks.mutex('k').revoke({ reason: 'x' })).resolves.toEqual([]);
    await expect(locks.mutex('k').revoke({ reason: 'x', within: 10 })).resolves.toEqual([]);
  });

  it('resolves with the holders, once they are asked or hold no more', async () => {
    await using locks = createLocks(memoryBackend(), { owner: 'a', ttl: 1000 });
    const lock = locks.mutex('k');
    const held = await lock.acquire();
    expect(tokens(await lock.revoke({ reason: 'x' }))).toBe(String(held.fencingToken));
    expect(held.isHeld()).toBe(true);
    expect(tokens(await lock.revoke({ reason: 'y', within: 10 }))).toBe(String(held.fencingToken));
    expect(held.isHeld()).toBe(false);
    expect(held.signal.reason).toBeInstanceOf(LockLostError);
    expect(held.signal.reason).toMatchObject({ reason: 'revoked', revocation: { reason: 'y', by: 'a', within: 0 } });
  });

  it('of several keys resolves with the holders of each', async () => {
    await using locks = createLocks(memoryBackend());
    const [a, b] = [locks.mutex('a'), locks.mutex('b')];
    const helds = [await a.acquire(), await b.acquire()];
    const asked = await locks.all(a, b).revoke({ reason: 'x' });
    expect(tokens(asked)).toBe(helds.map(({ fencingToken }) => String(fencingToken)).join());
  });

  it('rejects when the locks are closed, before or meanwhile', async () => {
    const backend = memoryBackend();
    await using holder = createLocks(backend);
    await holder.mutex('k').acquire();
    const locks = createLocks(backend);
    const waiting = locks.mutex('k').revoke({ reason: 'x', within: 60_000 });
    const closed = expect(waiting).rejects.toThrow(LocksClosedError);
    await locks.close();
    await closed;
    await expect(locks.mutex('k').revoke({ reason: 'x' })).rejects.toThrow(LocksClosedError);
  });

  it.each([
    [{ reason: '' }, /reason is "": say why/],
    [{ reason: 'x'.repeat(1025) }, /1 to 1024 characters/],
    [{ reason: 'x', within: -1 }, /within is -1: give milliseconds/],
    [{ reason: 'x', within: NaN }, /within is NaN/],
    [{ reason: 'x', within: '5' }, /within is "5"/],
    [{ reason: 'x', fencingToken: 3 }, /fencingToken is 3: give the fencing token of a holder, a bigint/],
    [{}, /reason is undefined/],
  ])('refuses %p', async (options, advice) => {
    const lock = createLocks(memoryBackend()).mutex('k');
    const revoke = async (): Promise<unknown> => await Reflect.apply(lock.revoke, lock, [options]);
    await expect(revoke()).rejects.toThrow(InvalidOptionError);
    await expect(revoke()).rejects.toThrow(advice);
  });

  it('takes a reason as long as it may be', async () => {
    await using locks = createLocks(memoryBackend());
    await expect(locks.mutex('k').revoke({ reason: 'x'.repeat(1024) })).resolves.toEqual([]);
  });

  it('is refused on etcd v2', async () => {
    const lock = createLocks(nodeEtcdBackend(new Etcd())).mutex('k');
    await expect(lock.revoke({ reason: 'x' })).rejects.toThrow(
      /^key is "k": claims on node-etcd cannot carry a request/,
    );
  });
});
