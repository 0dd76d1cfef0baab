/**
 * Contending where a queue has one place: who comes later is refused, watches, and tries again.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, defer, distinctUntilChanged, filter, of, take } from 'rxjs';
import type { Observable } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { createLocks } from '../../../src/index.js';
import type { LockState, TakeResult } from '../../../src/index.js';
import { TIMES, atFrame, events, letters, openServer, seen } from '../../support/marbles.js';
import { onePlace } from '../../support/one-place.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];
const server = (m: Marbles) => openServer(m, 0, onePlace);

/** Who waits is told at each view of the queue; here it counts where it stands. */
const states = (states$: Observable<LockState>): Observable<string> => letters(states$).pipe(distinctUntilChanged());

describe('where a queue has one place, a contender', () => {
  it(
    'waits until it is empty, then tries again after a pause',
    marbles((m) => {
      const open = server(m);
      const [a, b] = [open.client(TIMES), open.client(TIMES)];
      m.expect(states(a.mutex('k').lock$()), '  ^----!').toBeObservable('     h');
      m.expect(states(b.mutex('k').lock$()), '  -^--------!').toBeObservable('-w----h');
      m.expect(events(b.events$, { queued: 'q', acquired: 'a', released: 'x' }), '^----------!').toBeObservable(
        '-q----a---x',
      );
    }),
  );

  it(
    'of the `Locks` that held tries at once, without a pause',
    marbles((m) => {
      const open = server(m);
      const a = open.client(TIMES);
      m.expect(states(a.mutex('k').lock$()), '  ^----!').toBeObservable('     h');
      m.expect(states(a.mutex('k').lock$()), '  -^--------!').toBeObservable('-w---h');
    }),
  );

  it(
    'tries again after a pause where its lease ran out before the server had answered',
    marbles((m) => {
      const slots = onePlace(memoryBackend({ scheduler: m.scheduler }));
      const tries: number[] = [];
      const take$: typeof slots.take = () => defer(() => (tries.push(m.scheduler.now()), NEVER));
      const options = { ...TIMES, random: () => 0, scheduler: m.scheduler };
      const locks = createLocks({ ...slots, take: take$, renew: () => NEVER }, options);
      m.expect(letters(locks.mutex('k').lock$({ wait: 17 }))).toBeObservable('17ms #', undefined, 'BACKEND');
      m.flush();
      // An attempt may take 2, and the pause after it is 1. The lease ends at 10.
      expect(tries).toEqual([0, 3, 6, 9, 11, 14]);
    }),
  );

  it(
    'is told who holds, but not how many are ahead: nobody knows',
    marbles((m) => {
      const open = server(m);
      open
        .client({ ...TIMES, owner: 'the other' })
        .mutex('k')
        .lock$()
        .pipe(take(1))
        .subscribe();
      const holding = open
        .client({ ...TIMES, owner: 'me' })
        .mutex('k')
        .lock$()
        .subscribe();
      const told: LockState[] = [];
      const waiting = open.client(TIMES);
      const reported: unknown[] = [];
      waiting.events$.subscribe((event) => reported.push(event));
      const states = waiting
        .mutex('k')
        .lock$()
        .subscribe((state) => told.push(state));
      atFrame(m, 2, () => states.unsubscribe());
      atFrame(m, 2, () => holding.unsubscribe());
      m.flush();
      expect(told.map((state) => Object.keys(state).sort())).toEqual(
        Array.from({ length: 2 }, () => ['holders', 'key', 'status']),
      );
      expect(JSON.stringify(told)).toContain('"owner":"me"');
      expect(reported).toMatchObject([
        { type: 'queued', key: 'k' },
        { type: 'withdrawn', reason: 'unsubscribed' },
      ]);
      expect(reported[0]).not.toHaveProperty('ahead');
    }),
  );

  it(
    'tries once with wait 0, and is told who holds',
    marbles((m) => {
      const open = server(m);
      m.expect(states(open.client(TIMES).mutex('k').lock$()), '^----!').toBeObservable('h');
      m.expect(states(open.client(TIMES).mutex('k').lock$({ wait: 0 })), '-^').toBeObservable(
        '-#',
        undefined,
        'ALREADY_LOCKED',
      );
      m.expect(states(open.client(TIMES).mutex('k').lock$({ wait: 0 })), '------^-!').toBeObservable('------h');
    }),
  );

  it(
    'ends its wait in time, and watches no more',
    marbles((m) => {
      const open = server(m);
      const b = open.client(TIMES);
      const enters$ = open.requests$.pipe(filter((request) => request === 'e'));
      m.expect(enters$, '^-------------------!').toBeObservable('e');
      m.expect(states(open.client(TIMES).mutex('k').lock$()), '^---------!').toBeObservable('h');
      m.expect(states(b.mutex('k').lock$({ wait: 4 })), '-^').toBeObservable('-w---#', undefined, 'LOCK_TIMEOUT');
    }),
  );

  it(
    'has a lease for each claim, which ends with it',
    marbles((m) => {
      const open = server(m);
      const a = open.client(TIMES);
      const requests$ = open.requests$.pipe(filter((request) => 'gelx'.includes(request)));
      m.expect(requests$, '^------------!').toBeObservable('(ge)(ge)(lx)(lx)');
      m.expect(states(a.mutex('k').lock$()), '^-------!').toBeObservable('h');
      m.expect(states(a.mutex('l').lock$()), '----^-------!').toBeObservable('----h');
      m.expect(open.leases$, '----------^').toBeObservable('----------(1|)', { 1: 1 });
      m.expect(open.leases$, '--------------^').toBeObservable('--------------(0|)', { 0: 0 });
    }),
  );

  it(
    'that is not let in leaves no claim and no lease',
    marbles((m) => {
      const open = server(m);
      m.expect(states(open.client(TIMES).mutex('k').lock$()), '^---------!').toBeObservable('h');
      const requests$ = open.requests$.pipe(filter((request) => 'gelx'.includes(request)));
      m.expect(requests$, '-^---!').toBeObservable('-');
      m.expect(states(open.client(TIMES).mutex('k').lock$()), '--^-------!').toBeObservable('--w');
      m.expect(open.leases$, '-----^').toBeObservable('-----(1|)', { 1: 1 });
    }),
  );

  it(
    'loses its own lock only: another lease is another session',
    marbles((m) => {
      const open = server(m);
      const a = open.client(TIMES);
      m.expect(states(a.mutex('k').lock$())).toBeObservable('  h---------#', undefined, 'LOCK_LOST expired');
      m.expect(states(a.mutex('l').lock$()), '-^').toBeObservable('-h-------------#', undefined, 'LOCK_LOST expired');
      // The renewal of the one at 4 is lost, the other's at 5 is not.
      atFrame(m, 3, () => a.network.partition());
      atFrame(m, 4.5, () => a.network.heal());
      atFrame(m, 5.5, () => a.network.partition());
    }),
  );

  it(
    'ends with the close, waiting or holding, and leaves nothing',
    marbles((m) => {
      const open = server(m);
      const [a, b] = [open.client(TIMES), open.client(TIMES)];
      m.expect(states(a.mutex('k').lock$()), '^').toBeObservable('  h----#', undefined, 'LOCKS_CLOSED');
      m.expect(states(b.mutex('k').lock$()), '-^').toBeObservable('-w-#', undefined, 'LOCKS_CLOSED');
      atFrame(m, 3, () => void b.close());
      atFrame(m, 5, () => void a.close());
      m.expect(open.claims$('k'), '------^').toBeObservable('------(0|)', { 0: 0 });
      m.expect(open.leases$, '------^').toBeObservable('------(0|)', { 0: 0 });
    }),
  );

  it(
    'tries again at once where the queue was empty by the time somebody looked who is in it',
    marbles((m) => {
      const memory = onePlace(memoryBackend({ scheduler: m.scheduler }));
      let tries = 0;
      const refused: TakeResult = { status: 'refused', queue: { key: 'k', revision: 1n, claims: [] } };
      const first: typeof memory.take = (...asked) => ((tries += 1), tries === 1 ? of(refused) : memory.take(...asked));
      const locks = createLocks({ ...memory, take: first }, { ...TIMES, scheduler: m.scheduler, random: () => 0 });
      m.expect(states(locks.mutex('k').lock$()), '^--!').toBeObservable('-h');
    }),
  );

  it(
    'that leaves in the pause before it tries again, does not try',
    marbles((m) => {
      const open = server(m);
      m.expect(open.requests$.pipe(filter((request) => request === 'e')), '^----------!').toBeObservable('e');
      const long = { ttl: 120, safetyMargin: 20 };
      m.expect(states(open.client(long).mutex('k').lock$()), '^----!').toBeObservable('h');
      m.expect(states(open.client(long).mutex('k').lock$()), '-^----!').toBeObservable('-w');
      m.expect(seen(open.client(long).mutex('k').ownership$()), '---------^-!').toBeObservable('---------f');
    }),
  );
});

