import { describe, it } from '@jest/globals';
import { map, tap } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { SLOW, TIMES, atFrame, events, letters, seen, serverOf } from '../support/marbles.js';

describe('lock$', () => {
  it(
    'is cold: nobody contends before the subscription',
    marbles((m) => {
      const server = serverOf(m);
      server.client(TIMES).mutex('k').lock$();
      const look = '          ^--!';
      const ownership = '     f---';
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), look).toBeObservable(ownership);
    }),
  );

  it(
    'acquires, holds while subscribed, releases on unsubscribing',
    marbles((m) => {
      const server = serverOf(m);
      const subscribed = '    ---^-------------------------!';
      const states = '        ---h--------------------------';
      const ownership = '     f--h-------------------------f-';
      const look = '          ^------------------------------!';
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), subscribed).toBeObservable(states);
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), look).toBeObservable(ownership);
    }),
  );

  it(
    'waits while another holds, and gets it when that one unsubscribes',
    marbles((m) => {
      const server = serverOf(m);
      const subA = '          ^---------!';
      const a = '             h----------';
      const subB = '          --^--------------!';
      const b = '             --w-------h-------';
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), subA).toBeObservable(a);
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), subB).toBeObservable(b);
    }),
  );

  it(
    'serves in the order of coming, and tells each how many are ahead',
    marbles((m) => {
      const server = serverOf(m);
      const contend = () =>
        server
          .client(TIMES)
          .mutex('k')
          .lock$()
          .pipe(map((state) => (state.status === 'held' ? 'h' : String(state.ahead))));
      m.expect(contend(), '   ^---!').toBeObservable('          h----');
      m.expect(contend(), '   -^------!').toBeObservable('      -1--h----');
      m.expect(contend(), '   --^--------!').toBeObservable('   --2-1---h---');
    }),
  );

  it(
    'counts each subscription as a contender of its own, also within one client',
    marbles((m) => {
      const lock = serverOf(m).client(TIMES).mutex('k');
      const first = '         ^----!';
      const second = '        -^-------!';
      m.expect(letters(lock.lock$()), first).toBeObservable('    h-----');
      m.expect(letters(lock.lock$()), second).toBeObservable('   -w---h----');
    }),
  );

  it(
    'withdraws a waiter that unsubscribes: the next in line moves up',
    marbles((m) => {
      const server = serverOf(m);
      const subA = '          ^------!';
      const a = '             h-------';
      const subB = '          -^--!';
      const b = '             -w---';
      const subC = '          --^---------!';
      const c = '             --w-w--h-----';
      for (const [sub, states] of [
        [subA, a],
        [subB, b],
        [subC, c],
      ] as const) {
        m.expect(letters(server.client(TIMES).mutex('k').lock$()), sub).toBeObservable(states);
      }
    }),
  );

  it(
    'with wait 0 it tries once: held, or AlreadyLockedError',
    marbles((m) => {
      const server = serverOf(m);
      const subA = '          ^----!';
      const a = '             h-----';
      const b = '             --#';
      const subC = '          ------^--!';
      const c = '             ------h---';
      const tried = () => letters(server.client(TIMES).mutex('k').lock$({ wait: 0 }));
      m.expect(tried(), subA).toBeObservable(a);
      m.expect(tried(), '   --^').toBeObservable(b, undefined, 'ALREADY_LOCKED');
      m.expect(tried(), subC).toBeObservable(c);
    }),
  );

  it(
    'ends a wait that is over in a LockTimeoutError, and withdraws',
    marbles((m) => {
      const server = serverOf(m);
      const subA = '          ^---------!';
      const a = '             h----------';
      const b = '             --w----#'; // from 2 on, for 5
      const subC = '          ---^----------!';
      const c = '             ---w---w--h----'; // moves up when b gives up, is served when a ends
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), subA).toBeObservable(a);
      m.expect(letters(server.client(TIMES).mutex('k').lock$({ wait: 5 })), '--^').toBeObservable(
        b,
        undefined,
        'LOCK_TIMEOUT',
      );
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), subC).toBeObservable(c);
    }),
  );

  it(
    'counts only the contention as waiting: who holds in time keeps it',
    marbles((m) => {
      const server = serverOf(m);
      const subA = '          ^---!';
      const subB = '          -^-----------!';
      const b = '             -w--h---------';
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), subA).toBeObservable('h----');
      m.expect(letters(server.client(TIMES).mutex('k').lock$({ wait: 5 })), subB).toBeObservable(b);
    }),
  );

  it(
    'ends with the reason of an aborted signal, at once where it was aborted before',
    marbles((m) => {
      const server = serverOf(m);
      const [holder, waiter, before] = [new AbortController(), new AbortController(), new AbortController()];
      before.abort('before');
      atFrame(m, 4, () => waiter.abort('enough'));
      atFrame(m, 7, () => holder.abort('stop'));
      const contend = (signal: AbortSignal) => letters(server.client(TIMES).mutex('k').lock$({ signal }));
      const look = '          ^----------!';
      const ownership = '     hh--h--f----'; // told of who waits, too
      m.expect(contend(holder.signal)).toBeObservable(' h------#', undefined, 'stop');
      m.expect(contend(waiter.signal), '-^').toBeObservable('-w--#', undefined, 'enough');
      m.expect(contend(before.signal)).toBeObservable(' #', undefined, 'before');
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), look).toBeObservable(ownership);
    }),
  );

  it(
    'completes when the release that held.release() began is acknowledged',
    marbles((m) => {
      // One frame each way: grant and claim take two frames each, and so does the release.
      const client = serverOf(m, { latency: 1 }).client(SLOW);
      const states$ = client.mutex('k').lock$();
      const released$ = states$.pipe(
        tap((state) => {
          if (state.status === 'held') atFrame(m, 5, () => void state.held.release());
        }),
      );
      m.expect(letters(released$)).toBeObservable('                          ----h------|');
      m.expect(events(client.events$, { released: 'x' }), '^--------------!').toBeObservable('---------x----');
    }),
  );

  it(
    'refuses to contend after close(), and ends who contends in LocksClosedError',
    marbles((m) => {
      const server = serverOf(m);
      const client = server.client(TIMES);
      const lock = client.mutex('k');
      atFrame(m, 5, () => void client.close());
      const look = '          ^---------!';
      m.expect(letters(lock.lock$())).toBeObservable('        h----#', undefined, 'LOCKS_CLOSED');
      m.expect(letters(lock.lock$()), '--^').toBeObservable(' --w--#', undefined, 'LOCKS_CLOSED');
      m.expect(letters(lock.lock$()), '-------^').toBeObservable('-------#', undefined, 'LOCKS_CLOSED');
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), look).toBeObservable('h-h--f-');
    }),
  );

  it(
    'reports what happens: queued, acquired, released',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const b = server.client(TIMES);
      m.expect(letters(a.mutex('k').lock$()), '   --^---!').toBeObservable('--h----');
      m.expect(letters(b.mutex('k').lock$()), '   ---^-----!').toBeObservable('---w--h---');
      const types = { queued: 'q', acquired: 'a', released: 'x' } as const;
      m.expect(events(a.events$, types), '        ^----------!').toBeObservable('--a---x----');
      m.expect(events(b.events$, types), '        ^----------!').toBeObservable('---q--a--x-');
    }),
  );
});
