/**
 * A line by itself: who joins, leaves, hands off and is handed off to, by the views of the queue that it is shown.
 */
import { describe, expect, it } from '@jest/globals';
import { ReplaySubject, filter, of, throwError } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import type { Queue } from '../../../src/index.js';
import { createKeyQueues } from '../../../src/engine/queue/key-queues.js';
import type { ClaimState, OnClaimState } from '../../../src/engine/claim-state.js';
import type { KeyQueue, View } from '../../../src/engine/queue/key-queue.js';
import type { Resyncable } from '../../../src/engine/queue/resync.js';
import { claim } from '../../support/claims.js';
import { engineOf } from '../../support/engines.js';
import { atFrame, letters, openServer } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

type First = Extract<ClaimState, { status: 'first' }>;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const LEASE = { id: '1', ttl: 12, owner: 'me', key: undefined };
const queue = (revision: number, ...tokens: number[]): Queue => ({
  key: 'k',
  revision: BigInt(revision),
  claims: tokens.map((token) => claim(token)),
});

/** The lines of an engine whose watches are shown what is put into `views`. */
const world = (m: Marbles) => {
  const views = new ReplaySubject<Queue>(1);
  const watches: (Queue | undefined)[] = [];
  let isBroken = false;
  const followed: Resyncable[] = [];
  const engine = engineOf(m.scheduler, {
    backend: {
      ...memoryBackend({ scheduler: m.scheduler }),
      queue: (...[, , from]) => {
        watches.push(from);
        return isBroken ? throwError(() => new Error('broken')) : views;
      },
    },
  });
  const lines = createKeyQueues(engine, { add: (one) => followed.push(one), stop: () => undefined });
  const line = lines.at('k');
  // Nobody answers a watch that is shown nothing, so it would be begun again for ever.
  atFrame(m, 60, () => lines.stop());
  const told: string[] = [];
  const settled = new Map<number, First>();
  const listener =
    (token: number, then: (state: ClaimState) => void = () => undefined): OnClaimState =>
    (state) => {
      if (state.status === 'wanted') return void told.push(`${String(token)} asked ${state.revocation.reason}`);
      if (state.status === 'failed') return void told.push(`${String(token)} failed ${messageOf(state.error)}`);
      const more =
        state.status === 'blocked'
          ? ` blocked by ${String(state.ahead)}`
          : state.status === 'lost'
            ? ` gone ${state.loss.reason}`
            : ` ${state.status}`;
      told.push(`${String(token)}${more}`);
      if (state.status === 'first') settled.set(token, state);
      then(state);
    };
  const join = (token: number, view?: Queue, then?: (state: ClaimState) => void): void => {
    line.join(claim(token), BigInt(token), LEASE, view, listener(token, then));
  };
  const looked = (): string[] => {
    const seen: string[] = [];
    line.view$(false).subscribe((view: View) => {
      seen.push(view.status === 'known' ? String(view.queue.revision) : view.cause.message);
    });
    return seen;
  };
  /** What was told since it was asked last. */
  const news = (): string[] => told.splice(0);
  const breakAll = (): void => {
    isBroken = true;
    line.markStale(new Error('doubt'));
  };
  return { lines, line, join, listener, views, watches, followed, news, looked, settled, breakAll, time: engine.time };
};
/** Completion of what has to settle before a guarded write. */
const settles = (turn: First | undefined): { isSettled: boolean } => {
  const seen = { isSettled: false };
  (turn?.settled$ ?? of()).subscribe({ complete: () => (seen.isSettled = true) });
  return seen;
};
const line$ = (lines: { at(key: string): KeyQueue }): KeyQueue => lines.at('k');

