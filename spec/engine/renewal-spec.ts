/**
 * What can befall a renewal, frame by frame: a ttl of 12, a margin of 2, a renewal every 4, an attempt of 2.
 */
import { describe, it } from '@jest/globals';
import { filter, map, retry, takeWhile } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { TIMES, atFrame, events, letters, openServer, serverOf } from '../support/marbles.js';

const ON_THE_WIRE = { renewed: 'r', 'renewal-failed': 'x', lost: 'L' } as const;
const LOST = 'LOCK_LOST expired';
const TWO_TTL = 2 * TIMES.ttl;
const from = (first: number): number[] => Array.from({ length: TWO_TTL - first + 1 }, (_, n) => first + n);

describe('the reply to one renewal', () => {
  it.each(from(2))('late by %i of 0 … 2 ttl counts for nothing, the next attempt for all', (late) => {
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 1, () => a.network.delayRenewals(late));
      atFrame(m, 5, () => a.network.delayRenewals(0));
      const hold = '       ^----------------------------------!';
      const wire = '       ------xr---r---r---r---r---r---r----'; // sent at 4, given up at 6, sent again at 7
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('h');
      m.expect(events(a.events$, ON_THE_WIRE), hold).toBeObservable(wire);
    })();
  });

  it(
    'late by less than an attempt may take renews from its send on',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 1, () => a.network.delayRenewals(1));
      atFrame(m, 6, () => a.network.partition());
      const holder = '     h-------------#'; // sent at 4, answered at 5: 4 + 12 - 2 = 14
      const wire = '       -----r----x--xL';
      m.expect(letters(a.mutex('k').lock$())).toBeObservable(holder, undefined, LOST);
      m.expect(events(a.events$, ON_THE_WIRE), '^--------------!').toBeObservable(wire);
    }),
  );

  it(
    'lost is known to the server only: the holder loses by what it knows, and the next one waits for the server',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      atFrame(m, 1, () => a.network.dropNextReply());
      atFrame(m, 5, () => a.network.partition());
      const holder = '     h---------#'; //       granted at 0: 0 + 12 - 2 = 10
      const waiter = '     -w--------------h---'; // renewed at 4 for all the server knows: 4 + 12 = 16
      m.expect(letters(a.mutex('k').lock$())).toBeObservable(holder, undefined, LOST);
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^------------------!').toBeObservable(waiter);
    }),
  );
});

describe('all replies to renewals', () => {
  it.each(from(2))('late by %i of 0 … 2 ttl are none: lost at the deadline, revoked, and never found again', (late) => {
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      atFrame(m, 1, () => a.network.delayRenewals(late));
      const holder = '     h---------#';
      const told = '       ----------L';
      const waiter = '     -w--------h---------------------------------';
      const look = '       -^------------------------------------------!';
      m.expect(letters(a.mutex('k').lock$())).toBeObservable(holder, undefined, LOST);
      m.expect(events(a.events$, { renewed: 'r', lost: 'L' }), '^------------------------!').toBeObservable(told);
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), look).toBeObservable(waiter);
    })();
  });

  it.each([0, 1])('late by %i, less than an attempt may take, are good', (late) => {
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      a.network.delayRenewals(late);
      const hold = '                      ^----------------------------------!';
      const wire = late === 0 ? '         ----r---r---r---r---r---r---r---r--' : '-----r---r---r---r---r---r---r---r-';
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('h');
      m.expect(events(a.events$, ON_THE_WIRE), hold).toBeObservable(wire);
    })();
  });
});

describe('the request of a renewal', () => {
  it(
    'lost is sent again',
    marbles((m) => {
      const server = openServer(m);
      const a = server.client(TIMES);
      atFrame(m, 3, () => a.network.dropNextRequest());
      const hold = '       ^-------------!';
      const renewals = '   -------r---r---'; // the one of 4 does not arrive
      const arrives = server.requests$.pipe(filter((request) => request === 'r'));
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('h');
      m.expect(arrives, hold).toBeObservable(renewals);
    }),
  );

  it(
    'lost is not known to the server: it gives the lock away a ttl after the grant, and the holder knew before',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      atFrame(m, 1, () => a.network.dropNextRequest());
      atFrame(m, 5, () => a.network.partition());
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('h---------#', undefined, LOST);
      const waiter = '     -w----------h--'; // 0 + 12
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^-------------!').toBeObservable(waiter);
    }),
  );
});

describe('what was lost', () => {
  it(
    'can be taken again: as another claim, in another session, with a greater token',
    marbles((m) => {
      const server = openServer(m);
      const a = server.client(TIMES);
      atFrame(m, 1, () => a.network.partition());
      atFrame(m, 9, () => a.network.heal());
      const token$ = a
        .mutex('k')
        .lock$()
        .pipe(
          map((state) => (state.status === 'held' ? String(state.held.fencingToken) : 'w')),
          retry(),
        );
      const requests = server.requests$.pipe(filter((request) => 'gx'.includes(request)));
      m.expect(requests, ' ^-------------!').toBeObservable('g---------xg');
      // A pause first: a server that has just ended a session is not asked again at once.
      m.expect(token$, '   ^-------------!').toBeObservable('2----------4');
    }),
  );
});

describe('a grant', () => {
  it(
    'whose reply is lost is asked for again as the same lease: no second one is left behind',
    marbles((m) => {
      const server = openServer(m);
      const a = server.client(TIMES);
      a.network.dropNextReply();
      const hold = '            ^--------!';
      const grants = server.requests$.pipe(takeWhile((request) => request === 'g'));
      m.expect(grants).toBeObservable('g--(g|)');
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('---h------'); // given up at 2, asked again at 3
      m.expect(server.leases$, '--------^').toBeObservable('--------(1|)', { 1: 1 });
    }),
  );
});
