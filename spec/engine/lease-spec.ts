/**
 * One lease, from its grant to its revoke: who asks for it, what it says of itself, what is told when it fails.
 */
import { describe, expect, it } from '@jest/globals';
import { NEVER, Observable, defer, filter, map, take, tap, throwError, timer } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { BackendError, LockLostError, createLocks, withLock } from '../../src/index.js';
import type { Lease, QueueBackend, LockEvent, LocksOptions, QueuedClaim, RenewResult } from '../../src/index.js';
import { TIMES, atFrame, events, letters, openServer } from '../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

/** A client of a memory server of which some verbs are others, and all that it reports, each with its frame. */
const clientOf = (m: Marbles, change: (memory: QueueBackend) => Partial<QueueBackend>, options?: LocksOptions) => {
  const memory = memoryBackend({ scheduler: m.scheduler });
  const backend = { ...memory, ...change(memory) };
  const locks = createLocks(backend, { ...TIMES, random: () => 0, ...options, scheduler: m.scheduler });
  const told: (LockEvent & { at: number })[] = [];
  locks.events$.subscribe((event) => told.push({ ...event, at: m.scheduler.now() }));
  const of = (type: LockEvent['type']) => told.filter((event) => event.type === type);
  return { locks, of };
};
const LOST = 'LOCK_LOST expired';
const silent = (): Observable<never> => NEVER;
const UNANSWERED = (what: string): string =>
  `memory did not answer "${what}" within 2 ms. Is the server up, and are hosts and firewall right?`;

describe('a lease', () => {
  it(
    'is one for all who ask for it before it is granted, and while it lasts',
    marbles((m) => {
      const server = openServer(m, 1);
      const client = server.client({ ttl: 24, safetyMargin: 4 });
      const grants$ = server.requests$.pipe(filter((request) => request === 'g'));
      m.expect(grants$, '^-----------------!').toBeObservable('-g');
      m.expect(letters(client.mutex('k').lock$()), '^-------!').toBeObservable('----h');
      m.expect(letters(client.mutex('l').lock$()), '-^------!').toBeObservable('----h');
      m.expect(letters(client.mutex('m').lock$()), '-----^--!').toBeObservable('-------h');
      m.expect(letters(client.mutex('n').lock$()), '----------^------!').toBeObservable('------------h');
    }),
  );

  it(
    'lasts as long as anybody uses it, whoever left before',
    marbles((m) => {
      const server = openServer(m);
      const client = server.client(TIMES);
      const used$ = server.requests$.pipe(filter((request) => 'gx'.includes(request)));
      m.expect(used$, '^ 60ms !').toBeObservable('g 51ms x');
      m.expect(letters(client.mutex('k').lock$()), '^-!').toBeObservable('h');
      m.expect(letters(client.mutex('l').lock$()), '-^ 38ms !').toBeObservable('-h');
      m.expect(events(client.events$, { lost: 'L' }), '^ 60ms !').toBeObservable('-');
    }),
  );

  it(
    'is not ended by an earlier lingering when somebody has left twice: a waiter whose claim went, in its pause',
    marbles((m) => {
      const memory = memoryBackend({ scheduler: m.scheduler });
      const long = { ttl: 120, safetyMargin: 20, scheduler: m.scheduler, random: () => 0 };
      const [a, b] = [createLocks(memory, long), createLocks(memory, { ...long, owner: 'b' })];
      m.expect(letters(a.mutex('k').lock$()), '^-----!').toBeObservable('h');
      // Its claim is deleted at 3; it leaves at 4, before it would queue again at 5.
      m.expect(letters(b.mutex('k').lock$()), '-^--!').toBeObservable('-w');
      let waiting: QueuedClaim | undefined;
      atFrame(m, 2, () =>
        memory
          .queue('k', 0)
          .subscribe(({ claims }) => ([, waiting] = claims))
          .unsubscribe(),
      );
      atFrame(m, 3, () => {
        const [id = '', claim = ''] = waiting?.id.split('-') ?? [];
        const lease = { id, ttl: 0, owner: '', key: undefined };
        const left = { key: 'k', lease, id: claim, kind: 'mutex' as const, since: new Date(0), meta: undefined };
        memory.dequeue([left], waiting && [waiting], 0).subscribe();
      });
      m.expect(events(b.events$, { requeued: 'R' }), '^-----!').toBeObservable('---R');
      m.expect(letters(b.mutex('l').lock$()), '------^ 300ms !').toBeObservable('------h');
    }),
  );

  it(
    'that is renewed for another ttl is good for that',
    marbles((m) => {
      const { locks } = clientOf(m, (memory) => ({
        renew: (lease) => memory.renew(lease, 0).pipe(map((answer) => ({ ...answer, ttl: 8 }))),
      }));
      const until$ = locks.events$.pipe(
        filter((event) => event.type === 'renewed'),
        map(({ validUntil }) => String(validUntil)),
      );
      m.expect(until$, '^---------!').toBeObservable('----a---b', { a: '10', b: '14' });
      m.expect(letters(locks.mutex('k').lock$()), '^---------!').toBeObservable('h');
    }),
  );

  it(
    'tells what its user should know: notes of the backend, options that did not fit what was granted',
    marbles((m) => {
      const { locks, of } = clientOf(m, (memory) => ({
        notes: ['mind the gap'],
        grant: (lease) => memory.grant(lease, 0).pipe(map(() => ({ ttl: 3 }))),
      }));
      m.expect(letters(locks.mutex('k').lock$()), '^!').toBeObservable('h');
      m.flush();
      expect(of('note')).toMatchObject([
        { message: 'mind the gap' },
        { message: 'safetyMargin 2 ms does not fit the granted ttl of 3 ms: 1.5 ms is used' },
        { message: 'renewEvery 4 ms does not fit the granted ttl of 3 ms: 1.125 ms is used' },
      ]);
    }),
  );
});

