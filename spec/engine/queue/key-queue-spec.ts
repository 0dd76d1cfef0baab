/**
 * The line at a key: what is watched and for how long, what is found out without being told, how often who waits is told.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, concat, defer, filter, finalize, map, mergeMap, of, take, throwError } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { createLocks } from '../../../src/index.js';
import type { QueueBackend, LockState, Queue, QueuedClaim } from '../../../src/index.js';
import { TIMES, atFrame, events, letters, seen } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

/** A server and a client of it that is told the first view only where it is deaf; its requests, each with its frame. */
const world = (m: Marbles, change: (memory: QueueBackend) => Partial<QueueBackend> = () => ({})) => {
  const memory = memoryBackend({ scheduler: m.scheduler });
  const options = { ...TIMES, random: () => 0, scheduler: m.scheduler };
  const asked: string[] = [];
  const note = (what: string): void => void asked.push(`${String(m.scheduler.now())} ${what}`);
  let isDeaf = false;
  let watches = 0;
  const backend: QueueBackend = {
    ...memory,
    queue: (key, within, from) =>
      defer(() => {
        note(`watch ${key}`);
        watches += 1;
        const views$ = memory.queue(key, within, from).pipe(filter((_, n) => n === 0 || !isDeaf));
        return concat(views$, NEVER).pipe(finalize(() => (watches -= 1)));
      }),
    audit: (lease, within) => defer(() => (note('audit'), memory.audit(lease, within))),
    probe: (within) => defer(() => (note('probe'), memory.probe(within))),
    ...change(memory),
  };
  const locks = createLocks(backend, { ...options, owner: 'ours' });
  const others = createLocks(memory, { ...options, owner: 'theirs' });
  /** Takes a claim out of the queue, as an administrator does. */
  const remove = (key: string, place: number): void => {
    let found: QueuedClaim | undefined;
    const lookup = memory.queue(key, 0).subscribe(({ claims }) => (found = claims[place]));
    lookup.unsubscribe();
    const [id = '', claim = ''] = found?.id.split('-') ?? [];
    const lease = { id, ttl: 0, owner: '', key: undefined };
    const out = { key, lease, id: claim, kind: 'mutex' as const, since: new Date(0), meta: undefined };
    memory.dequeue([out], found && [found], 0).subscribe();
  };
  const deafen = (): void => {
    isDeaf = true;
  };
  const count = (what: string): number => asked.filter((line) => line.endsWith(` ${what}`)).length;
  return { memory, locks, others, asked, count, remove, deafen, watches: () => watches };
};

const aheads = (m: Marbles, told: string[]) => (state: LockState) => {
  const where = state.status === 'held' ? 'held' : `${String(state.ahead)} ahead`;
  told.push(`${String(m.scheduler.now())} ${where}`);
};