describe('a line', () => {
  it(
    'is kept as long as an entry or a watch needs it, then forgotten',
    marbles((m) => {
      const { lines, line } = world(m);
      line.keep();
      line.keep();
      line.release();
      expect(line$(lines)).toBe(line);
      const looking = line.view$(false).subscribe();
      line.release();
      expect(line$(lines)).toBe(line);
      looking.unsubscribe();
      expect(line$(lines)).toBe(line);
      atFrame(m, 3, () => {
        expect(line.resync()).toBe(true);
        expect(line$(lines)).toBe(line);
      });
      atFrame(m, 4, () => {
        expect(line.resync()).toBe(false);
        expect(line$(lines)).not.toBe(line);
        expect(line.resync()).toBe(false);
      });
      m.flush();
    }),
  );

  it(
    'that was only kept is forgotten without a patrol, one that is looked at is not',
    marbles((m) => {
      const { lines, line } = world(m);
      line.keep();
      line.release();
      expect(line$(lines)).not.toBe(line);
      const other = line$(lines);
      other.keep();
      other.view$(false).subscribe();
      other.release();
      expect(line$(lines)).toBe(other);
    }),
  );

  it(
    'tells the latest view at once to who comes later, while it is up to date',
    marbles((m) => {
      const { line, looked, views, watches, breakAll } = world(m);
      expect(line.isLive).toBe(false);
      const first = looked();
      expect(first).toEqual([]);
      views.next(queue(5, 3));
      expect(line.isLive).toBe(true);
      const second = looked();
      views.next(queue(6));
      expect([first, second]).toEqual([
        ['5', '6'],
        ['5', '6'],
      ]);
      expect(watches).toHaveLength(1);
      breakAll();
      expect(line.isLive).toBe(false);
      expect(first).toEqual(['5', '6', 'doubt']);
      expect(looked()).toEqual(['doubt']);
    }),
  );

  it(
    'takes no notice of a view older than the one it has',
    marbles((m) => {
      const { looked, views, join, news } = world(m);
      const seen = looked();
      views.next(queue(9, 3));
      join(3);
      expect(news()).toEqual(['3 first']);
      views.next(queue(8));
      expect(news()).toEqual([]);
      expect(seen).toEqual(['9', '9']);
      views.next(queue(9, 3));
      views.next(queue(10));
      expect(news()).toEqual(['3 gone deleted']);
    }),
  );

  it(
    'tells each where it stands when it is known, and at each change',
    marbles((m) => {
      const { join, news, views, line } = world(m);
      join(7, queue(7, 3, 5, 7));
      expect(news()).toEqual(['7 blocked by 2']);
      join(5);
      expect(news()).toEqual(['5 blocked by 1']);
      join(9);
      expect(news()).toEqual([]);
      views.next(queue(9, 3, 5, 7, 9));
      expect(news()).toEqual(['9 blocked by 3']);
      views.next(queue(10, 5, 7, 9));
      expect(news()).toEqual(['5 first', '7 blocked by 1', '9 blocked by 2']);
      views.next(queue(11, 5, 7, 9));
      expect(news()).toEqual([]);
      views.next({ ...queue(12, 5, 9), claims: [claim(5), claim(9, { stamp: 'x' })] });
      expect(news()).toEqual(['7 gone deleted', '9 gone overwritten']);
      expect(line.holders().map(({ token }) => token)).toEqual([5n]);
      line.leaves(claim(5));
      line.leaves(claim(5));
      line.leaves(claim(99));
      expect(line.holders()).toEqual([]);
      views.next(queue(13));
      expect(news()).toEqual([]);
    }),
  );

  it(
    'watches for who waits at once, for who holds after a third of a renewal or 50 ms, and not for who has left',
    marbles((m) => {
      const { join, line, watches, followed } = world(m);
      join(3, queue(3, 3));
      atFrame(m, 3, () => {
        expect(watches).toEqual([]);
        line.leaves(claim(3));
      });
      atFrame(m, 8, () => {
        expect(watches).toEqual([]);
        join(9, queue(9, 9));
      });
      atFrame(m, 11, () => expect(watches).toEqual([]));
      atFrame(m, 13, () => {
        // It goes on from the view it has.
        expect(watches).toEqual([queue(9, 9)]);
        expect(followed).toHaveLength(1);
        join(11);
        expect(watches).toHaveLength(1);
      });
      m.flush();
    }),
  );

  it(
    'reads again on patrol for who waits or looks, not for who only holds',
    marbles((m) => {
      const { join, line, watches, views, looked } = world(m);
      join(3, queue(3, 3));
      atFrame(m, 5, () => views.next(queue(3, 3)));
      atFrame(m, 20, () => {
        expect(watches).toHaveLength(1);
        expect(line.resync()).toBe(true);
        expect(watches).toHaveLength(1);
        join(5, queue(5, 3, 5));
        line.resync();
        expect(watches).toHaveLength(2);
        views.next(queue(5, 3, 5));
        line.resync();
        expect(watches).toHaveLength(2);
      });
      atFrame(m, 32, () => {
        line.leaves(claim(5));
        looked();
        line.resync();
        expect(watches).toHaveLength(3);
        views.next(queue(6, 3));
        line.readAgain();
        expect(watches).toHaveLength(4);
        line.stop();
      });
      m.flush();
    }),
  );

  it(
    'tells who is new that nobody can find out, after five failures; who was told before waits on',
    marbles((m) => {
      const { join, news, breakAll, line } = world(m);
      join(7, queue(7, 3, 7));
      join(9);
      expect(news()).toEqual(['7 blocked by 1']);
      breakAll();
      atFrame(m, 3.5, () => expect(news()).toEqual([]));
      atFrame(m, 4.5, () => {
        expect(news()).toEqual(['9 failed broken']);
        line.stop();
      });
      m.flush();
    }),
  );
});

