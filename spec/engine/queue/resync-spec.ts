/**
 * The rounds of the patrol, and what is seen of all keys below a prefix.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, Subject, VirtualTimeScheduler, defer, filter, map, of, takeUntil, timer } from 'rxjs';
import type { Observable, SchedulerLike } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { decorate } from '../../../src/backend/decorate.js';
import { createLocks } from '../../../src/index.js';
import type { Locks, LocksOptions, Ownerships, Queue } from '../../../src/index.js';
import { createResync } from '../../../src/engine/queue/resync.js';
import { behindNetwork, lockServer } from '../../../src/testing/index.js';
import { engineOf } from '../../support/engines.js';
import { TIMES, atFrame, letters, openServer, seen, serverOf } from '../../support/marbles.js';
import { onePlace } from '../../support/one-place.js';

const only = (server: ReturnType<typeof openServer>, kinds: string) =>
  server.requests$.pipe(filter((request) => kinds.includes(request)));

describe('the patrol', () => {
  it(
    'goes around as often as renewals are asked for, by default three times a ttl',
    marbles((m) => {
      const server = openServer(m);
      const client = server.client({ ttl: 12, safetyMargin: 2 });
      m.expect(only(server, 'p'), '^-------------!').toBeObservable('----p---p---p-');
      m.expect(seen(client.mutex('k').ownership$()), '^-------------!').toBeObservable('f');
    }),
  );

  it(
    'asks once for all that is held on a lease, then not before a ttl has gone',
    marbles((m) => {
      const server = openServer(m);
      const client = server.client(TIMES);
      const audits = '   --------a-----------a---';
      m.expect(only(server, 'a'), '^-----------------------!').toBeObservable(audits);
      m.expect(letters(client.mutex('k').lock$()), '^-----------------------!').toBeObservable('h');
      m.expect(letters(client.mutex('l').lock$()), '^-----------------------!').toBeObservable('h');
    }),
  );

  it(
    'asks at a random time between one ttl and two',
    marbles((m) => {
      const server = openServer(m);
      const client = server.client({ ...TIMES, random: () => 0.5 });
      m.expect(only(server, 'a'), '^ 39ms !').toBeObservable('8ms a 19ms a');
      m.expect(letters(client.mutex('k').lock$()), '^ 39ms !').toBeObservable('h');
    }),
  );

  it(
    'does not ask where each claim has a lease of its own: its renewal tells',
    marbles((m) => {
      const server = openServer(m, 0, onePlace);
      m.expect(only(server, 'a'), '^ 39ms !').toBeObservable('-');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '^ 39ms !').toBeObservable('h');
    }),
  );

  it(
    'ends with what it looks after, and with its locks',
    marbles((m) => {
      const server = openServer(m);
      const [left, closed] = [server.client(TIMES), server.client(TIMES)];
      m.expect(only(server, 'p'), '^ 60ms !').toBeObservable('----(pp)p');
      m.expect(seen(left.mutex('k').ownership$()), '^-----!').toBeObservable('f');
      m.expect(seen(closed.mutex('k').ownership$())).toBeObservable('f-----|');
      atFrame(m, 6, () => void closed.close());
    }),
  );

  it(
    'visits nothing any more once it is stopped, though there is something to visit',
    marbles((m) => {
      const visits: number[] = [];
      const probes: number[] = [];
      const probe = () => defer(() => (probes.push(m.scheduler.now()), of(undefined)));
      const resync = createResync(
        engineOf(m.scheduler, { backend: { ...memoryBackend({ scheduler: m.scheduler }), probe } }),
      );
      const visited = {
        resync: () => visits.push(m.scheduler.now()) > 0,
        holders: () => [],
        markStale: () => undefined,
      };
      resync.add(visited);
      atFrame(m, 9, () => resync.stop());
      m.flush();
      expect([visits, probes]).toEqual([
        [4, 8],
        [4, 8],
      ]);
    }),
  );

  it(
    'says that it was the audit to which the server gave no answer',
    marbles((m) => {
      const causes: string[] = [];
      const backend = { ...memoryBackend({ scheduler: m.scheduler }), audit: () => NEVER };
      const locks = createLocks(backend, { ...TIMES, random: () => 0, scheduler: m.scheduler });
      locks.events$.subscribe((event) => {
        if (event.type === 'disconnected') causes.push(event.cause.message);
      });
      const holding = locks.mutex('k').lock$().subscribe();
      // Nothing else is answered after the audit of 8 was sent.
      atFrame(m, 11, () => holding.unsubscribe());
      atFrame(m, 12, () => void locks.close());
      m.flush();
      expect(causes).toEqual([
        'memory did not answer "audit" within 2 ms. Is the server up, and are hosts and firewall right?',
      ]);
    }),
  );

  it(
    'tells who looks that the server has gone silent, and what it was asked',
    marbles((m) => {
      const server = serverOf(m);
      const client = server.client(TIMES);
      atFrame(m, 3, () => client.network.partition());
      const messages: string[] = [];
      const looking = client
        .mutex('k')
        .ownership$()
        .subscribe((state) => {
          if (state.status === 'unknown') messages.push(state.cause.message);
        });
      atFrame(m, 7, () => looking.unsubscribe());
      atFrame(m, 7, () => void client.close());
      m.flush();
      expect(messages).toEqual([
        'memory did not answer "health probe" within 2 ms. Is the server up, and are hosts and firewall right?',
      ]);
    }),
  );

  const LOOKERS: readonly (readonly [string, (locks: Locks) => Observable<unknown>])[] = [
    ['who waits for a result', (locks) => locks.once('k', { keep: 60 }).turn$()],
    ['who looks at a prefix', (locks) => locks.watchAll$('k')],
    ['who looks at a key', (locks) => locks.mutex('k').ownership$()],
    ['who waits for a lock', (locks) => locks.mutex('k').lock$()],
  ];

  /** Longer than anybody looks. */
  const holds = (locks: Locks, scheduler: SchedulerLike): void => {
    locks
      .mutex('k')
      .lock$()
      .pipe(takeUntil(timer(300, scheduler)))
      .subscribe();
  };

  it.each(LOOKERS)('a probe that is not answered any more begins no watch anew: %s', (_, look) => {
    // Ends at 400, whatever still runs then.
    const scheduler = new VirtualTimeScheduler(undefined, 400);
    const watches: number[] = [];
    const server = lockServer(scheduler, {
      around: (backend) =>
        decorate(backend, (source$, { isStream }) =>
          defer(() => {
            if (isStream) watches.push(scheduler.now());
            return source$;
          }),
        ),
    });
    const [holder, client] = [server.client(TIMES), server.client(TIMES)];
    holds(holder, scheduler);
    const looking = look(client).subscribe();
    scheduler.schedule(() => client.network.partition(), 3);
    // The probe of the round at 4 is given up at 6.
    scheduler.schedule(() => looking.unsubscribe(), 5);
    scheduler.schedule(() => client.network.heal(), 60);
    scheduler.flush();
    // The holder begins its own watch at 4.
    expect(watches.filter((at) => at > 4)).toEqual([]);
    expect(watches.length).toBeGreaterThan(0);
  });

  it.each(LOOKERS)('an outage is not over because a probe had nobody to ask: %s', (_, look) => {
    const scheduler = new VirtualTimeScheduler(undefined, 400);
    const memory = memoryBackend({ scheduler });
    const { backend, network } = behindNetwork(memory, { scheduler });
    const options = { ...TIMES, scheduler, random: () => 0 };
    // As etcd3 answers while no watch is open.
    const client = createLocks({ ...backend, probe: () => of(undefined) }, options);
    const holder = createLocks(memory, options);
    const told: unknown[] = [];
    client.events$.subscribe(({ type, ...event }) => {
      if (type === 'disconnected' || type === 'connected') told.push([type, scheduler.now() >= 60, event]);
    });
    holds(holder, scheduler);
    const looking = look(client).subscribe();
    scheduler.schedule(() => network.partition(), 3);
    scheduler.schedule(() => network.heal(), 60);
    scheduler.schedule(() => looking.unsubscribe(), 100);
    scheduler.flush();
    expect(told).toMatchObject([
      ['disconnected', false, {}],
      ['connected', true, { downFor: expect.any(Number) }],
    ]);
  });
});