describe('a claim that was deleted', () => {
  it(
    'is lost at once where its watch tells, be it held or waited with',
    marbles((m) => {
      const { locks, others, remove } = world(m);
      m.expect(letters(locks.mutex('k').lock$())).toBeObservable('h----#', undefined, 'LOCK_LOST deleted');
      atFrame(m, 5, () => remove('k', 0));
      m.expect(letters(others.mutex('l').lock$()), '^---------!').toBeObservable('h');
      m.expect(letters(locks.mutex('l').lock$()), '-^---------!').toBeObservable('-w-w------h');
      atFrame(m, 2, () => remove('l', 1));
      m.expect(events(locks.events$, { requeued: 'R', lost: 'L' }), '^-----!').toBeObservable('--R--L');
    }),
  );

  it(
    'and whose event got lost, is found out by the audit',
    marbles((m) => {
      const { locks, deafen, remove, count } = world(m);
      atFrame(m, 1, deafen);
      atFrame(m, 5, () => remove('k', 0));
      // Watched from 4 on; the patrol goes around at 8, and asks for the lease as a whole.
      m.expect(letters(locks.mutex('k').lock$())).toBeObservable('h-------#', undefined, 'LOCK_LOST deleted');
      m.flush();
      expect(count('audit')).toBe(1);
    }),
  );

  it(
    'beside another one on its lease is found out as well',
    marbles((m) => {
      const { locks, deafen, remove, count } = world(m);
      atFrame(m, 1, deafen);
      atFrame(m, 5, () => ['k', 'l'].forEach((key) => remove(key, 0)));
      m.expect(letters(locks.mutex('k').lock$())).toBeObservable('h-------#', undefined, 'LOCK_LOST deleted');
      m.expect(letters(locks.mutex('l').lock$())).toBeObservable('h-------#', undefined, 'LOCK_LOST deleted');
      m.flush();
      expect(count('audit')).toBe(1);
    }),
  );

  it(
    'is not taken for lost because the audit failed',
    marbles((m) => {
      const { locks, asked } = world(m, () => ({ audit: () => throwError(() => new Error('no')) }));
      m.expect(letters(locks.mutex('k').lock$()), '^ 39ms !').toBeObservable('h');
      m.flush();
      expect(asked.filter((line) => line.includes('watch'))).toEqual(['4 watch k']);
    }),
  );

  it(
    'though it would be next is not handed off to: the answer to the release tells, and it queues again',
    marbles((m) => {
      const { locks, deafen, remove } = world(m);
      const lock = locks.mutex('k');
      lock.lock$().subscribe((state) => {
        if (state.status === 'held') atFrame(m, 3, () => void state.held.release());
      });
      atFrame(m, 1, deafen);
      atFrame(m, 2, () => remove('k', 1));
      m.expect(events(locks.events$, { requeued: 'R' }), '^------!').toBeObservable('---R');
      m.expect(letters(lock.lock$()), '^---------------!').toBeObservable('w-----------h'); // deaf still, it reads at 12
    }),
  );
});

describe('a view of before', () => {
  it(
    'a restore is forgotten with its last claim, though the release of that is still under way: a later claim is not compared with it',
    marbles((m) => {
      let isRestored = false;
      const { locks, remove } = world(m, (memory) => ({
        dequeue: () => NEVER,
        enqueue: (...asked) =>
          memory.enqueue(...asked).pipe(
            map((answer) => {
              if (!isRestored || answer.status !== 'queued') return answer;
              // As far as the backup goes, the server begins again.
              const restored = (queue: Queue | undefined) => queue && { ...queue, revision: 1n };
              const entries = answer.entries.map(({ claim, queue }) => ({
                claim: { ...claim, token: 1n },
                queue: restored(queue && { ...queue, claims: queue.claims.map((one) => ({ ...one, token: 1n })) }),
              }));
              return { ...answer, revision: 1n, entries };
            }),
          ),
      }));
      m.expect(letters(locks.mutex('k').lock$()), '^-!').toBeObservable('h');
      atFrame(m, 3, () => {
        remove('k', 0);
        isRestored = true;
      });
      m.expect(letters(locks.mutex('k').lock$({ wait: 0 })), '----^-!').toBeObservable('----h');
      m.expect(events(locks.events$, { requeued: 'R' }), '^-----!').toBeObservable('');
    }),
  );
});

describe('what got lost on its way', () => {
  it(
    'is read: by who waits, once in one to two ttl',
    marbles((m) => {
      const { locks, others, deafen, asked } = world(m);
      m.expect(letters(others.mutex('k').lock$()), '^----!').toBeObservable('h');
      m.expect(letters(locks.mutex('k').lock$()), '-^------------------!').toBeObservable('-w-----------h');
      atFrame(m, 2, deafen);
      m.flush();
      expect(asked.filter((line) => line.includes('watch'))).toEqual(['1 watch k', '13 watch k']);
    }),
  );

  it(
    'is read by who looks, too',
    marbles((m) => {
      const { locks, others, deafen } = world(m);
      m.expect(letters(others.mutex('k').lock$()), '^----!').toBeObservable('h');
      m.expect(seen(locks.mutex('k').ownership$()), '-^-------------!').toBeObservable('-h-----------f');
      atFrame(m, 2, deafen);
    }),
  );

  it(
    'is not looked for by who only holds: that is what the audit is for',
    marbles((m) => {
      const { locks, asked, count } = world(m);
      m.expect(letters(locks.mutex('k').lock$()), '^ 39ms !').toBeObservable('h');
      m.flush();
      expect(asked.filter((line) => line.includes('watch'))).toEqual(['4 watch k']);
      // Rounds at 8, 12, … 40, and one to see that nobody is left; audited at once, then every 12.
      expect(asked.filter((line) => line.includes('audit'))).toEqual(['8 audit', '20 audit', '32 audit']);
      expect(count('probe')).toBeGreaterThanOrEqual(9);
    }),
  );
});