describe('a hand-off in a line', () => {
  it(
    'makes the next of ours the first, when it is told to settle',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      join(5, queue(5, 3, 5));
      join(7, queue(7, 3, 5, 7));
      news();
      const handed = line.handOff(claim(3));
      expect(handed?.successor.token).toBe(5n);
      expect(news()).toEqual([]);
      line.leaves(claim(3));
      line.notifyNext();
      expect(news()).toEqual(['5 first', '7 blocked by 1']);
    }),
  );

  it(
    'is none where the next is not ours, has left, or holds already, or where nobody knows',
    marbles((m) => {
      const { join, line, breakAll } = world(m);
      join(3, queue(3, 3));
      expect(line.handOff(claim(3))).toBeUndefined();
      join(7, queue(7, 3, 5, 7));
      expect(line.handOff(claim(3))).toBeUndefined();
      join(5);
      expect(line.handOff(claim(7))).toBeUndefined();
      line.leaves(claim(5));
      expect(line.handOff(claim(3))).toBeUndefined();
      breakAll();
      join(9, queue(9, 3, 9));
      expect(line.handOff(claim(3))).toBeUndefined();
      line.stop();
    }),
  );

  it(
    'settles when the releases of all before it are acknowledged',
    marbles((m) => {
      const { join, line, settled } = world(m);
      join(3, queue(3, 3));
      join(5, queue(5, 3, 5));
      join(7, queue(7, 3, 5, 7));
      expect(settled.get(3)?.settled$).toBeUndefined();
      const first = line.handOff(claim(3));
      line.leaves(claim(3));
      line.notifyNext();
      const second = line.handOff(claim(5));
      line.leaves(claim(5));
      line.notifyNext();
      const five = settles(settled.get(5));
      const seven = settles(settled.get(7));
      expect([five.isSettled, seven.isSettled]).toEqual([false, false]);
      first?.over();
      expect([five.isSettled, seven.isSettled]).toEqual([true, false]);
      second?.over();
      expect([five.isSettled, seven.isSettled]).toEqual([true, true]);
    }),
  );

  it(
    'has nothing left to settle for who asks when the server no longer has what was handed off',
    marbles((m) => {
      const { join, line, views, settled } = world(m);
      join(3, queue(3, 3));
      join(5, queue(5, 3, 5));
      line.handOff(claim(3));
      line.leaves(claim(3));
      line.notifyNext();
      views.next(queue(6, 5));
      expect(settled.get(5)?.settled$).toBeDefined();
      expect(settles(settled.get(5)).isSettled).toBe(true);
    }),
  );

  it(
    'is told though another claim comes in between',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      join(5, queue(5, 3, 5));
      news();
      line.handOff(claim(3));
      line.leaves(claim(3));
      join(7);
      expect(news()).toEqual(['5 first']);
    }),
  );

  it(
    'is possible to one that came in while its holder was being told',
    marbles((m) => {
      const { join, line, news } = world(m);
      let successor: bigint | undefined;
      join(3, queue(3, 3), ({ status }) => {
        if (status !== 'first') return;
        join(5, queue(5, 3, 5));
        successor = line.handOff(claim(3))?.successor.token;
        line.leaves(claim(3));
      });
      expect(successor).toBe(5n);
      expect(news()).toEqual(['3 first', '5 first']);
    }),
  );

  it(
    'leaves out of later views what was handed off, until it is gone from the server',
    marbles((m) => {
      const { join, line, news, views, settled } = world(m);
      join(3, queue(3, 3));
      join(5, queue(5, 3, 5));
      line.handOff(claim(3));
      line.leaves(claim(3));
      line.notifyNext();
      expect(news()).toContain('5 first');
      views.next(queue(6, 3, 5));
      expect(news()).toEqual([]);
      join(7, queue(7, 3, 5, 7));
      expect(news()).toEqual(['7 blocked by 1']);
      views.next(queue(8, 5, 7));
      expect(news()).toEqual([]);
      views.next(queue(9, 7));
      expect(news()).toEqual(['5 gone deleted', '7 first']);
      // Nothing was left to settle when it became the first.
      expect(settled.get(7)?.settled$).toBeUndefined();
    }),
  );

  it(
    'to one that is not there any more tells it so, once',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      join(5, queue(5, 3, 5));
      line.handOff(claim(3));
      line.leaves(claim(3));
      line.notifyNext();
      news();
      line.gone(claim(5));
      line.gone(claim(5));
      line.gone(claim(99));
      expect(news()).toEqual(['5 gone deleted']);
      expect(line.holders()).toEqual([]);
    }),
  );

  it(
    'through many who leave as soon as they hold takes no stack, and each is told once',
    marbles((m) => {
      const { join, line, news } = world(m);
      const tokens = [3, 5, 7, 9, 11];
      let depth = 0;
      let deepest = 0;
      const pass = (token: number) => (turn: ClaimState) => {
        if (turn.status !== 'first') return;
        depth += 1;
        deepest = Math.max(deepest, depth);
        line.handOff(claim(token));
        line.leaves(claim(token));
        line.notifyNext();
        depth -= 1;
      };
      join(3, queue(3, 3));
      for (const token of tokens.slice(1)) {
        join(token, queue(token, ...tokens.filter((other) => other <= token)), pass(token));
      }
      news();
      line.handOff(claim(3));
      line.leaves(claim(3));
      line.notifyNext();
      expect(news().filter((told) => told.endsWith('first'))).toEqual(['5 first', '7 first', '9 first', '11 first']);
      expect(deepest).toBe(1);
    }),
  );
});

