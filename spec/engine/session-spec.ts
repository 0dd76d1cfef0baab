import { describe, it } from '@jest/globals';
import { NEVER, Subject, defer, filter, map } from 'rxjs';
import type { Observable } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { createLocks } from '../../src/index.js';
import type { Lease } from '../../src/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { SLOW, TIMES, atFrame, events, letters, seen, serverOf } from '../support/marbles.js';

const ON_THE_WIRE = { renewed: 'r', 'renewal-failed': 'x', lost: 'L' } as const;

describe('the session', () => {
  it(
    'renews every renewEvery after the last send, by default every third of the ttl',
    marbles((m) => {
      const a = serverOf(m).client({ ttl: 12, safetyMargin: 2 });
      const hold = '       ^----------------!';
      const wire = '       ----r---r---r---r-';
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('h-----------------');
      m.expect(events(a.events$, ON_THE_WIRE), hold).toBeObservable(wire);
    }),
  );

  it(
    'counts from the send, not from the answer: a slow answer is time already spent',
    marbles((m) => {
      const a = serverOf(m, { latency: 1 }).client(SLOW);
      const held$ = a.mutex('k').lock$();
      // Granted by a request sent at 0; renewed by requests sent at 8 and 16, answered at 10 and 18.
      const renewals$ = a.events$.pipe(
        filter((event) => event.type === 'renewed'),
        map(({ validUntil, took }) => `until ${String(validUntil)}, took ${String(took)}`),
      );
      const hold = '       ^------------------!';
      m.expect(letters(held$), hold).toBeObservable('----h-----');
      m.expect(renewals$, hold).toBeObservable('     ----------b-------c', {
        b: `until ${String(8 + 24 - 4)}, took 2`,
        c: `until ${String(16 + 24 - 4)}, took 2`,
      });
    }),
  );

  it(
    'tries again after a failed renewal, and holds on',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 3, () => a.network.refuseNext(2));
      const hold = '       ^----------------!';
      const wire = '       ----xxr---r---r---'; // 4 and 5 refused, 6 answered, then every 4 again
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('h-----------------');
      m.expect(events(a.events$, ON_THE_WIRE), hold).toBeObservable(wire);
    }),
  );

  it(
    'gives an attempt a sixth of the ttl, then sends the next',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 3, () => a.network.dropNextReply());
      const hold = '       ^----------------!';
      const wire = '       ------xr---r---r--'; // sent at 4, given up at 6, sent again at 7
      m.expect(letters(a.mutex('k').lock$()), hold).toBeObservable('h-----------------');
      m.expect(events(a.events$, ON_THE_WIRE), hold).toBeObservable(wire);
    }),
  );

  it(
    'is lost at validUntil, before the server gives the lock to the next in line',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const b = server.client(TIMES);
      atFrame(m, 5, () => a.network.partition());
      const holder = '     h-------------#'; //   renewed at 4: 4 + 12 - 2 = 14
      const wire = '       ----r-----x--xL-'; // sent at 8 and 11, each given up after 2
      const waiter = '     --w-------------h----'; // the server waits until 4 + 12 = 16
      m.expect(letters(a.mutex('k').lock$())).toBeObservable(holder, undefined, 'LOCK_LOST expired');
      m.expect(events(a.events$, ON_THE_WIRE), '       ^--------------!').toBeObservable(wire);
      m.expect(letters(b.mutex('k').lock$()), '        --^-----------------!').toBeObservable(waiter);
    }),
  );

  it(
    'takes no late answer for a renewal: what is lost stays lost',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client({ ...TIMES, renewEvery: 7 });
      // Sent at 7, answered at 16: the attempts in between are given up, the deadline is 10.
      atFrame(m, 1, () => a.network.delayReplies(9));
      const holder = '     h---------#';
      const observer = '   h---------f------';
      m.expect(letters(a.mutex('k').lock$())).toBeObservable(holder, undefined, 'LOCK_LOST expired');
      // The lease is revoked behind the loss, and what the late renewal prolonged is gone with it.
      m.expect(seen(server.client(TIMES).mutex('k').ownership$()), '^----------------!').toBeObservable(observer);
    }),
  );

  it(
    'decides a tie between deadline and answer for the deadline',
    marbles((m) => {
      const a = serverOf(m).client({ ...TIMES, renewEvery: 7.5 });
      // Sent at 7.5, the first answer is lost; sent again at 10.5, after the deadline.
      atFrame(m, 1, () => a.network.dropNextReply());
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('h---------#', undefined, 'LOCK_LOST expired');
    }),
  );

  it(
    'is lost at once when the server says that the lease is gone',
    marbles((m) => {
      const backend = memoryBackend({ scheduler: m.scheduler });
      const grant = (lease: Lease) => {
        atFrame(m, 3, () => void backend.revoke(lease, 0).subscribe());
        return backend.grant(lease, 0);
      };
      // Its watch is silent, so that only the renewal at 4 can tell.
      const a = createLocks({ ...backend, grant, queue: () => NEVER }, { ...TIMES, scheduler: m.scheduler });
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('h---#', undefined, 'LOCK_LOST session');
    }),
  );

  it(
    'keeps its deadline by the ttl that was granted, not the one asked for',
    marbles((m) => {
      const longer = serverOf(m, { grantedTtl: () => 20 }).client(TIMES);
      const shorter = serverOf(m, { grantedTtl: () => 8 }).client({ ttl: 12, safetyMargin: 2 });
      atFrame(m, 1, () => longer.network.partition());
      atFrame(m, 1, () => shorter.network.partition());
      m.expect(letters(longer.mutex('k').lock$())).toBeObservable(
        ' h-----------------#',
        undefined,
        'LOCK_LOST expired',
      );
      m.expect(letters(shorter.mutex('k').lock$())).toBeObservable('h-----#', undefined, 'LOCK_LOST expired');
    }),
  );

  it(
    'is shared by all locks of a client: one renewal for all, and the loss of it is the loss of all',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 5, () => a.network.partition());
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('      h-------------#', undefined, 'LOCK_LOST expired');
      m.expect(letters(a.mutex('l').lock$()), '-^').toBeObservable('-h------------#', undefined, 'LOCK_LOST expired');
      m.expect(events(a.events$, { renewed: 'r' }), '   ^-------------!').toBeObservable('     ----r---');
    }),
  );

  it(
    'lingers a ttl after its last lock, then is revoked',
    marbles((m) => {
      const backend = memoryBackend({ scheduler: m.scheduler });
      const calls = new Subject<string>();
      const told = <T>(call: string, answer$: Observable<T>) => defer(() => (calls.next(call), answer$));
      const a = createLocks(
        {
          ...backend,
          grant: (lease) => told('g', backend.grant(lease, 0)),
          revoke: (lease) => told('x', backend.revoke(lease, 0)),
        },
        { ...TIMES, scheduler: m.scheduler },
      );
      const hold = () => letters(a.mutex('k').lock$());
      m.expect(calls, '   ^---------------------------------------!').toBeObservable(
        '                 g--------------------x-g--------------x--',
      );
      m.expect(hold(), '  ^--!').toBeObservable('                   h---');
      m.expect(hold(), '  ------^--!').toBeObservable('             ------h---');
      m.expect(hold(), '  -----------------------^--!').toBeObservable('-----------------------h---');
    }),
  );

  it(
    'queues a waiter again at the tail, in a new session, when its own session is lost',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      const b = server.client(TIMES);
      const c = server.client(TIMES);
      atFrame(m, 3, () => b.network.partition());
      atFrame(m, 20, () => b.network.heal());
      // Granted at 1, b's lease is lost at 11 and gone from the server at 13; at 20 b gets through, behind c.
      const holder = '     h-------------------------------';
      const cut = '        -w-------------------w--------w-h';
      const other = '      --w----------w----------------h---';
      const told = '       -q---------R--------------------a';
      m.expect(letters(a.mutex('k').lock$()), '^-----------------------------!').toBeObservable(holder);
      m.expect(letters(b.mutex('k').lock$()), '-^----------------------------------!').toBeObservable(cut);
      m.expect(letters(c.mutex('k').lock$()), '--^-----------------------------!').toBeObservable(other);
      m.expect(events(b.events$, { queued: 'q', requeued: 'R', acquired: 'a' })).toBeObservable(told);
    }),
  );
});
