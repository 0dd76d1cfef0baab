/**
 * A waiter far from the head of its queue: it hears of nothing before the claim that it waits for has left or changed,
 * and holds as soon as if it had heard of everything. Here, whoever is not next in the queue is far from its head.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, defer, finalize, mergeMap, switchMap, take, timer } from 'rxjs';
import type { Subscription } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { createLocks } from '../../../src/index.js';
import type { Lock, Locks, Queue, QueueBackend } from '../../../src/index.js';
import { KeyQueue } from '../../../src/engine/queue/key-queue.js';
import { claim } from '../../support/claims.js';
import { engineOf } from '../../support/engines.js';
import { TIMES, atFrame } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const LEASE = { id: '1a', ttl: 12, owner: 'ours', key: undefined };

const mutex = (locks: Locks): Lock => locks.mutex('k');

/** Clients of one server, each a `Locks` of its own, and what each is told, with the frame. */
const clientsOf = (m: Marbles) => {
  const memory = memoryBackend({ scheduler: m.scheduler });
  const backend: QueueBackend = { ...memory, near: 1 };
  const told: string[] = [];
  const client = (change: Partial<QueueBackend> = {}): Locks =>
    createLocks({ ...backend, ...change }, { ...TIMES, random: () => 0, scheduler: m.scheduler });
  const contend = (name: string, lockOf = mutex, locks = client(), frame = 0): Subscription[] => {
    const contending: Subscription[] = [];
    atFrame(m, frame, () => {
      const states$ = lockOf(locks).lock$();
      const tell = (state: string): void => void told.push(`${String(m.scheduler.now())} ${name} ${state}`);
      contending.push(states$.subscribe((s) => tell(s.status === 'held' ? 'held' : `${String(s.ahead)} ahead`)));
    });
    return contending;
  };
  const leave = (contending: readonly Subscription[], frame: number): void =>
    atFrame(m, frame, () => contending.forEach((one) => one.unsubscribe()));
  return { memory, client, contend, leave, told };
};

