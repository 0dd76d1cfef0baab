/**
 * What a lock makes of clocks that are set, machines that sleep, processes that stand still and servers that are silent.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, defer, filter, firstValueFrom, interval, map, switchMap, throwError } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { BackendError, createLocks, usingLock } from '../../src/index.js';
import { TIMES, atFrame, codes, events, letters, machineOf, openServer, seen, serverOf } from '../support/marbles.js';
import { failureOf } from '../support/waiting.js';

const LOST = 'LOCK_LOST expired';
/** Long enough for a clock to tell a sleep from its own grain of 25 ms. */
const LONG = { ttl: 120, safetyMargin: 20, renewEvery: 40 } as const;
const HOUR = 3_600_000;

describe('the wall clock', () => {
  it(
    'set back by an hour changes nothing: the lock is renewed, and lost when it would have been',
    marbles((m) => {
      const machine = machineOf(m);
      const a = serverOf(m).client({ ...LONG, clock: machine.clock });
      atFrame(m, 10, () => machine.setWall(-HOUR));
      atFrame(m, 50, () => a.network.partition());
      const renewed = '40ms r 99ms -'; // sent at 40: 40 + 120 - 20 = 140
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('h 139ms #', undefined, LOST);
      m.expect(events(a.events$, { renewed: 'r' }), '^ 139ms !').toBeObservable(renewed);
    }),
  );

  it(
    'set ahead past the deadline costs the lock, and no more than that: the next one gets it',
    marbles((m) => {
      const machine = machineOf(m);
      const server = serverOf(m);
      const a = server.client({ ...LONG, clock: machine.clock });
      atFrame(m, 10, () => machine.setWall(HOUR));
      // Noticed when the clock is read next, by the renewal that was due at 40.
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('h 39ms #', undefined, LOST);
      m.expect(letters(server.client(LONG).mutex('k').lock$()), '-^ 50ms !').toBeObservable('-w 38ms h');
    }),
  );

  it(
    'set ahead by less than is left costs nothing',
    marbles((m) => {
      const machine = machineOf(m);
      const a = serverOf(m).client({ ...LONG, clock: machine.clock });
      atFrame(m, 10, () => machine.setWall(50));
      const held = '    h 149ms -';
      m.expect(letters(a.mutex('k').lock$()), '^ 149ms !').toBeObservable(held);
      m.expect(events(a.events$, { lost: 'L' }), '     ^ 149ms !').toBeObservable('150ms -');
    }),
  );
});

describe('a machine that sleeps', () => {
  it(
    'past the deadline finds its lock lost when it wakes, though its monotonic clock stood still',
    marbles((m) => {
      const machine = machineOf(m);
      const server = serverOf(m);
      const a = server.client({ ...LONG, clock: machine.clock });
      atFrame(m, 50, () => a.pauseClient(200));
      atFrame(m, 250, () => machine.sleep(200));
      // Renewed at 40. The body is a machine of its own; what it emits from 140 on does not get through.
      const body = usingLock(a.mutex('k'), () => interval(30, m.scheduler)).pipe(
        map((n) => String(n)),
        codes(),
      );
      m.expect(body).toBeObservable('30ms 0 29ms 1 29ms 2 29ms 3 129ms #', undefined, LOST);
      m.expect(letters(server.client(LONG).mutex('k').lock$()), '-^ 200ms !').toBeObservable('-w 158ms h');
    }),
  );
});

describe('a process that stands still across the deadline', () => {
  it(
    'does not hold from the deadline on, before any of its timers has run',
    marbles((m) => {
      const a = serverOf(m).client(TIMES);
      atFrame(m, 1, () => a.pauseClient(20));
      const looks = '  aaaaaaaaaaaaaaaaaa';
      const isHeld$ = a
        .mutex('k')
        .lock$()
        .pipe(
          filter((state) => state.status === 'held'),
          switchMap(({ held }) =>
            m.cold(looks).pipe(map(() => (held.isHeld() ? `held for ${String(held.remaining())}` : 'not held'))),
          ),
          filter((told, index) => index === 9 || index === 10 || index === 17),
          codes(),
        );
      const told = { a: 'held for 1', b: 'not held', c: 'not held' };
      m.expect(isHeld$).toBeObservable('---------ab------c---#', told, LOST);
    }),
  );
});

