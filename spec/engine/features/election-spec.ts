import { sleepProofClock } from '../../../src/time/clock.js';
import { describe, expect, it } from '@jest/globals';
import Etcd from 'node-etcd';
import {
  NEVER,
  Subject,
  firstValueFrom,
  lastValueFrom,
  map,
  mergeMap,
  of,
  switchMap,
  take,
  tap,
  throwError,
} from 'rxjs';
import type { Observable } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { nodeEtcdBackend } from '../../../src/backends/node-etcd/index.js';
import {
  BackendError,
  InvalidOptionError,
  LockLostError,
  LockNotOwnedError,
  createLocks,
  whileLeader,
} from '../../../src/index.js';
import type { HeldLock, Leader, Lock, QueueBackend } from '../../../src/index.js';
import { SLOW, TIMES, atFrame, codes, events, letters, openServer, serverOf } from '../../support/marbles.js';
import { failureOf } from '../../support/waiting.js';

const refused = new BackendError('refused', { retryable: false });

/** The value of the leader, `f` where there is none, `u` where nobody knows. */
const values = (leader$: Observable<Leader>): Observable<string> =>
  leader$.pipe(map((leader) => (leader.status === 'led' ? leader.value : leader.status.slice(0, 1))));

/** How many queue behind the leader. */
const waiting = (candidate: Lock): Observable<string> =>
  candidate.ownership$().pipe(map((now) => (now.status === 'held' ? String(now.waiting) : now.status.slice(0, 1))));

const led = (campaign$: Observable<HeldLock>): Observable<string> =>
  campaign$.pipe(
    map(() => 'h'),
    codes(),
  );