describe('a lease whose renewals fail', () => {
  it(
    'says why, in each event and in the loss',
    marbles((m) => {
      const { locks, of } = clientOf(m, () => ({ renew: silent }));
      let loss: unknown;
      locks
        .mutex('k')
        .lock$()
        .subscribe({ error: (error: unknown) => (loss = error) });
      m.flush();
      expect(of('renewal-failed').map(({ at }) => at)).toEqual([6, 9]);
      expect(of('renewal-failed')).toMatchObject([
        { remaining: 4, cause: { message: UNANSWERED('renew'), retryable: true } },
        { remaining: 1 },
      ]);
      expect(loss).toBeInstanceOf(LockLostError);
      expect(loss).toMatchObject({ cause: { message: UNANSWERED('renew') } });
    }),
  );

  it(
    'is asked for again even when it is refused for good: the next time it may not be',
    marbles((m) => {
      const refused = new BackendError('refused', { retryable: false });
      let times = 0;
      const { locks, of } = clientOf(m, (memory) => ({
        renew: (lease) => ((times += 1) < 3 ? throwError(() => refused) : memory.renew(lease, 0)),
      }));
      m.expect(letters(locks.mutex('k').lock$()), '^---------!').toBeObservable('h');
      m.flush();
      expect(of('renewal-failed').map(({ at }) => at)).toEqual([4, 5]);
      expect(of('renewed').map(({ at }) => at)[0]).toBe(6);
    }),
  );

  it.each<[string, RenewResult]>([
    ['that it is renewed', { status: 'renewed', ttl: 30_000 }],
    ['that it has gone', { status: 'gone', reason: 'session' }],
  ])('has expired at the instant of its deadline, though the answer of that same instant says %s', (_, answer) => {
    marbles((m) => {
      const options = { ttl: 30_000, safetyMargin: 3_000, renewEvery: 10_000 };
      const deadline = 27_000;
      // The attempts before the last end unanswered. The last is sent long before, so its answer is due before the
      // timer of the deadline, which is set anew each second.
      const renew = () =>
        defer(() => {
          const left = deadline - m.scheduler.now();
          return left > 5_000 ? NEVER : timer(left, m.scheduler).pipe(map(() => answer));
        });
      const { locks, of } = clientOf(m, () => ({ renew }), options);
      m.expect(letters(locks.mutex('k').lock$())).toBeObservable('h 26999ms #', undefined, LOST);
      m.flush();
      expect(of('renewed')).toEqual([]);
    })();
  });

  it(
    'is not asked for any more by who was closed in the event of the failure',
    marbles((m) => {
      let renewals = 0;
      const { locks } = clientOf(m, () => ({ renew: () => defer(() => ((renewals += 1), NEVER)) }));
      locks.events$.pipe(filter(({ type }) => type === 'renewal-failed')).subscribe(() => void locks.close());
      m.expect(letters(locks.mutex('k').lock$())).toBeObservable('h-----#', undefined, 'LOCKS_CLOSED');
      m.flush();
      expect(renewals).toBe(1);
    }),
  );
});