describe('a machine that wakes past the deadline of its lease', () => {
  /** A client with a lease, on a machine that slept from 10 on for longer than that is good for; nothing has told it. */
  const woken = (m: Parameters<typeof machineOf>[0], latency: number) => {
    const machine = machineOf(m);
    const server = serverOf(m, { latency });
    const a = server.client({ ...LONG, clock: machine.clock });
    a.mutex('other')
      .lock$()
      .subscribe({ error: () => undefined });
    return { a, server, sleeps: () => machine.setWall(HOUR) };
  };

  it(
    'begins another lease for a try: it is not refused for its own claim on the one before',
    marbles((m) => {
      const { a, sleeps } = woken(m, 0);
      atFrame(m, 10, sleeps);
      const withdrawn$ = events(a.events$, { withdrawn: 'w', acquired: 'a', requeued: 'q' });
      m.expect(letters(a.mutex('k').lock$({ wait: 0 })), '10ms ^ 80ms !').toBeObservable('12ms h');
      m.expect(withdrawn$, '5ms ^ 80ms !').toBeObservable('10ms q-a');
    }),
  );

  it(
    'begins another lease for those who wait, who are served in the order in which they came',
    marbles((m) => {
      const { a, sleeps } = woken(m, 1);
      // After the first was sent, before the second, which differs from it and is sent when that was answered.
      atFrame(m, 11, sleeps);
      const few = letters(a.semaphore('k', 1).lock$());
      const many = letters(a.semaphore('k', 3).lock$());
      m.expect(few, ' 10ms ^ 40ms !').toBeObservable('18ms h');
      m.expect(many, '10ms ^ 80ms !').toBeObservable('20ms w 32ms h');
    }),
  );
});

describe('a server that is silent', () => {
  it(
    'from the beginning is told as such, not as a lock that somebody holds: when the attempts or the wait are over',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      a.network.partition();
      // Each of five attempts may take 2, and there is 1 between them.
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('             --------------#', undefined, 'BACKEND');
      m.expect(letters(a.mutex('k').lock$({ wait: 6 }))).toBeObservable('  ------#', undefined, 'BACKEND');
    }),
  );

  it(
    'keeps nobody from leaving: an aborted signal ends any stage of a contention at once',
    marbles((m) => {
      const server = serverOf(m);
      const [granting, waiting, holding] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      const stop = new AbortController();
      granting.network.partition();
      atFrame(m, 3, () => waiting.network.partition());
      atFrame(m, 3, () => holding.network.partition());
      atFrame(m, 5, () => stop.abort('stop'));
      const contend = (client: typeof granting) => letters(client.mutex('k').lock$({ signal: stop.signal }));
      m.expect(contend(holding)).toBeObservable(' h----#', undefined, 'stop');
      m.expect(contend(waiting)).toBeObservable(' w----#', undefined, 'stop');
      m.expect(contend(granting)).toBeObservable('-----#', undefined, 'stop');
    }),
  );

  it(
    'for less than the lease costs a waiter no place: the event it missed is read when the way is free again',
    marbles((m) => {
      const server = serverOf(m);
      const b = server.client(TIMES);
      atFrame(m, 4, () => b.network.partition());
      atFrame(m, 7, () => b.network.heal());
      const holder = '     ^----!';
      const waiter = '     -^--------------!';
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), holder).toBeObservable('h-----');
      // Its lease of 1 is good until 11. The stream breaks at 7, and is read again after a pause of 1.
      m.expect(letters(b.mutex('k').lock$()), waiter).toBeObservable('-w------h');
      m.expect(events(b.events$, { requeued: 'R', lost: 'L' }), waiter).toBeObservable('-');
    }),
  );

  it(
    'cannot be told of a release: it is asked for until it is acknowledged, and the next one waits no longer than that',
    marbles((m) => {
      const server = serverOf(m);
      const a = server.client(TIMES);
      atFrame(m, 2, () => a.network.partition());
      atFrame(m, 7, () => a.network.heal());
      m.expect(letters(a.mutex('k').lock$()), '                         ^--!').toBeObservable('h');
      // Sent at 3 and 6, both lost; sent at 9.
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '-^---------!').toBeObservable('-w-------h');
    }),
  );
});