describe('a waiter far from the head', () => {
  it(
    'hears of its turn alone, and holds in the very frame in which it comes',
    marbles((m) => {
      const { contend, leave, told } = clientsOf(m);
      const [a, b, c, d] = [contend('a'), contend('b'), contend('c'), contend('d')];
      leave(a, 2);
      leave(b, 4);
      leave(c, 6);
      leave(d, 8);
      m.flush();
      expect(told).toEqual([
        '0 a held',
        '0 b 1 ahead',
        '0 c 2 ahead',
        '0 d 3 ahead',
        '2 b held',
        '4 c held',
        '6 d held',
      ]);
    }),
  );

  it(
    'looks again when the one that it waits for has given up',
    marbles((m) => {
      const { contend, leave, told } = clientsOf(m);
      const [a, b, c, d] = [contend('a'), contend('b'), contend('c'), contend('d')];
      leave(c, 1);
      leave(b, 2);
      leave(a, 3);
      leave(d, 4);
      m.flush();
      expect(told.slice(4)).toEqual(['1 d 2 ahead', '2 d 1 ahead', '3 d held']);
    }),
  );

  it(
    'hears of a request to release as soon as it holds',
    marbles((m) => {
      const { client, contend, leave, told } = clientsOf(m);
      const [admin, locks] = [client(), client()];
      const [a, b, c] = [contend('a'), contend('b'), contend('c', mutex, locks)];
      leave(a, 2);
      leave(b, 3);
      locks.events$.subscribe(({ type }) => told.push(`${String(m.scheduler.now())} ${type}`));
      atFrame(m, 3, () => void admin.mutex('k').revoke({ within: 4, reason: 'needed' }));
      leave(c, 6);
      m.flush();
      const heard = told.filter((line) => line.endsWith('c held') || line.endsWith('revocation'));
      expect(heard).toEqual(['3 c held', '3 revocation']);
    }),
  );

  it(
    'hears of each change while it is observed, and of its turn alone afterwards',
    marbles((m) => {
      const { client, contend, leave, told } = clientsOf(m);
      const locks = client();
      const contending = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => contend(name));
      const far = contend('far', mutex, locks);
      const observers: Subscription[] = [];
      atFrame(m, 2, () => observers.push(locks.mutex('k').ownership$().subscribe()));
      leave(observers, 4);
      contending.forEach((one, i) => leave(one, i + 1));
      leave(far, 10);
      m.flush();
      expect(told.filter((line) => line.includes('far'))).toEqual([
        '0 far 8 ahead',
        '2 far 7 ahead',
        '2 far 6 ahead',
        '3 far 5 ahead',
        '4 far 4 ahead',
        '8 far held',
      ]);
    }),
  );

  it(
    'follows the whole queue behind readers, who hold beside it',
    marbles((m) => {
      const { contend, leave, told } = clientsOf(m);
      const w = contend('w', (locks) => locks.writeLock('k'));
      const readers = ['r', 's', 't'].map((name) => contend(name, (locks) => locks.readLock('k')));
      leave(w, 2);
      readers.forEach((one) => leave(one, 4));
      m.flush();
      expect(told.slice(-3)).toEqual(['2 r held', '2 s held', '2 t held']);
    }),
  );

  it(
    'waits on behind a claim that was changed under it, as a person may change it',
    marbles((m) => {
      const { memory, contend, leave, told } = clientsOf(m);
      const [w, x] = [contend('w'), contend('x')];
      const far = contend('far');
      const changed$ = memory.queue('k', 0).pipe(
        take(1),
        mergeMap(({ claims: [, second] }) =>
          second && memory.others ? memory.others.ask('k', second, { reason: 'x', by: 'me', within: Infinity }, 0) : [],
        ),
      );
      atFrame(m, 1, () => void changed$.subscribe());
      leave(w, 2);
      leave(x, 3);
      leave(far, 4);
      m.flush();
      expect(told.filter((line) => line.includes('far'))).toEqual(['0 far 2 ahead', '3 far held']);
    }),
  );

  it(
    'is told its place at once, where it was sent while the whole queue was followed, and came in afterwards',
    marbles((m) => {
      const { memory, client, contend, leave, told } = clientsOf(m);
      const enqueue: QueueBackend['enqueue'] = (...args) =>
        timer(1, m.scheduler).pipe(switchMap(() => memory.enqueue(...args)));
      const locks = client({ enqueue });
      const [a, ...others] = ['a', 'b', 'c', 'd', 'e'].map((name) => contend(name));
      const far = contend('far', mutex, locks);
      const observers: Subscription[] = [];
      atFrame(m, 2, () => observers.push(locks.mutex('k').ownership$().subscribe()));
      const later = contend('later', mutex, locks, 3);
      leave(observers, 3);
      leave(a ?? [], 3);
      [later, far, ...others.reverse()].forEach((one) => leave(one, 7));
      m.flush();
      expect(told.filter((line) => line.includes('later'))).toEqual(['4 later 5 ahead']);
    }),
  );

  it(
    'follows the whole queue until each claim of its client has a place in it',
    marbles((m) => {
      const asked: unknown[] = [];
      const backend = {
        ...memoryBackend({ scheduler: m.scheduler }),
        near: 1,
        queue: (...[, , from, until]: Parameters<QueueBackend['queue']>) => (asked.push([from, until]), NEVER),
      };
      const owner = { followed: () => undefined, empty: () => undefined };
      const queue = new KeyQueue(engineOf(m.scheduler, { backend }), 'k', owner);
      const told: string[] = [];
      const viewOf = (...tokens: number[]) => ({
        key: 'k',
        revision: BigInt(tokens.at(-1) ?? 0),
        claims: tokens.map((token) => claim(token)),
      });
      const join = (token: number, view?: Queue): void =>
        queue.join(claim(token), BigInt(token), LEASE, view, ({ status }) => told.push(`${String(token)} ${status}`));
      const first = viewOf(1, 2, 3, 5);
      join(5, first);
      // Sent while the whole queue was followed, so without a view.
      join(8);
      const read = { ...first, revision: 6n };
      queue.seen(read);
      join(9);
      const both = viewOf(1, 2, 3, 5, 8, 9);
      queue.seen({ ...both, revision: 8n, claims: both.claims.slice(0, -1) });
      queue.seen(both);
      queue.stop();
      expect(asked).toEqual([
        [first, claim(3)],
        [undefined, undefined],
        [both, claim(3)],
      ]);
      expect(told).toEqual(['5 blocked', '8 blocked', '9 blocked']);
      m.flush();
    }),
  );

  /** A queue near whose head is one place, and what its watches were asked for. */
  const queueOf = (m: Marbles) => {
    const asked: unknown[] = [];
    let open = 0;
    const backend = {
      ...memoryBackend({ scheduler: m.scheduler }),
      near: 1,
      queue: (...[, , from, until]: Parameters<QueueBackend['queue']>) =>
        defer(() => {
          asked.push([from, until]);
          open += 1;
          return NEVER.pipe(finalize(() => (open -= 1)));
        }),
    };
    const owner = { followed: () => undefined, empty: () => undefined };
    const queue = new KeyQueue(engineOf(m.scheduler, { backend }), 'k', owner);
    const told: string[] = [];
    const viewOf = (revision: number, ...tokens: number[]): Queue => ({
      key: 'k',
      revision: BigInt(revision),
      claims: tokens.map((token) => claim(token)),
    });
    const join = (token: number, view?: Queue): void =>
      queue.join(claim(token), BigInt(token), LEASE, view, ({ status }) => told.push(`${String(token)} ${status}`));
    return { queue, join, viewOf, asked, told, open: () => open };
  };

  it(
    'goes on waiting for the same claim when another of its client comes with a view of the queue',
    marbles((m) => {
      const { queue, join, viewOf, asked, told } = queueOf(m);
      const first = viewOf(5, 1, 2, 3, 5);
      join(5, first);
      join(9, viewOf(9, 1, 2, 3, 5, 9));
      expect(asked).toEqual([[first, claim(3)]]);
      expect(told).toEqual(['5 blocked', '9 blocked']);
      queue.stop();
    }),
  );

  it(
    'makes room for who looks: the whole queue is read for them',
    marbles((m) => {
      const { queue, join, viewOf, asked } = queueOf(m);
      const first = viewOf(5, 1, 2, 3, 5);
      join(5, first);
      const looking = queue.view$(false).subscribe();
      expect(asked).toEqual([
        [first, claim(3)],
        [undefined, undefined],
      ]);
      looking.unsubscribe();
      queue.stop();
    }),
  );

  it(
    'takes its watch along when it leaves, where one near the head leaves it for a while',
    marbles((m) => {
      const { queue, join, viewOf, open } = queueOf(m);
      join(5, viewOf(5, 1, 5));
      queue.seen(viewOf(6, 5));
      queue.leaves(claim(5));
      expect(open()).toBe(1);
      queue.stop();
      join(9, viewOf(9, 1, 2, 3, 9));
      expect(open()).toBe(1);
      queue.leaves(claim(9));
      expect(open()).toBe(0);
    }),
  );

  it(
    'that holds by hand-offs hears of each change, though the server still shows the claims ahead',
    marbles((m) => {
      const { queue, join, viewOf, asked, told } = queueOf(m);
      const all = viewOf(7, 3, 5, 7);
      queue.seen(all);
      [3, 5, 7].forEach((token) => join(token));
      for (const left of [claim(3), claim(5)]) {
        queue.handOff(left);
        queue.leaves(left);
        queue.notifyNext();
      }
      const before = asked.length;
      queue.seen(viewOf(8, 3, 5, 7, 8));
      expect(told.at(-1)).toBe('7 first');
      expect(asked).toHaveLength(before);
      queue.stop();
    }),
  );

  it('hears of each change while it takes the lock from others', async () => {
    const memory = memoryBackend();
    const [holder, next, far] = [0, 1, 2].map(() => createLocks({ ...memory, near: 1 }, { ttl: 60_000 }));
    if (!holder || !next || !far) throw new Error('three clients');
    const held = await holder.mutex('k').acquire();
    held.revocation$.subscribe(() => void held.release());
    const waiting = [next, far].map((locks) => locks.mutex('k').lock$().subscribe());
    await far.mutex('k').revoke({ reason: 'x', within: 60_000 });
    expect(held.isHeld()).toBe(false);
    waiting.forEach((one) => one.unsubscribe());
    await Promise.all([holder, next, far].map((locks) => locks.close()));
  });
});
