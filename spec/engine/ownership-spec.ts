import { describe, it } from '@jest/globals';
import { NEVER, concat, map, of } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import type { Ownerships } from '../../src/index.js';
import { SLOW, TIMES, atFrame, letters, openServer, seen, serverOf } from '../support/marbles.js';

describe('ownership$', () => {
  it(
    'tells the state at once, then each change, without contending',
    marbles((m) => {
      const server = serverOf(m);
      const hold = '     ----^-------!';
      const look = '     --^-----------!';
      const result = '   --f-h-------f--';
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), hold).toBeObservable('----h-------');
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), look).toBeObservable(result);
    }),
  );

  it(
    'counts who waits',
    marbles((m) => {
      const server = serverOf(m);
      const contend = () => letters(server.client(TIMES).mutex('k').lock$());
      const waiting$ = server
        .client(TIMES)
        .mutex('k')
        .ownership$()
        .pipe(map((state) => (state.status === 'held' ? String(state.waiting) : state.status.charAt(0))));
      m.expect(waiting$, ' ^----------!').toBeObservable('f-01-2--1-0');
      m.expect(contend(), '--^------------!').toBeObservable('--h----');
      m.expect(contend(), '---^----!').toBeObservable('       ---w---');
      m.expect(contend(), '-----^----!').toBeObservable('     -----w--w');
    }),
  );

  it(
    'begins with what is read after the subscription, also where a holder is about to follow from what it knew',
    marbles((m) => {
      // As etcd: from a view on, that view comes first.
      const server = openServer(m, 1, (memory) => ({
        ...memory,
        queue: (key, timeout, from) => (from ? concat(of(from), NEVER) : memory.queue(key, timeout)),
      }));
      const holder = server.client(SLOW);
      const lock = holder.mutex('k');
      const waiting$ = lock
        .ownership$()
        .pipe(map((state) => (state.status === 'held' ? String(state.waiting) : state.status.charAt(0))));
      // Granted at 2, held at 4; followed from 12 on, from the view of 4, in which nobody waits.
      m.expect(letters(lock.lock$()), '                   ^----------------!').toBeObservable('----h');
      m.expect(letters(server.client(SLOW).mutex('k').lock$()), '-----^-----------!').toBeObservable('---------w');
      m.expect(waiting$, '                                -------------^---!').toBeObservable('---------------1');
    }),
  );

  it(
    'says unknown while the server cannot be followed, and never a stale held',
    marbles((m) => {
      const server = serverOf(m);
      const observer = server.client(TIMES);
      atFrame(m, 4, () => observer.network.partition());
      atFrame(m, 20, () => observer.network.heal());
      // Asked once in 4 frames whether it is still told: the question of 4 is not answered within 2, so at 6 nobody
      // knows. Each try to read takes 2 and a back-off of 1; the one under way at 20 breaks, the next one is answered.
      const hold = '     ^---------------------------!';
      const look = '     ^-----------------------!';
      const result = '   h-----u--------------h---';
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), hold).toBeObservable('h----');
      m.expect(seen(observer.mutex('k').ownership$()), look).toBeObservable(result);
    }),
  );

  it(
    'is shared, and replays the latest to who comes later',
    marbles((m) => {
      const server = serverOf(m);
      const observer = server.client(TIMES);
      const lock = observer.mutex('k');
      const hold = '     --^------!';
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), hold).toBeObservable('--h-----');
      m.expect(seen(lock.ownership$()), '     ^----------!').toBeObservable('       f-h------f-');
      m.expect(seen(observer.mutex('k').ownership$()), '----^------!').toBeObservable('----h----f-');
    }),
  );

  it(
    'completes when its locks are closed',
    marbles((m) => {
      const client = serverOf(m).client(TIMES);
      atFrame(m, 3, () => void client.close());
      m.expect(seen(client.mutex('k').ownership$())).toBeObservable('f--|');
    }),
  );
});

describe('watchAll$', () => {
  /** What is held or unknown, and behind the colon what is new: `a:+a`, `-a` for free, `?a` for unknown. */
  const SIGNS = { held: '+', free: '-', unknown: '?' };
  const told = ({ all, changed, cause }: Ownerships): string =>
    `${[...all.keys()].sort().join('')}:${changed.map(({ key, status }) => SIGNS[status] + key).join('')}${cause ? '!' : ''}`;

  it(
    'tells all below a prefix at once, then each change',
    marbles((m) => {
      const server = serverOf(m);
      const hold = (key: string) => letters(server.client(TIMES).mutex(key).lock$());
      m.expect(hold('x/a'), '     ^-------!').toBeObservable('  h--------');
      m.expect(hold('x/b'), '     ----^---------!').toBeObservable('----h');
      m.expect(hold('y'), '       ^-------!').toBeObservable('  h--------');
      const all$ = server.client(TIMES).watchAll$('x/').pipe(map(told));
      m.expect(all$, '--^-----------!').toBeObservable('--a-b---c-----d', {
        a: 'x/a:+x/a',
        b: 'x/ax/b:+x/b',
        c: 'x/b:-x/a',
        d: ':-x/b',
      });
    }),
  );

  it(
    'says that nothing is known while the server cannot be followed, then what is new',
    marbles((m) => {
      const server = serverOf(m);
      const observer = server.client(TIMES);
      const hold = (key: string) => letters(server.client(TIMES).mutex(key).lock$());
      m.expect(hold('a'), '        ^----------!').toBeObservable('  h');
      m.expect(hold('b'), '        ------------^----------------!').toBeObservable('------------h');
      atFrame(m, 4, () => observer.network.partition());
      atFrame(m, 20, () => observer.network.heal());
      const all$ = observer.watchAll$('').pipe(map(told));
      m.expect(all$, '            ^-----------------------!').toBeObservable('a-----b--------------(c)', {
        a: 'a:+a',
        b: 'a:?a!',
        c: 'b:-a+b',
      });
    }),
  );

  it(
    'is one watch for all who subscribe, replays the latest, completes with its locks',
    marbles((m) => {
      const client = serverOf(m).client(TIMES);
      const all$ = client.watchAll$('').pipe(map(told));
      atFrame(m, 6, () => void client.close());
      m.expect(all$).toBeObservable('            a-----|', { a: ':' });
      m.expect(all$, '---^').toBeObservable('---a--|', { a: ':' });
    }),
  );
});