describe('election', () => {
  it(
    'one leads, the others queue behind it; who watches sees the value of the leader',
    marbles((m) => {
      const server = serverOf(m);
      const campaign$ = (value: string) => led(server.client(TIMES).election('e').campaign$(value));
      const { leader$ } = server.client(TIMES).election('e');
      m.expect(campaign$('A'), '                           --^----!').toBeObservable('       --h-----');
      m.expect(campaign$('B'), '                           ---^-------!').toBeObservable('   -------h---');
      m.expect(campaign$('C'), '                           ----^----------!').toBeObservable(' -----------h---');
      m.expect(values(leader$), '                          ^----------------!').toBeObservable('f-A----B---C---f-');
    }),
  );

  it(
    'tells a leader once, however many candidates come and go behind it; how many queue is told by a candidate',
    marbles((m) => {
      const server = serverOf(m);
      const campaign$ = (value: string) => led(server.client(TIMES).election('e').campaign$(value));
      const election = server.client(TIMES).election('e');
      m.expect(campaign$('A'), '         --^-------!').toBeObservable('  --h-------');
      m.expect(campaign$('B'), '         ----^--!').toBeObservable('     --------');
      m.expect(values(election.leader$), '^---------!').toBeObservable('  f-A-------f');
      m.expect(waiting(election.candidate('C')), '^---------!').toBeObservable('f-0-1--0--f');
    }),
  );

  it(
    'a proclaimed value is seen at once, and costs no leadership',
    marbles((m) => {
      const server = serverOf(m);
      const election = server.client(TIMES).election('e');
      const { leader$ } = server.client(TIMES).election('e');
      m.expect(led(election.campaign$('A')), '^---- 95ms !').toBeObservable('         h---- 95ms -');
      m.expect(values(leader$), '             ^---- 95ms !').toBeObservable('         A-B-C 95ms f');
      atFrame(m, 2, () => void election.proclaim('B'));
      atFrame(m, 4, () => void election.proclaim('C'));
    }),
  );

  it(
    'is led on where the answer to a proclamation got lost, and where the request did',
    marbles((m) => {
      const server = serverOf(m);
      const client = server.client(TIMES);
      const election = client.election('e');
      const { leader$ } = server.client(TIMES).election('e');
      m.expect(led(election.campaign$('A')), '^----- 199ms !').toBeObservable('h----- 199ms -');
      // Asked again after 2 frames without an answer, and a back-off of 1.
      m.expect(values(leader$), '             ^----- 199ms !').toBeObservable('A-B---- 198ms f', {
        A: 'A',
        B: 'B',
        f: 'f',
      });
      atFrame(m, 2, () => {
        client.network.dropNextReply();
        void election.proclaim('B');
      });
    }),
  );

  it(
    'proclamations are written one after another, also where an answer got lost',
    marbles((m) => {
      const server = serverOf(m);
      const client = server.client(TIMES);
      const election = client.election('e');
      const { leader$ } = server.client(TIMES).election('e');
      m.expect(led(election.campaign$('A')), '^---------!').toBeObservable('h----------');
      m.expect(values(leader$), '             ^---------!').toBeObservable('A-B--C----f');
      atFrame(m, 2, () => {
        client.network.dropNextReply();
        void election.proclaim('B');
        void election.proclaim('C');
      });
    }),
  );

  it(
    'a proclamation that is on its way when another client comes is ours still',
    marbles((m) => {
      const server = serverOf(m, { latency: 1 });
      const election = server.client(SLOW).election('e');
      m.expect(led(election.campaign$('A')), '^------------------- 100ms !').toBeObservable(
        '----h--------------- 100ms -',
      );
      // Follows the queue, so that the event of the proclamation comes before its answer, then others.
      m.expect(values(election.leader$), '    ------^------------- 100ms !').toBeObservable(
        '--------A-B-------- 101ms -',
      );
      atFrame(m, 8, () => void election.proclaim('B'));
      m.expect(led(server.client(SLOW).election('e').campaign$('X')), '---------^---!').toBeObservable('---------');
    }),
  );

  it.each([
    ['another value', 'mine now', 'LOCK_LOST overwritten'],
    ['the value it had', 'A', 'LOCK_LOST overwritten'],
  ])('is lost when somebody else writes over it, be it %s', (_, value, code) => {
    marbles((m) => {
      const memory = memoryBackend({ scheduler: m.scheduler });
      const client = createLocks(memory, { ...TIMES, random: () => 0, scheduler: m.scheduler });
      const election = client.election('e');
      const result$ = election.campaign$('A').pipe(
        map(() => 'h'),
        codes(),
      );
      m.expect(result$).toBeObservable('h----- 64ms #', undefined, code);
      m.expect(values(election.leader$), '^----- 64ms !').toBeObservable('A');
      atFrame(m, 70, () => {
        memory
          .queue('e', 0)
          .pipe(
            take(1),
            mergeMap(({ claims: [first] }) => {
              if (!first || !memory.proclaim) throw new Error('nobody leads');
              const [id = '', claim = ''] = first.id.split('-');
              const lease = { id, ttl: 0, owner: '', key: undefined };
              const theirs = {
                key: 'e',
                kind: 'mutex',
                lease,
                id: claim,
                since: new Date(0),
                meta: undefined,
              } as const;
              return memory.proclaim(theirs, first, value, 0);
            }),
          )
          .subscribe();
      });
    })();
  });

  it(
    'a lost candidate campaigns again under whileLeader, with the value it had first',
    marbles((m) => {
      const server = serverOf(m);
      const election = server.client(TIMES).election('e');
      const { leader$ } = server.client(TIMES).election('e');
      const { scheduler } = m;
      const result$ = whileLeader(election.candidate('A'), () => m.cold('x'), { scheduler });
      m.expect(result$, '        ^---- 55ms !').toBeObservable('x---- 50ms x');
      m.expect(values(leader$), '^---- 60ms !').toBeObservable('A-B--f 49ms A----f-', { A: 'A', B: 'B', f: 'f' });
      atFrame(m, 2, () => void election.proclaim('B'));
      atFrame(m, 5, () => server.expire('e'));
    }),
  );

  it(
    'excludes the mutex of its name, whose holder is a leader without a value',
    marbles((m) => {
      const server = serverOf(m);
      const { leader$ } = server.client(TIMES).election('e');
      m.expect(letters(server.client(TIMES).mutex('e').lock$()), '^---!').toBeObservable('h----');
      m.expect(led(server.client(TIMES).election('e').campaign$('A')), '-^------!').toBeObservable('----h---');
      m.expect(values(leader$), '^--------!').toBeObservable('n---A---f', { n: '', A: 'A', f: 'f' });
    }),
  );

  it(
    'costs the requests of a lock',
    marbles((m) => {
      const server = openServer(m);
      const election = server.client(TIMES).election('e');
      m.expect(server.requests$, '            ^----!').toBeObservable('-(ge)');
      m.expect(led(election.campaign$('A')), '-^---!').toBeObservable('-h---');
    }),
  );
});