describe('a claim of ours that is written over', () => {
  it(
    'by ourselves is known as it is now; as it was is nothing that somebody else wrote',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      expect(line.rewriting(claim(3), 'B')).toEqual(claim(3));
      const written = { ...claim(3), value: 'B', stamp: '6' };
      expect(line.rewritten(claim(3), written, 6n)).toBe(true);
      expect(line.rewriting(claim(3), 'C')).toBe(written);
      line.seen({ ...queue(6), claims: [written] });
      expect(news()).toEqual(['3 first']);
    }),
  );

  it.each([
    ['taken out', undefined, 'deleted'],
    ['written over', { ...claim(3), value: 'mine now', stamp: '6' }, 'overwritten'],
  ])('is lost when it turns out that somebody else has %s what we wanted to write over', (_, found, reason) => {
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      line.rewriting(claim(3), 'B');
      expect(line.rewritten(claim(3), found, 6n)).toBe(false);
      expect(news()).toEqual(['3 first', `3 gone ${reason}`]);
    })();
  });

  it(
    'is nothing of ours any more once it has left',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      line.leaves(claim(3));
      expect(line.rewriting(claim(3), 'B')).toBeUndefined();
      expect(line.rewritten(claim(3), claim(3), 3n)).toBe(false);
      expect(news()).toEqual(['3 first']);
    }),
  );
});