describe('of many who are refused, each', () => {
  it(
    'gets it in the end',
    marbles((m) => {
      const open = server(m);
      const b = open.client(TIMES);
      m.expect(states(open.client(TIMES).mutex('k').lock$()), '^--!').toBeObservable('h');
      m.expect(states(b.mutex('k').lock$()), '-^----!').toBeObservable('-w--h');
      m.expect(states(open.client(TIMES).mutex('k').lock$()), '--^------!').toBeObservable('--w----h');
    }),
  );
});

describe('of those of one `Locks`', () => {
  const entering = (open: ReturnType<typeof server>) =>
    open.requests$.pipe(filter((request) => 'el'.includes(request)));

  it(
    'only the first asks for the place; the next one does when its claim has left',
    marbles((m) => {
      const open = server(m);
      const lock = open.client(TIMES).mutex('k');
      m.expect(entering(open), '          ^------------!').toBeObservable('e---(le)-(le)-');
      m.expect(states(lock.lock$()), '    ^---!').toBeObservable('         h----');
      m.expect(states(lock.lock$()), '    -^-------!').toBeObservable('    -w--h-----');
      m.expect(states(lock.lock$()), '    --^----------!').toBeObservable('--w------h----');
    }),
  );

  it(
    'who gives up waiting is not waited for, and lets nobody in who is not first',
    marbles((m) => {
      const open = server(m);
      const lock = open.client(TIMES).mutex('k');
      m.expect(entering(open), '          ^---------!').toBeObservable('e-----(le)-');
      m.expect(states(lock.lock$()), '    ^-----!').toBeObservable('      h------');
      m.expect(states(lock.lock$()), '    -^-!').toBeObservable('        -w---');
      m.expect(states(lock.lock$()), '    --^-------!').toBeObservable('  --w---h----');
    }),
  );

  it(
    'who tries once is told at once that another one holds, and keeps nobody waiting',
    marbles((m) => {
      const open = server(m);
      const lock = open.client(TIMES).mutex('k');
      m.expect(entering(open), '                ^---------!').toBeObservable('e----(le)--');
      m.expect(states(lock.lock$()), '          ^----!').toBeObservable('     h------');
      m.expect(states(lock.lock$()), '          -^--------!').toBeObservable('-w---h-----');
      m.expect(states(lock.lock$({ wait: 0 })), '--^').toBeObservable('      --#', undefined, 'ALREADY_LOCKED');
    }),
  );
});
