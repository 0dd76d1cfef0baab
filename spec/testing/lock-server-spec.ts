import { describe, it } from '@jest/globals';
import { concat, of, timer } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { createLocks, withLock } from '../../src/index.js';
import { behindNetwork, errorCodes, ownershipLetters, stateLetters } from '../../src/testing/index.js';
import { SLOW, TIMES, atFrame, codes, events, letters, seen, serverOf } from '../support/marbles.js';

describe('the lock server of rxlock/testing', () => {
  it(
    'pauseClient: nothing of that client runs meanwhile, and after it the deadline is looked at first',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      atFrame(m, 5, () => a.pauseClient(20));
      // The source is a machine of its own: it goes on emitting into a lock that is lost since 14.
      const source = m.cold(' a----b----c----d----e----f');
      const result = '        a----b----c--------------#';
      const other = '         -w--------------h---------';
      m.expect(source.pipe(withLock(a.mutex('k')), codes())).toBeObservable(result, undefined, 'LOCK_LOST expired');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^------------------------!').toBeObservable(other);
    }),
  );

  it(
    'pauseClient for less than the lease: the lock is kept, and renewed at the first chance',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 1, () => a.pauseClient(8));
      const hold = '  ^------------------!';
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('h-------------------');
      m.expect(events(a.events$, { renewed: 'r', lost: 'L' }), hold).toBeObservable('---------r---r---r--');
    }),
  );

  it(
    'pauseClient(Infinity): the process is gone, and the server gives its lock away when its lease has run out',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      atFrame(m, 5, () => {
        a.network.partition();
        a.pauseClient(Infinity);
      });
      m.expect(letters(a.mutex('k').lock$()), '                     ^-----------------------!').toBeObservable('h');
      m.expect(timer(7, a.scheduler), '                             ^-----------------------!').toBeObservable('-');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), ' -^-----------------------!').toBeObservable(
        '-w--------------h',
      );
    }),
  );

  it(
    'setClock: ahead counts as time gone by and costs the lock, back changes nothing',
    marbles((m) => {
      const server = serverOf(m);
      const [ahead, back] = [server.client(TIMES), server.client(TIMES)];
      atFrame(m, 5, () => ahead.setClock(60));
      atFrame(m, 5, () => back.setClock(-60));
      // Read at the next renewal.
      const [lost, code] = ['h-------#', 'LOCK_LOST expired'];
      m.expect(letters(ahead.mutex('k').lock$())).toBeObservable(lost, undefined, code);
      m.expect(letters(back.mutex('l').lock$()), '^------------------------!').toBeObservable('h');
    }),
  );

  it(
    'expire: the holder is told at once, and the next one holds',
    marbles((m) => {
      const server = serverOf(m);
      atFrame(m, 5, () => server.expire('k'));
      m.expect(letters(server.client(TIMES).mutex('k').lock$())).toBeObservable(
        'h----#',
        undefined,
        'LOCK_LOST deleted',
      );
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^-------!').toBeObservable('-w---h----');
    }),
  );

  it(
    'delayRenewals: answers that come too late are none',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 1, () => a.network.delayRenewals(3));
      const types = { renewed: 'r', 'renewal-failed': 'x', lost: 'L' } as const;
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('    h---------#', undefined, 'LOCK_LOST expired');
      m.expect(events(a.events$, types), '^----------!').toBeObservable('------x--xL-');
    }),
  );

  it(
    'dropNextReply: a claim whose answer is lost is found again, not doubled',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      atFrame(m, 1, () => a.network.dropNextReply());
      // The session is there already; the claim sent at 2 is given up at 4 and asked for again at 5.
      m.expect(letters(a.mutex('other').lock$()), '^-------!').toBeObservable('             h');
      m.expect(letters(a.mutex('k').lock$()), '--^-----!').toBeObservable('                 -----h');
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), '^--------!').toBeObservable('f-h-----f');
    }),
  );

  it(
    'dropNextRequest: what was sent never arrives, so nothing comes of it but another attempt',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      atFrame(m, 1, () => a.network.dropNextRequest());
      // As above, but the queue stays empty until the claim is asked for again.
      m.expect(letters(a.mutex('other').lock$()), '^-------!').toBeObservable('             h');
      m.expect(letters(a.mutex('k').lock$()), '--^-----!').toBeObservable('                 -----h');
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), '^--------!').toBeObservable('f----h--f');
    }),
  );

  it(
    'delayReplies: everything takes longer, in both senses of a lock, got and given back',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(SLOW);
      a.network.delayReplies(2);
      const source = m.cold('    a|');
      m.expect(source.pipe(withLock(a.mutex('k')))).toBeObservable('----a--|');
      m.expect(seen(server.client(SLOW).mutex('k').ownership$()), '^--------!').toBeObservable('f-h--f');
    }),
  );

  it(
    'pauseClient: a shorter pause within a longer one ends with that',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 1, () => a.pauseClient(8));
      atFrame(m, 2, () => a.pauseClient(1));
      const hold = '  ^--------------!';
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('h---------------');
      m.expect(events(a.events$, { renewed: 'r', lost: 'L' }), hold).toBeObservable('---------r---r--');
    }),
  );

  it(
    'letters and codes: an assertion on states, on ownership, on errors is one line',
    marbles((m) => {
      const server = serverOf(m);
      const [a, b, c] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      atFrame(m, 2, () => a.network.partition());
      m.expect(stateLetters(a.mutex('k').lock$())).toBeObservable('h---------#', undefined, 'LOCK_LOST expired');
      m.expect(stateLetters(b.mutex('k').lock$({ wait: 4 }))).toBeObservable('w---#', undefined, 'LOCK_TIMEOUT');
      m.expect(ownershipLetters(c.mutex('k').ownership$()), '^------------!').toBeObservable('h---h-------f-');
      const mine = m.cold('--#', undefined, 'mine');
      m.expect(mine.pipe(errorCodes())).toBeObservable('--#', undefined, 'mine');
    }),
  );

  it(
    'refuseNext: refused requests are sent again',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      a.network.refuseNext(3);
      m.expect(letters(a.mutex('k').lock$()), '^--------!').toBeObservable('---h------');
    }),
  );

  it(
    'behindNetwork stands before any backend',
    marbles((m) => {
      const scheduler = m.scheduler;
      const { backend, network } = behindNetwork(memoryBackend({ scheduler }), { scheduler, latency: 1 });
      const locks = createLocks(backend, { ttl: 24, safetyMargin: 4, scheduler });
      atFrame(m, 5, () => network.partition());
      const source$ = concat(of('a'), m.cold('----b|'));
      // Granted by a request sent at 0, so good until 24 - 4; the release is not acknowledged.
      m.expect(source$.pipe(withLock(locks.mutex('k')))).toBeObservable('----a---b-----------|');
    }),
  );
});