describe('a claim of ours that is asked for', () => {
  const asking = (reason: string, within: number, stamp: number): Queue => ({
    ...queue(stamp),
    claims: [{ ...claim(3), stamp: String(stamp), revocation: { reason, within, by: 'ops', at: new Date(0) } }],
  });

  it(
    'is told so once for each request, however often that is seen',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      line.seen(asking('a', Infinity, 6));
      line.seen(asking('a', Infinity, 7));
      line.seen(asking('b', Infinity, 8));
      line.seen(asking('b', Infinity, 8));
      expect(news()).toEqual(['3 first', '3 asked a', '3 asked b']);
    }),
  );

  it(
    'before we heard that it is in, is not lost to a view that is older than what we heard',
    marbles((m) => {
      const { line, listener, news } = world(m);
      const found = asking('a', Infinity, 6).claims[0] ?? claim(3);
      line.join(found, 7n, LEASE, undefined, listener(3));
      line.seen(queue(5, 3));
      line.seen(asking('a', Infinity, 6));
      line.seen(queue(6));
      expect(news()).toEqual(['3 first', '3 asked a']);
    }),
  );

  it(
    'is not overwritten for a view from before the request, which arrives after an outage',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      line.seen(asking('a', Infinity, 6));
      line.unknown(new Error('silence'), 1);
      line.seen(queue(5, 3));
      expect(news()).toEqual(['3 first', '3 asked a']);
    }),
  );

  it(
    'is neither asked nor taken by a view that is older than what we heard',
    marbles((m) => {
      const { line, listener, news } = world(m);
      line.join(claim(3), 7n, LEASE, undefined, listener(3));
      line.seen(asking('a', 0, 6));
      expect(news()).toEqual(['3 first']);
    }),
  );

  it(
    'and lost after its time says which request it was',
    marbles((m) => {
      const { line, listener } = world(m);
      const losses: unknown[] = [];
      line.join(claim(3), 3n, LEASE, queue(3, 3), (state) => {
        if (state.status === 'lost') losses.push([state.loss.reason, state.loss.by]);
        listener(3)(state);
      });
      line.seen(asking('a', 5, 6));
      line.seen(queue(7));
      const revocation = { reason: 'a', within: 5, by: 'ops', at: new Date(0) };
      expect(losses).toEqual([['revoked', { revocation }]]);
    }),
  );

  it(
    'and taken out after the time it was given was revoked',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      line.seen(asking('a', 5, 6));
      line.seen(queue(7));
      expect(news()).toEqual(['3 first', '3 asked a', '3 gone revoked']);
    }),
  );

  it(
    'and taken out though it was given as long as it likes was deleted',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      line.seen(asking('a', Infinity, 6));
      line.seen(queue(7));
      expect(news()).toEqual(['3 first', '3 asked a', '3 gone deleted']);
    }),
  );

  it(
    'with no time at all is not asked but taken',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      line.seen(asking('a', 0, 6));
      expect(news()).toEqual(['3 first', '3 gone revoked']);
    }),
  );
});