describe('a campaign', () => {
  it(
    'emits the lock that is held, which is given back as any other',
    marbles((m) => {
      const client = serverOf(m).client(TIMES);
      const releasing$ = client
        .election('e')
        .campaign$('A')
        .pipe(
          tap((held) => void m.scheduler.schedule(() => void held.release(), 3)),
          map(({ fencingToken }) => String(fencingToken)),
        );
      m.expect(events(client.events$, { acquired: 'a', released: 'x' }), '^-----!').toBeObservable('a--x--');
      m.expect(releasing$).toBeObservable('2--|');
    }),
  );

  it(
    'that is left has released',
    marbles((m) => {
      const client = serverOf(m).client(TIMES);
      m.expect(led(client.election('e').campaign$('A')), '       ^--!').toBeObservable('h---');
      m.expect(events(client.events$, { released: 'x' }), '^-----!').toBeObservable('---x--');
    }),
  );

  it(
    'fails where the server refuses it',
    marbles((m) => {
      const { scheduler } = m;
      const enter = () => throwError(() => refused);
      const election = createLocks(
        { ...memoryBackend({ scheduler }), enqueue: enter },
        { ...TIMES, scheduler },
      ).election('e');
      m.expect(election.campaign$('A')).toBeObservable('#', undefined, refused);
    }),
  );

  it(
    'that is tried once asks who is there, also where that is followed',
    marbles((m) => {
      const { scheduler } = m;
      const looks: string[] = [];
      const memory = memoryBackend({ scheduler });
      const enter: typeof memory.enqueue = (claim, within, look) => {
        looks.push(look);
        return memory.enqueue(claim, within, look);
      };
      const locks = createLocks({ ...memory, enqueue: enter }, { ...TIMES, scheduler });
      const election = locks.election('e');
      m.expect(values(election.leader$), '        ^---------!').toBeObservable('f-A--fA--f');
      m.expect(led(election.campaign$('A')), '    --^--!').toBeObservable('--h---');
      m.expect(led(election.campaign$('A', { wait: 0 })), '------^--!').toBeObservable('------h---');
      m.flush();
      expect(looks).toEqual(['plain', 'try']);
    }),
  );
});

describe('who watches an election', () => {
  it(
    'is told when nobody knows, and why',
    marbles((m) => {
      const { scheduler } = m;
      const cause = new BackendError('no idea', { retryable: true });
      const queue = () => throwError(() => cause);
      const locks = createLocks({ ...memoryBackend({ scheduler }), queue }, { ...TIMES, scheduler });
      const told$ = locks.election('e').leader$.pipe(take(1));
      m.expect(told$).toBeObservable('(u|)', { u: { status: 'unknown', key: 'e', cause } });
    }),
  );
});