describe('a server that refuses for good', () => {
  it(
    'ends the contention at once: asking again would not help',
    marbles((m) => {
      const backend = memoryBackend({ scheduler: m.scheduler });
      const denied = new BackendError('permission denied', { retryable: false });
      const enter = () => throwError(() => denied);
      const a = createLocks({ ...backend, enqueue: enter }, { ...TIMES, scheduler: m.scheduler });
      const events$ = events(a.events$, { requeued: 'R', queued: 'q' });
      m.expect(events$, '             ^---------!').toBeObservable('----------');
      m.expect(letters(a.mutex('k').lock$())).toBeObservable('#', undefined, 'BACKEND');
    }),
  );

  it(
    'ends the contention of who has waited, too, when it is to queue again',
    marbles((m) => {
      const backend = memoryBackend({ scheduler: m.scheduler });
      const denied = new BackendError('permission denied', { retryable: false });
      let times = 0;
      const enter: typeof backend.enqueue = (...asked) =>
        defer(() => ((times += 1) === 1 ? backend.enqueue(...asked) : throwError(() => denied)));
      const b = createLocks({ ...backend, enqueue: enter, renew: () => NEVER }, { ...TIMES, scheduler: m.scheduler });
      const holder = createLocks(backend, { ...TIMES, scheduler: m.scheduler });
      m.expect(letters(holder.mutex('k').lock$()), '^ 30ms !').toBeObservable('h');
      // Its own lease is never renewed: over at 11, and a pause of 1.
      m.expect(letters(b.mutex('k').lock$()), '-^ 25ms !').toBeObservable('-w----------#', undefined, 'BACKEND');
    }),
  );
});

describe('who waits', () => {
  it(
    'asks for nothing: its lease is renewed, and one probe a renewal finds out whether it would still be told',
    marbles((m) => {
      const server = openServer(m);
      const rare = { ttl: 999, safetyMargin: 9 };
      const subscribed = '^------------------------------!';
      const holder = '    ^--------------------------------!';
      const queue = '     (geq)-------q-----------q-------'; // lease, claim, queue; the queue again once in a ttl or two
      const alive = '     ----(rp)(rp)(rp)(rp)(rp)(rp)(rp)';
      const of = (kinds: string) => server.requests$.pipe(filter((request) => kinds.includes(request)));
      m.expect(letters(server.client(rare).mutex('k').lock$()), holder).toBeObservable('h');
      m.expect(of('geqlax'), subscribed).toBeObservable(queue);
      m.expect(of('rp'), subscribed).toBeObservable(alive);
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), subscribed).toBeObservable('w');
    }),
  );
});

describe('an observer', () => {
  it(
    'is never told of a lock that went and came while it could not look: it reads what is',
    marbles((m) => {
      const server = serverOf(m);
      const observer = server.client(TIMES);
      atFrame(m, 2, () => observer.network.partition());
      atFrame(m, 7, () => observer.network.heal());
      m.expect(letters(server.client(TIMES).mutex('k').lock$()), '---^!').toBeObservable('---h');
      // The probe of 4 is not answered; it reads at 7.
      m.expect(seen(observer.mutex('k').ownership$()), '^--------!').toBeObservable('     f-----uf');
    }),
  );
});

describe('a lease revoked behind the back of its client', () => {
  const both = (m: Parameters<typeof serverOf>[0], frame: number) => {
    const server = serverOf(m);
    const a = server.client(TIMES);
    atFrame(m, frame, () => server.expire('k'));
    return [letters(a.mutex('k').lock$()), letters(a.mutex('l').lock$())] as const;
  };

  it(
    'takes all its locks along, as soon as the watch of a claim tells',
    marbles((m) => {
      const [k, l] = both(m, 5);
      m.expect(k).toBeObservable('h----#', undefined, 'LOCK_LOST deleted');
      m.expect(l).toBeObservable('h----#', undefined, 'LOCK_LOST deleted');
    }),
  );

  it(
    'so soon that nothing is watched yet: as soon as the renewal is answered',
    marbles((m) => {
      const [k, l] = both(m, 2);
      m.expect(k).toBeObservable('h---#', undefined, 'LOCK_LOST session');
      m.expect(l).toBeObservable('h---#', undefined, 'LOCK_LOST session');
    }),
  );
});

describe('a try', () => {
  it('right after the machine woke asks the server, whatever is held on a lease that has run out meanwhile', async () => {
    const memory = memoryBackend();
    const modes: string[] = [];
    const enqueue: typeof memory.enqueue = (claims, ms, mode) => {
      modes.push(mode);
      return memory.enqueue(claims, ms, mode);
    };
    let asleep = 0;
    const locks = createLocks({ ...memory, enqueue }, { clock: { now: () => performance.now() + asleep } });
    const lost = failureOf(firstValueFrom((await locks.mutex('k').acquire()).renewals$.pipe(filter(() => false))));
    asleep = HOUR;
    const refused = failureOf(locks.mutex('k').acquire({ wait: 0 }));
    expect(modes).toEqual(['show', 'try']);
    await locks.close();
    await Promise.all([lost, refused]);
  });
});