describe('a line that nobody follows', () => {
  it(
    'has nothing to patrol, to read again or to doubt',
    marbles((m) => {
      const { join, line, watches } = world(m);
      expect(line.resync()).toBe(false);
      join(3, queue(3, 3));
      line.readAgain();
      line.markStale(new Error('doubt'));
      expect(line.resync()).toBe(false);
      expect(watches).toEqual([]);
    }),
  );

  it(
    'does not know what it knew when it was followed',
    marbles((m) => {
      const { line, looked, views } = world(m);
      looked();
      views.next(queue(5, 3));
      expect(line.isLive).toBe(true);
      line.stop();
      expect(line.isLive).toBe(false);
    }),
  );

  it(
    'is followed a third of a ttl after somebody holds, where that is less than 50 ms',
    marbles((m) => {
      const server = openServer(m);
      const client = server.client({ ttl: 60, safetyMargin: 10 });
      const requests$ = server.requests$.pipe(filter((request) => 'eq'.includes(request)));
      m.expect(requests$, '             ^ 29ms !').toBeObservable('e 19ms q');
      m.expect(letters(client.mutex('k').lock$()), '^ 29ms !').toBeObservable('h');
    }),
  );
});

describe('who is told', () => {
  it(
    'may have another one leave, who is told nothing then',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(5, queue(5, 3, 5), () => line.leaves(claim(7)));
      news();
      join(7, queue(7, 3, 5, 7));
      news();
      line.seen(queue(8, 3, 4, 5, 7));
      expect(news()).toEqual(['5 blocked by 2']);
    }),
  );
});

const readers = (revision: number, ...tokens: number[]): Queue => ({
  ...queue(revision),
  claims: tokens.map((token) => claim(token, { kind: 'read' })),
});

/** Readers of ours with these tokens, behind a mutex of another client with token 2. */
const behindMutex = (m: Marbles, tokens: readonly number[], then: (line: KeyQueue) => Record<number, () => void>) => {
  const { line, listener, news } = world(m);
  const queued = readers(9, ...tokens);
  line.seen({ ...queued, claims: [claim(2), ...queued.claims] });
  const hooks = then(line);
  for (const mine of queued.claims) {
    const hook = hooks[Number(mine.token)];
    const told = listener(Number(mine.token), ({ status }) => {
      if (status === 'first') hook?.();
    });
    line.join(mine, mine.token, LEASE, undefined, told);
  }
  news();
  return { line, news };
};

describe('a queue that changes while somebody is told of it', () => {
  it(
    'is not told as it was before: who has gone meanwhile is lost and never first',
    marbles((m) => {
      const { line, news } = behindMutex(m, [3, 5], (it) => ({ 3: () => it.seen(readers(11, 3)) }));
      line.seen(readers(10, 3, 5));
      expect(news()).toEqual(['3 first', '5 gone deleted']);
    }),
  );

  it(
    'is still told to those behind',
    marbles((m) => {
      const { line, news } = behindMutex(m, [3, 5, 7], (it) => ({ 3: () => it.seen(readers(11, 3, 5, 7, 11)) }));
      line.seen(readers(10, 3, 5, 7));
      expect(news()).toEqual(['3 first', '5 first', '7 first']);
    }),
  );

  it(
    'is told to those behind one that threw when it is told of next',
    marbles((m) => {
      const thrown = () => {
        throw new Error('of the user');
      };
      const { line, news } = behindMutex(m, [3, 5], () => ({ 3: thrown }));
      expect(() => line.seen(readers(10, 3, 5))).toThrow('of the user');
      line.notifyNext();
      expect(news()).toEqual(['3 first', '5 first']);
    }),
  );

  it(
    'has no loss to tell to one that left meanwhile',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(5, queue(5, 3, 5), ({ status }) => {
        if (status === 'lost') line.leaves(claim(7));
      });
      join(7, queue(7, 3, 5, 7));
      news();
      line.seen(queue(8, 3));
      expect(news()).toEqual(['5 gone deleted']);
    }),
  );
});