describe('proclaim', () => {
  const doctored = (change: (memory: QueueBackend) => Partial<QueueBackend>) => {
    const memory = memoryBackend();
    return createLocks({ ...memory, ...change(memory) }, { ttl: 60, safetyMargin: 10, clock: sleepProofClock() });
  };

  it('rejects with what the server said, as long as its candidate leads', async () => {
    const election = doctored(() => ({ proclaim: () => throwError(() => refused) })).election('e');
    const leading = election.campaign$('A').subscribe();
    await expect(election.proclaim('B')).rejects.toBe(refused);
    leading.unsubscribe();
  });

  it('rejects as not leading once the lease has run out unanswered, and says what was the matter', async () => {
    const election = doctored(() => ({ proclaim: () => NEVER, renew: () => NEVER })).election('e');
    const lost = lastValueFrom(election.campaign$('A')).catch((error: unknown) => error);
    await expect(election.proclaim('B')).rejects.toMatchObject({
      code: 'LOCK_NOT_OWNED',
      cause: { code: 'BACKEND', message: expect.stringContaining('did not answer "proclaim at e" within 10 ms') },
    });
    expect(await lost).toBeInstanceOf(LockLostError);
  });

  it('writes at the key of its election, where its candidate is held together with other locks', async () => {
    const client = locks();
    const election = client.election('e');
    const seen: string[] = [];
    const looking = values(election.leader$).subscribe((value) => seen.push(value));
    const states: string[] = [];
    const both = client.all(client.mutex('before'), election.candidate('A')).lock$();
    const holding = letters(both).subscribe((state) => states.push(state));
    const looking2 = client.mutex('before').ownership$().subscribe();
    await election.proclaim('B');
    await election.proclaim('C');
    expect(seen).toEqual(['f', 'A', 'B', 'C']);
    expect(states).toEqual(['h']);
    for (const one of [holding, looking, looking2]) one.unsubscribe();
    await client.close();
  });

  it('rejects where its candidate is found to be gone, which is lost by that', async () => {
    const election = doctored(() => ({ proclaim: () => of({ claim: undefined, revision: 9n }) })).election('e');
    const lost = failureOf(lastValueFrom(election.campaign$('A')));
    await expect(election.proclaim('B')).rejects.toMatchObject({
      code: 'LOCK_NOT_OWNED',
      message: 'No candidate of this election object leads "e", so it cannot proclaim: campaign first.',
    });
    expect(await lost).toMatchObject({ code: 'LOCK_LOST', reason: 'deleted' });
  });

  it('writes again where the server has the value before it, which was written though it was said to have failed', async () => {
    const full = new BackendError('full', { retryable: false, outcome: 'unknown' });
    const asked: string[] = [];
    const election = doctored((memory) => ({
      proclaim: (claim, mine, value, timeout) => {
        asked.push(value);
        const written$ = memory.proclaim?.(claim, mine, value, timeout) ?? NEVER;
        return asked.length === 1 ? written$.pipe(switchMap(() => throwError(() => full))) : written$;
      },
    })).election('e');
    const leading = election.campaign$('A').subscribe();
    await expect(election.proclaim('B')).rejects.toBe(full);
    expect(await firstValueFrom(election.leader$)).toMatchObject({ value: 'B' });
    await election.proclaim('C');
    expect(await firstValueFrom(election.leader$)).toMatchObject({ value: 'C' });
    expect(asked).toEqual(['B', 'C', 'C']);
    leading.unsubscribe();
  });

  it('is not kept from it by a candidate that gives up waiting', async () => {
    const election = locks().election('e');
    const leading = election.campaign$('A').subscribe();
    election.campaign$('B').subscribe().unsubscribe();
    await expect(election.proclaim('C')).resolves.toBeUndefined();
    leading.unsubscribe();
  });

  const locks = () => createLocks(memoryBackend());

  it('resolves when it is written, with what was said last there to be seen', async () => {
    const election = locks().election('e');
    const leading = election.campaign$('A').subscribe();
    await Promise.all([election.proclaim('B'), election.proclaim('C')]);
    expect(await firstValueFrom(election.leader$)).toMatchObject({ status: 'led', value: 'C' });
    leading.unsubscribe();
  });

  it('rejects before the campaign, while another one leads, and after', async () => {
    const client = locks();
    const [ours, theirs] = [client.election('e'), client.election('e')];
    await expect(ours.proclaim('A')).rejects.toThrow(LockNotOwnedError);
    const leading = theirs.campaign$('B').subscribe();
    const queued = ours.campaign$('A').subscribe();
    await expect(ours.proclaim('A')).rejects.toThrow('No candidate of this election object leads "e"');
    leading.unsubscribe();
    await expect(theirs.proclaim('A')).rejects.toThrow(LockNotOwnedError);
    await expect(ours.proclaim('A')).resolves.toBeUndefined();
    queued.unsubscribe();
    await client.close();
  });

  it('is of the object whose candidate leads, where two objects propose the same', async () => {
    // The claim that was asked for first comes in last: what comes first goes to the older candidate all the same.
    const memory = memoryBackend();
    const late = new Subject<void>();
    let isFirst = true;
    const enqueue: typeof memory.enqueue = (...args) => {
      const wait$ = isFirst ? late.pipe(take(1)) : of(undefined);
      isFirst = false;
      return wait$.pipe(mergeMap(() => memory.enqueue(...args)));
    };
    const client = createLocks({ ...memory, enqueue });
    const [older, younger] = [client.election('e'), client.election('e')];
    const led: string[] = [];
    const leading = older.campaign$('A').subscribe(() => led.push('older'));
    const queued = younger.campaign$('A').subscribe(() => led.push('younger'));
    late.next();
    expect(led).toEqual(['older']);
    await expect(older.proclaim('B')).resolves.toBeUndefined();
    await expect(younger.proclaim('C')).rejects.toThrow(LockNotOwnedError);
    expect(await firstValueFrom(older.leader$)).toMatchObject({ value: 'B' });
    leading.unsubscribe();
    expect(led).toEqual(['older', 'younger']);
    await expect(older.proclaim('D')).rejects.toThrow(LockNotOwnedError);
    await expect(younger.proclaim('E')).resolves.toBeUndefined();
    queued.unsubscribe();
    await client.close();
  });

  it('one that is refused keeps nobody behind it from being heard', async () => {
    const election = locks().election('e');
    const early = election.proclaim('A');
    const leading = election.campaign$('B').subscribe();
    await expect(early).rejects.toThrow(LockNotOwnedError);
    await expect(election.proclaim('C')).resolves.toBeUndefined();
    leading.unsubscribe();
  });

  it('its leader can be compared, and written as JSON', async () => {
    const election = locks().election('e');
    const leading = election.campaign$('A').subscribe();
    const leader = await firstValueFrom(election.leader$);
    expect(leader).toStrictEqual({ status: 'led', key: 'e', value: 'A', fencingToken: 2n });
    expect(JSON.parse(JSON.stringify(leader))).toEqual({ status: 'led', key: 'e', value: 'A', fencingToken: '2' });
    leading.unsubscribe();
  });
});