describe('a lease that cannot be had', () => {
  it(
    'is asked for five times, then the contender is told what was asked and how long',
    marbles((m) => {
      const { locks } = clientOf(m, () => ({ grant: silent }));
      let told: unknown;
      locks
        .mutex('k')
        .lock$()
        .subscribe({ error: (error: unknown) => (told = error) });
      m.flush();
      expect(told).toMatchObject({ code: 'BACKEND', message: UNANSWERED('grant'), retryable: true });
    }),
  );

  it(
    'because of an error that is none of ours is asked for again, and that error is the cause',
    marbles((m) => {
      const odd = new Error('odd');
      let grants = 0;
      const { locks } = clientOf(m, () => ({ grant: () => defer(() => ((grants += 1), throwError(() => odd))) }));
      let told: unknown;
      locks
        .mutex('k')
        .lock$()
        .subscribe({ error: (error: unknown) => (told = error) });
      m.flush();
      expect(grants).toBe(5);
      const message = 'memory failed at "grant": Error: odd';
      expect(told).toMatchObject({ code: 'BACKEND', message, retryable: true, cause: odd });
    }),
  );

  it(
    'is not asked for any more by who left in the pause',
    marbles((m) => {
      let grants = 0;
      const lost = new BackendError('lost', { retryable: true });
      const { locks } = clientOf(m, () => ({ grant: () => defer(() => ((grants += 1), throwError(() => lost))) }), {
        ttl: 120,
      });
      m.expect(letters(locks.mutex('k').lock$()), '^!').toBeObservable('-');
      atFrame(m, 1, () => void locks.close());
      m.flush();
      expect(grants).toBe(1);
    }),
  );

  it(
    'is left alone when it is there, also by an answer that does not complete',
    marbles((m) => {
      let grants = 0;
      let open = 0;
      const lost = new BackendError('lost', { retryable: true });
      const { locks } = clientOf(m, (memory) => ({
        grant: (lease: Lease) =>
          new Observable((subscriber) => {
            grants += 1;
            if (grants === 1) return subscriber.error(lost);
            open += 1;
            memory.grant(lease, 0).subscribe((answer) => subscriber.next(answer));
            return () => (open -= 1);
          }),
      }));
      m.expect(letters(locks.mutex('k').lock$()), '^--!').toBeObservable('-h');
      m.flush();
      expect([grants, open]).toEqual([2, 0]);
    }),
  );
});

describe('a lease that has ended', () => {
  it(
    'is revoked after all that was done under it has been stopped: nobody else holds before',
    marbles((m) => {
      const memory = memoryBackend({ scheduler: m.scheduler });
      const options = { ...TIMES, scheduler: m.scheduler, random: () => 0 };
      const a = createLocks({ ...memory, renew: silent }, options);
      const b = createLocks(memory, options);
      const order: string[] = [];
      const body$ = NEVER.pipe(tap({ unsubscribe: () => order.push(`stopped at ${String(m.scheduler.now())}`) }));
      body$.pipe(withLock(a.mutex('k'))).subscribe({ error: () => order.push('lost') });
      const next$ = b
        .mutex('k')
        .lock$()
        .pipe(
          filter(({ status }) => status === 'held'),
          take(1),
        );
      atFrame(m, 1, () => next$.subscribe(() => order.push(`held by the next at ${String(m.scheduler.now())}`)));
      m.flush();
      expect(order).toEqual(['stopped at 10', 'lost', 'held by the next at 10']);
    }),
  );
});