describe('the first view after an outage', () => {
  it(
    'tells all who have been taken out meanwhile',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(5, queue(5, 3, 5));
      join(7, queue(7, 3, 5, 7));
      join(9, queue(9, 3, 5, 7, 9));
      news();
      line.unknown(new Error('silence'), 1);
      line.seen(queue(10, 3));
      expect(news()).toEqual(['5 gone deleted', '7 gone deleted', '9 gone deleted']);
    }),
  );

  it(
    'says nothing of a claim that is newer: the next one tells',
    marbles((m) => {
      const { join, line, news } = world(m);
      join(3, queue(3, 3));
      join(7);
      news();
      line.unknown(new Error('silence'), 1);
      line.seen(queue(5, 3));
      expect(news()).toEqual([]);
      line.seen(queue(9, 3));
      expect(news()).toEqual(['7 gone deleted']);
    }),
  );

  it(
    'without any claims says nothing of one that was found later, though its token is older',
    marbles((m) => {
      const { line, listener, news } = world(m);
      line.join(claim(3), 7n, LEASE, undefined, listener(3));
      line.seen(queue(5));
      expect(news()).toEqual([]);
      line.seen(queue(8));
      expect(news()).toEqual(['3 gone deleted']);
    }),
  );
});

describe('who waits with many others of ours', () => {
  const OURS = Array.from({ length: 17 }, (_, n) => n + 10);
  const many = (m: Marbles) => {
    const made = world(m);
    made.line.seen(queue(30, 3, 4, 5, ...OURS));
    OURS.forEach((token) => made.join(token));
    made.news();
    return made;
  };

  it(
    'is told later what changed just after, though a new one among them is told at once',
    marbles((m) => {
      const { line, join, news } = many(m);
      line.seen(queue(31, 4, 5, ...OURS));
      expect(news()).toHaveLength(17);
      line.seen(queue(32, 5, ...OURS));
      expect(news()).toEqual([]);
      join(9, queue(33, 5, 9, ...OURS));
      expect(news()).toEqual(['9 blocked by 1']);
      atFrame(m, 1.5, () =>
        expect(news()).toEqual(OURS.map((token, n) => `${String(token)} blocked by ${String(n + 2)}`)),
      );
      m.flush();
    }),
  );

  it(
    'is told later of all that has moved up, also where who was far behind went first',
    marbles((m) => {
      const { line, news } = many(m);
      // As a watch shows it: the claims that stay are the same.
      const all = queue(31, 4, 5, ...OURS);
      const rest = OURS.filter((token) => token !== 20);
      line.seen(all);
      news();
      line.leaves(claim(20));
      const [, ...behind] = all.claims;
      line.seen({ ...all, revision: 32n, claims: all.claims.filter(({ token }) => token !== 20n) });
      line.seen({ ...all, revision: 33n, claims: behind.filter(({ token }) => token !== 20n) });
      expect(news()).toEqual([]);
      atFrame(m, 1.5, () =>
        expect(news()).toEqual(rest.map((token, n) => `${String(token)} blocked by ${String(n + 1)}`)),
      );
      m.flush();
    }),
  );

  it(
    'is told each change at once after one that had all the others leave',
    marbles((m) => {
      const { line, join, news } = world(m);
      line.seen(queue(30, 3, 4, 5, ...OURS));
      OURS.forEach((token, n) => {
        join(token, undefined, (state) => {
          if (n === 0 && state.status === 'blocked' && state.ahead === 2) {
            for (const other of OURS.slice(1)) line.leaves(claim(other));
          }
        });
      });
      news();
      line.seen(queue(31, 4, 5, ...OURS));
      expect(news()).toEqual(['10 blocked by 2']);
      line.seen(queue(32, 5, ...OURS));
      expect(news()).toEqual(['10 blocked by 1']);
    }),
  );

  it(
    'is told a change at once where the view before had nothing to tell',
    marbles((m) => {
      const { line, news } = many(m);
      line.seen(queue(31, 3, 4, 5, ...OURS));
      expect(news()).toEqual([]);
      line.seen(queue(32, 4, 5, ...OURS));
      expect(news()).toHaveLength(17);
    }),
  );
});