describe('of all keys below a prefix', () => {
  const watched = (options: LocksOptions = TIMES) => {
    const views = new Subject<readonly Queue[]>();
    const told: string[] = [];
    let begun = 0;
    const make = (m: Parameters<Parameters<typeof marbles>[0]>[0]) => {
      const backend = {
        ...memoryBackend({ scheduler: m.scheduler }),
        queues: () => defer(() => ((begun += 1), views)),
      };
      const locks = createLocks(backend, { random: () => 0, ...options, scheduler: m.scheduler });
      const looking = locks.watchAll$('x/').subscribe(({ all, changed, cause }: Ownerships) => {
        const states = changed.map((state) => `${state.key} ${state.status}`);
        told.push(`${[...all.keys()].join()}: ${states.join()}${cause ? ` ${cause.message}` : ''}`);
      });
      atFrame(m, 50, () => looking.unsubscribe());
      atFrame(m, 50, () => void locks.close());
    };
    return { views, make, news: () => told.splice(0), begun: () => begun };
  };
  /** A server that shows what it is told to. */
  const shown = (m: Parameters<Parameters<typeof marbles>[0]>[0]) => {
    const views = new Subject<readonly Queue[]>();
    let begun = 0;
    const queues = () => defer(() => ((begun += 1), views));
    return { views, begun: () => begun, backend: { ...memoryBackend({ scheduler: m.scheduler }), queues } };
  };
  const claims = (key: string, ...tokens: number[]): Queue => ({
    key,
    revision: 9n,
    claims: tokens.map((token) => ({
      id: String(token),
      token: BigInt(token),
      stamp: '',
      kind: 'mutex',
      owner: '',
      since: undefined,
      meta: undefined,
    })),
  });

  it(
    'the first view is told though nothing is held, later ones where there is news',
    marbles((m) => {
      const { views, make, news, begun } = watched();
      make(m);
      views.next([]);
      expect(news()).toEqual([': ']);
      views.next([claims('x/b')]);
      views.next([]);
      expect(news()).toEqual([]);
      views.next([claims('x/a', 1)]);
      views.next([claims('x/a', 1)]);
      views.next([claims('x/b', 2), claims('x/c')]);
      expect(news()).toEqual(['x/a: x/a held', 'x/a,x/b: x/b held']);
      // Read again: the next view is whole, what is not in it is free.
      atFrame(m, 13, () => {
        expect(begun()).toBe(2);
        views.next([claims('x/b', 2)]);
        expect(news()).toEqual(['x/b: x/a free']);
        views.next([claims('x/c', 3)]);
        expect(news()).toEqual(['x/b,x/c: x/c held']);
      });
      atFrame(m, 26, () => {
        expect(begun()).toBe(3);
        views.next([claims('x/b', 2), claims('x/c', 3)]);
        expect(news()).toEqual([]);
      });
      m.flush();
    }),
  );

  it(
    'nothing is known while nobody answers, which is told once, and then what is, though it is the same',
    marbles((m) => {
      const { views, make, news } = watched();
      make(m);
      const silence = 'memory did not say within 2 ms who holds "x/*".';
      atFrame(m, 9.5, () => {
        expect(news()).toEqual([`:  ${silence}`]);
        views.next([]);
        expect(news()).toEqual([': ']);
      });
      m.flush();
    }),
  );

  it(
    'what is known again is told, though it is as before nothing was known',
    marbles((m) => {
      const tries: Subject<readonly Queue[]>[] = [];
      const { backend } = shown(m);
      const queues = () => defer(() => tries[tries.push(new Subject()) - 1] ?? NEVER);
      const locks = createLocks({ ...backend, queues }, { random: () => 0, ...TIMES, scheduler: m.scheduler });
      const told: unknown[] = [];
      const looking = locks
        .watchAll$('x/')
        .subscribe(({ all, changed, cause }) => told.push([all.size, changed.length, cause?.message]));
      tries[0]?.next([]);
      atFrame(m, 3, () => tries[0]?.error(new Error('the server went away')));
      atFrame(m, 5, () => tries[1]?.next([]));
      atFrame(m, 6, () => tries[1]?.next([]));
      atFrame(m, 7, () => looking.unsubscribe());
      atFrame(m, 7, () => void locks.close());
      m.flush();
      expect(told).toEqual([
        [0, 0, undefined],
        [0, 0, 'the server went away'],
        [0, 0, undefined],
      ]);
    }),
  );

  it(
    'who comes later is told all that is held as changed, and then what changes',
    marbles((m) => {
      const { backend, views } = shown(m);
      const locks = createLocks(backend, { random: () => 0, ...TIMES, scheduler: m.scheduler });
      const all$ = locks
        .watchAll$('x/')
        .pipe(map(({ changed }) => changed.map(({ key, status }) => `${key} ${status}`).join()));
      const [early, late]: [string[], string[]] = [[], []];
      const looking = all$.subscribe((one) => early.push(one));
      views.next([claims('x/a', 1)]);
      views.next([claims('x/b', 2)]);
      looking.add(all$.subscribe((one) => late.push(one)));
      expect([early, late]).toEqual([['x/a held', 'x/b held'], ['x/a held,x/b held']]);
      views.next([claims('x/a')]);
      expect([early.at(-1), late.at(-1)]).toEqual(['x/a free', 'x/a free']);
      looking.unsubscribe();
      atFrame(m, 9, () => void locks.close());
      m.flush();
    }),
  );

  it(
    'nothing is looked at any more once its locks are closed: the stream completes',
    marbles((m) => {
      const { backend, begun } = shown(m);
      const locks = createLocks(backend, { ...TIMES, scheduler: m.scheduler });
      void locks.close();
      m.expect(locks.watchAll$('x/'), '---^').toBeObservable('---|');
      m.flush();
      expect(begun()).toBe(0);
    }),
  );

  it(
    'it is seen how many wait, where they can be seen',
    marbles((m) => {
      const server = serverOf(m);
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '^-----!').toBeObservable('h');
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '--^---!').toBeObservable('--w---h');
      const waiting$ = server
        .client(TIMES)
        .watchAll$('')
        .pipe(map(({ changed: [state] }) => (state?.status === 'held' ? String(state.waiting) : '-')));
      m.expect(waiting$, '-^---!').toBeObservable('-01');
      const open = openServer(m, 0, onePlace);
      m.expect(letters(open.client(TIMES).mutex('k').lock$()), '^-----!').toBeObservable('h');
      const untold$ = open
        .client(TIMES)
        .mutex('k')
        .ownership$()
        .pipe(map((state) => ('waiting' in state ? 'w' : '-')));
      m.expect(untold$, '-^---!').toBeObservable('-x', { x: '-' });
    }),
  );
});