describe('a watch', () => {
  it(
    'is not begun for a lock that is given back at once',
    marbles((m) => {
      const { locks, asked, watches } = world(m);
      m.expect(letters(locks.mutex('k').lock$()), '^--!').toBeObservable('h');
      m.flush();
      expect([asked, watches()]).toEqual([[], 0]);
    }),
  );

  it(
    'is one for all who contend and look, stays for a round, then is left',
    marbles((m) => {
      const { locks, asked, watches } = world(m);
      const lock = locks.mutex('k');
      m.expect(letters(lock.lock$()), '^-------!').toBeObservable('h');
      m.expect(letters(lock.lock$()), '-^----!').toBeObservable('-w');
      m.expect(seen(lock.ownership$()), '--^-----!').toBeObservable('--h---h-f');
      const open: number[] = [];
      for (const frame of [0.5, 1.5, 7.5, 12, 14, 18]) atFrame(m, frame, () => open.push(watches()));
      m.flush();
      expect(open).toEqual([0, 1, 1, 1, 0, 0]);
      expect(asked.filter((line) => line.includes('watch'))).toEqual(['1 watch k', '2 watch k']);
    }),
  );

  it(
    'that is still there is used by who comes back',
    marbles((m) => {
      const { locks, others, asked } = world(m);
      const lock = locks.mutex('k');
      m.expect(letters(others.mutex('k').lock$()), '^---------!').toBeObservable('h');
      m.expect(letters(lock.lock$()), '-^-!').toBeObservable('-w');
      m.expect(letters(lock.lock$()), '----^------!').toBeObservable('----w-----h');
      m.flush();
      expect(asked.filter((line) => line.includes('watch'))).toEqual(['1 watch k']);
    }),
  );

  it(
    'that breaks is begun again after a pause; who waits is told nothing of it',
    marbles((m) => {
      const begun: number[] = [];
      const broken$ = throwError(() => new Error('broken'));
      const { locks, others } = world(m, (memory) => ({
        queue: (key, within) =>
          defer(() => {
            begun.push(m.scheduler.now());
            if (begun.length === 1) return concat(memory.queue(key, within).pipe(take(1)), broken$);
            return begun.length < 5 ? broken$ : memory.queue(key, within);
          }),
      }));
      m.expect(letters(others.mutex('k').lock$()), '^ 30ms !').toBeObservable('h');
      m.expect(letters(locks.mutex('k').lock$()), '-^ 9ms !').toBeObservable('-w');
      m.expect(events(locks.events$, { requeued: 'R' })).toBeObservable('-');
      m.flush();
      expect(begun).toEqual([1, 2, 3, 4, 5]);
    }),
  );

  it(
    'that ends with the locks is told its end to who looks, and to nobody who comes later',
    marbles((m) => {
      const { locks, watches } = world(m);
      atFrame(m, 3, () => void locks.close());
      m.expect(seen(locks.mutex('k').ownership$())).toBeObservable('f--|');
      m.expect(seen(locks.mutex('k').ownership$()), '----^').toBeObservable('----|');
      m.expect(locks.watchAll$('').pipe(map(() => 'a')), '----^').toBeObservable('----|');
      m.flush();
      expect(watches()).toBe(0);
    }),
  );
});