describe('who looks', () => {
  const looks = (line: KeyQueue, fresh: boolean, shown?: Queue): View[] => {
    const seen: View[] = [];
    line.view$(fresh, shown).subscribe((view) => seen.push(view));
    return seen;
  };

  it(
    'is shown what an answer has just shown, and so are those who wait',
    marbles((m) => {
      const { line, join, news, views } = world(m);
      join(5, queue(5, 3, 5));
      views.next(queue(5, 3, 5));
      news();
      expect(looks(line, false, queue(6, 5))).toEqual([{ status: 'known', queue: queue(6, 5) }]);
      expect(news()).toEqual(['5 first']);
    }),
  );

  it(
    'is told why nothing is known, and a fresh look during an outage reads no sooner',
    marbles((m) => {
      const { line, looked, views, watches } = world(m);
      looked();
      views.next(queue(5, 3));
      const cause = new Error('doubt');
      line.markStale(cause);
      expect(looks(line, true)).toEqual([{ status: 'unknown', cause }]);
      expect(watches).toEqual([undefined]);
    }),
  );

  it.each([
    ['reads the queue, though it is known from before', undefined, undefined],
    ['goes on from the newest view where an older answer has shown one', queue(2), queue(3, 3)],
  ])('at a key that is not watched yet %s', (_, shown, from) => {
    marbles((m) => {
      const { line, join, watches } = world(m);
      join(3, queue(3, 3));
      looks(line, false, shown);
      expect(watches).toEqual([from]);
    })();
  });

  it(
    'beside others reads nothing, unless a fresh look is wanted',
    marbles((m) => {
      const { lines, looked, views, watches } = world(m);
      looked();
      views.next(queue(5, 3));
      lines.view$('k').subscribe();
      expect(watches).toHaveLength(1);
      lines.view$('k', true).subscribe();
      expect(watches).toHaveLength(2);
    }),
  );
});

describe('who holds', () => {
  it(
    'is followed from the view that it came with, though another one beside it has left',
    marbles((m) => {
      const { line, listener, watches } = world(m);
      const both = readers(5, 3, 5);
      for (const mine of both.claims) line.join(mine, mine.token, LEASE, both, listener(Number(mine.token)));
      line.leaves(claim(3));
      atFrame(m, 5, () => expect(watches).toEqual([both]));
      m.flush();
    }),
  );

  it(
    'is not held any more once it has left, also for an audit that was asked before',
    marbles((m) => {
      const { line, join } = world(m);
      join(3, queue(3, 3));
      const [audited] = line.holders();
      expect(audited).toMatchObject({ key: 'k', lease: LEASE, isHeld: true });
      line.leaves(claim(3));
      expect(audited?.isHeld).toBe(false);
    }),
  );

  it(
    'leaves no deadline behind when it leaves before it is followed',
    marbles((m) => {
      const due = new Set<unknown>();
      const deadlines = {
        set: (_: number, one: unknown) => void due.add(one),
        clear: (_: number, one: unknown) => void due.delete(one),
        stop: () => undefined,
      };
      const lines = createKeyQueues(engineOf(m.scheduler, { deadlines }), {
        add: () => undefined,
        stop: () => undefined,
      });
      lines.at('k').join(claim(3), 3n, LEASE, queue(3, 3), () => undefined);
      expect(due.size).toBe(1);
      lines.at('k').leaves(claim(3));
      expect(due.size).toBe(0);
    }),
  );
});

describe('the lines', () => {
  it(
    'are one for each key, and show nothing once they are stopped',
    marbles((m) => {
      const { lines, line, looked } = world(m);
      expect(lines.at('k')).toBe(line);
      expect(lines.at('l')).not.toBe(line);
      looked();
      let ends = 0;
      lines.view$('k').subscribe({ complete: () => (ends += 1) });
      lines.stop();
      expect(ends).toBe(1);
      lines.view$('k').subscribe({ complete: () => (ends += 1) });
      expect(ends).toBe(2);
    }),
  );
});