describe('a lease that has gone from the server', () => {
  const goneAt = (m: Marbles, frame: number) => {
    const requests: string[] = [];
    const made = clientOf(m, (memory) => ({
      grant: (lease: Lease) => {
        requests.push('g');
        if (requests.length === 1) atFrame(m, frame, () => void memory.revoke(lease, 0).subscribe());
        return memory.grant(lease, 0);
      },
      dequeue: (...asked) => (requests.push('l'), memory.dequeue(...asked)),
      revoke: (lease: Lease) => (requests.push('x'), memory.revoke(lease, 0)),
    }));
    return { ...made, requests };
  };

  it(
    'while nobody used it is found out by who enters: it takes another, and queues again',
    marbles((m) => {
      const { locks, of, requests } = goneAt(m, 2);
      m.expect(letters(locks.mutex('k').lock$()), '^!').toBeObservable('h');
      m.expect(letters(locks.mutex('k').lock$()), '---^-----!').toBeObservable('----h');
      m.flush();
      expect(of('requeued')).toMatchObject([
        { at: 3, key: 'k', cause: { name: 'ClaimLost', message: 'the claim in the queue is lost: session' } },
      ]);
      expect(requests.join('')).toBe('glxglx');
    }),
  );

  it(
    'needs no claim to be withdrawn from it',
    marbles((m) => {
      const { locks, requests } = goneAt(m, 3);
      m.expect(letters(locks.mutex('k').lock$()), '^---------!').toBeObservable(
        'h---#',
        undefined,
        'LOCK_LOST session',
      );
      m.flush();
      expect(requests.join('')).toBe('gx');
    }),
  );
});

describe('a revoke', () => {
  const released = (m: Marbles, change: () => Partial<QueueBackend>) => {
    const { locks, of } = clientOf(m, change);
    m.expect(letters(locks.mutex('k').lock$()), '^-!').toBeObservable('h');
    m.flush();
    return of('release-failed');
  };

  it(
    'is asked for until two ttl have gone: then the lease has run out, though its last renewal just arrived',
    marbles((m) => {
      let times = 0;
      const failed = released(m, () => ({ revoke: () => defer(() => ((times += 1), NEVER)) }));
      // Released at 2, it lingers until 14. An attempt is 2 and a pause 1; the one that fails at or after 38 is the last.
      expect(failed).toMatchObject([{ at: 40, what: UNANSWERED('revoke'), cause: { code: 'BACKEND' } }]);
      expect(times).toBe(9);
    }),
  );

  it(
    'that is refused for good is not asked for again',
    marbles((m) => {
      const refused = new BackendError('refused', { retryable: false });
      const failed = released(m, () => ({ revoke: () => throwError(() => refused) }));
      expect(failed).toMatchObject([{ at: 14, what: 'refused', cause: refused }]);
    }),
  );
});

describe('an entry', () => {
  it(
    'is told by its key when nobody answers it, and so is its leaving',
    marbles((m) => {
      const { locks, of } = clientOf(m, () => ({ enqueue: silent, dequeue: silent }));
      let told: unknown;
      locks
        .mutex('jobs/7')
        .lock$()
        .subscribe({ error: (error: unknown) => (told = error) });
      m.flush();
      expect(told).toMatchObject({ code: 'BACKEND', message: UNANSWERED('queue for jobs/7') });
      expect(of('release-failed')).toMatchObject([{ what: UNANSWERED('release jobs/7') }]);
    }),
  );

  it(
    'goes through a gate: more than 256 at a time would not be answered sooner',
    marbles((m) => {
      const server = openServer(m, 1);
      const client = server.client({ ttl: 240 });
      const arrived = new Map<number, number>();
      server.requests$.pipe(filter((request) => request === 'e')).subscribe(() => {
        arrived.set(m.scheduler.now(), (arrived.get(m.scheduler.now()) ?? 0) + 1);
      });
      const all = Array.from({ length: 300 }, (_, n) => client.mutex(String(n)).lock$().subscribe());
      atFrame(m, 8, () => all.forEach((one) => one.unsubscribe()));
      m.flush();
      expect([...arrived]).toEqual([
        [3, 256],
        [5, 44],
      ]);
    }),
  );
});