describe('who waits', () => {
  /** Behind three of others wait so many of ours; two of the others go, at 10 and at 12. */
  const told = (m: Marbles, many: number): string[] => {
    const long = { ...TIMES, ttl: 1200, renewEvery: 400, safetyMargin: 20 };
    const memory = memoryBackend({ scheduler: m.scheduler });
    const make = (owner: string) => createLocks(memory, { ...long, owner, random: () => 0, scheduler: m.scheduler });
    const [ours, theirs] = [make('ours'), make('theirs')];
    const ahead = [1, 2, 3].map(() => theirs.mutex('k').lock$().subscribe());
    const first: string[] = [];
    const behind = [ours.mutex('k').lock$().subscribe(aheads(m, first))];
    for (let n = 1; n < many; n += 1) behind.push(ours.mutex('k').lock$().subscribe());
    atFrame(m, 10, () => ahead[2]?.unsubscribe());
    atFrame(m, 12, () => ahead[1]?.unsubscribe());
    atFrame(m, 13, () => behind.push(ours.mutex('k').lock$().subscribe(aheads(m, first))));
    atFrame(m, 40, () => [...behind, ...ahead].forEach((one) => one.unsubscribe()));
    m.flush();
    return first.filter((line) => !line.startsWith('40 '));
  };

  it(
    'is told each change where few wait',
    marbles((m) => {
      expect(told(m, 16)).toEqual(['0 3 ahead', '10 2 ahead', '12 1 ahead', '13 17 ahead']);
    }),
  );

  it(
    'is told the latest a hundred times a ttl where many wait, and where it stands at once when it is new',
    marbles((m) => {
      expect(told(m, 17)).toEqual(['0 3 ahead', '10 2 ahead', '13 18 ahead', '22 1 ahead']);
    }),
  );

  it(
    'is told when who holds is another, though as many are ahead',
    marbles((m) => {
      const { locks, others } = world(m);
      const holders$ = locks
        .mutex('k')
        .lock$()
        .pipe(
          filter((state) => state.status === 'waiting'),
          map(({ holders }) => holders.map(({ owner }) => owner).join()),
        );
      m.expect(letters(others.mutex('k').lock$()), '^----!').toBeObservable('h');
      m.expect(letters(locks.mutex('k').lock$()), '-^-----------!').toBeObservable('-w---h');
      m.expect(holders$, '--^-------!').toBeObservable('--a--b', { a: 'theirs', b: 'ours' });
    }),
  );
});

describe('of all keys below a prefix', () => {
  it(
    'what got lost on its way is read once in one to two ttl',
    marbles((m) => {
      const { locks, others } = world(m, (memory) => ({
        queues: (prefix, within) => {
          const all$ = memory.queues?.(prefix, within) ?? NEVER;
          return concat(all$.pipe(take(1)), NEVER);
        },
      }));
      const all$ = locks.watchAll$('').pipe(map(({ all }) => [...all.keys()].join('')));
      m.expect(letters(others.mutex('k').lock$()), '-^----!').toBeObservable('-h');
      m.expect(letters(others.mutex('l').lock$()), '--^ 30ms !').toBeObservable('--h');
      m.expect(all$, '^-------------!').toBeObservable('a-----------l', { a: '', l: 'l' });
    }),
  );

  it(
    'the view is dropped when nobody looks any more, and made anew for who comes later',
    marbles((m) => {
      let watches = 0;
      let begun = 0;
      const { locks, count } = world(m, (memory) => ({
        queues: (prefix, within) =>
          defer(() => {
            begun += 1;
            watches += 1;
            return (memory.queues?.(prefix, within) ?? NEVER).pipe(finalize(() => (watches -= 1)));
          }),
      }));
      const all$ = locks.watchAll$('').pipe(mergeMap(({ all }) => of(String(all.size))));
      m.expect(all$, '^----!').toBeObservable('0');
      m.expect(all$, '--^--!').toBeObservable('--0');
      m.expect(all$, '------^--!').toBeObservable('------0');
      m.flush();
      expect([begun, watches]).toEqual([2, 0]);
      // The patrol ends with what it looks after.
      expect(count('probe')).toBeLessThanOrEqual(3);
    }),
  );
});