describe('what no election takes', () => {
  const election = createLocks(memoryBackend()).election('e');

  it.each([
    ['half of a surrogate pair', '\ud800', /^value is ".*": it is not well-formed/],
    [
      'more than an observer should have to read',
      'x'.repeat(64 * 1024 + 1),
      'value is "…": more than 65536 bytes. Store large data elsewhere.',
    ],
    ['no text', 7, 'value is 7: give the text to be published, such as an address.'],
  ])('a value that is %s', async (_, value, message) => {
    const given = (verb: 'campaign$' | 'candidate' | 'proclaim') => (): unknown =>
      Reflect.apply(election[verb], election, [value]);
    expect(given('campaign$')).toThrow(InvalidOptionError);
    expect(given('candidate')).toThrow(message);
    // A promise form never throws.
    await expect(given('proclaim')()).rejects.toThrow(message);
  });

  it('is not a value just as long as it may be', () => {
    expect(() => election.candidate('x'.repeat(64 * 1024))).not.toThrow();
  });

  it('a server with one place and no room for a value', () => {
    const v2 = createLocks(nodeEtcdBackend(new Etcd('http://127.0.0.1:9')));
    expect(() => v2.election('e')).toThrow(InvalidOptionError);
    expect(() => v2.election('e')).toThrow('use whileLeader() over a mutex(), or etcd v3');
    const { proclaim, ...mute } = memoryBackend();
    expect(proclaim).toBeDefined();
    expect(() => createLocks(mute).election('e')).toThrow('keeps no values');
  });

  it('a value to which its server objects', () => {
    const objection = ({ value }: { value?: string | undefined }) => (value === 'bad' ? 'it is bad.' : undefined);
    const picky = createLocks({ ...memoryBackend(), objection }).election('e');
    expect(() => picky.candidate('good')).not.toThrow();
    expect(() => picky.candidate('bad')).toThrow(InvalidOptionError);
    expect(() => picky.candidate('bad')).toThrow('value is "bad": it is bad.');
  });

  it('a name at which its server takes no value, not even the empty one', () => {
    const picky = (taken: (value: string) => boolean) =>
      createLocks({
        ...memoryBackend(),
        objection: ({ value }) => (value === undefined || taken(value) ? undefined : 'it takes no value.'),
      });
    expect(() => picky(() => false).election('e')).toThrow('name is "e": it takes no value.');
    expect(() => picky((value) => value === '').election('e')).not.toThrow();
  });

  it('an empty name', () => {
    expect(() => createLocks(memoryBackend()).election('')).toThrow(InvalidOptionError);
  });
});
