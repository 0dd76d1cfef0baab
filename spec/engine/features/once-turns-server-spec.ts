/**
 * Many in one `Locks` who want the turn of one key: what they ask of the server and leave on it, and when they do.
 */
import { describe, expect, it } from '@jest/globals';
import {
  EMPTY,
  catchError,
  concat,
  config,
  defer,
  distinctUntilChanged,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  of,
  take,
  throwError,
  timer,
} from 'rxjs';
import type { Observable } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import type { MarkerView } from '../../../src/backend/port.js';
import { BackendError } from '../../../src/index.js';
import type { EnqueueResult, Locks, QueueBackend } from '../../../src/index.js';
import { onePlace } from '../../support/one-place.js';
import { TIMES, atFrame, openServer, seen } from '../../support/marbles.js';
import { onceOf, turn$ } from '../../support/turns.js';
import type { OpenServer } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

/** Holds the key, as another process that knows nothing of turns does. */
const held$ = (locks: Locks): Observable<never> => onceOf(locks).lock.lock$().pipe(ignoreElements());

/** A server that does this with each read of a marker, the first one being 1. */
const reading =
  (answer: (read: number, view$: Observable<MarkerView>) => Observable<MarkerView>) =>
  (memory: QueueBackend): QueueBackend => {
    const { markers } = memory;
    if (!markers) return memory;
    let reads = 0;
    const read: typeof markers.read = (...args) => defer(() => answer((reads += 1), markers.read(...args)));
    return { ...memory, markers: { ...markers, read } };
  };

/** A server that does this with each claim that is sent, the first one being 1. */
const queueing =
  (answer: (sent: number, result$: Observable<EnqueueResult>) => Observable<EnqueueResult>) =>
  (memory: QueueBackend): QueueBackend => {
    let sent = 0;
    return { ...memory, enqueue: (...args) => defer(() => answer((sent += 1), memory.enqueue(...args))) };
  };

/** The requests of the given letters, from now on. */
const sent = (server: OpenServer, letters: string): string[] => {
  const requests: string[] = [];
  server.requests$.subscribe((letter) => {
    if (letters.includes(letter)) requests.push(letter);
  });
  return requests;
};

/** Only when it is our turn. */
const runs$ = (told$: Observable<string>): Observable<string> => told$.pipe(filter((what) => what === 'h'));

/** A server whose second claim somebody may delete. */
const deletable = (m: Marbles) => {
  const memories: QueueBackend[] = [];
  const server = openServer(m, 0, (memory) => (memories.push(memory), memory));
  const deleteSecond = (): void => {
    const [memory] = memories;
    const deleted$ = memory?.queue('k', 0).pipe(
      take(1),
      mergeMap(({ claims: [, second] }) => {
        const [id = '', claim = ''] = second?.id.split('-') ?? [];
        const lease = { id, ttl: 0, owner: '', key: undefined };
        const out = { key: 'k', lease, id: claim, kind: 'mutex' as const, since: new Date(0), meta: undefined };
        return memory.dequeue([out], second && [second], 0);
      }),
    );
    deleted$?.subscribe();
  };
  return { server, deleteSecond };
};

const claimsAt = (m: Marbles, server: OpenServer, frame: number): Observable<string> =>
  timer(frame, m.scheduler).pipe(
    mergeMap(() => server.claims$('k')),
    map((claims) => String(claims)),
  );

describe('the turns of one Locks at its server', () => {
  it(
    'ask once, though one of them leaves and comes back in the same moment',
    marbles((m) => {
      const server = openServer(m);
      const [x, y, a] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      m.expect(held$(x), '^-!').toBeObservable('-');
      m.expect(held$(y), '-^-------!').toBeObservable('-');
      // At 2 it queues behind the second one; at 4 its wait is over, and it comes again.
      const again$ = turn$(a, { wait: 3 }).pipe(catchError(() => turn$(a)));
      m.expect(again$, '-^---------!').toBeObservable('-21-1----h');
      let asked: string[] = [];
      atFrame(m, 3, () => (asked = sent(server, 'e')));
      atFrame(m, 6, () => expect(asked).toEqual(['e']));
    }),
  );

  it(
    'queue at the tail when the one of them that held has lost its claim to somebody',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      m.expect(turn$(a)).toBeObservable('h--#', undefined, 'LOCK_LOST deleted');
      m.expect(held$(x), '-^-----!').toBeObservable('-');
      m.expect(turn$(a), '--^------!').toBeObservable('--21---h');
      atFrame(m, 3, () => server.deleteFirst('k'));
      m.expect(claimsAt(m, server, 5)).toBeObservable('-----(2|)');
    }),
  );

  it(
    'only try after the claim of the one that waited was lost: they have none while another process holds',
    marbles((m) => {
      const { server, deleteSecond } = deletable(m);
      const [x, y, a] = [server.client(TIMES), server.client(TIMES), server.client(TIMES)];
      m.expect(held$(x), '^-!').toBeObservable('-');
      m.expect(held$(y), '-^-------------!').toBeObservable('-');
      m.expect(runs$(turn$(a)), '-^------------------!').toBeObservable('---------------h');
      m.expect(runs$(turn$(a)), '-^------------------!').toBeObservable('-');
      atFrame(m, 5, deleteSecond);
      m.expect(claimsAt(m, server, 4)).toBeObservable('----(2|)');
      m.expect(claimsAt(m, server, 12)).toBeObservable('------------(1|)');
    }),
  );

  it(
    'that have heard nothing yet are not told of a lease that is gone: they ask with another one',
    marbles((m) => {
      const gone: EnqueueResult = { status: 'lease-gone' };
      const server = openServer(
        m,
        0,
        queueing((n, result$) => (n === 1 ? timer(1, m.scheduler).pipe(map(() => gone)) : result$)),
      );
      const a = server.client(TIMES);
      // The first one pauses after its loss.
      m.expect(runs$(turn$(a)), '^-------!').toBeObservable('-');
      m.expect(runs$(turn$(a)), '^-------!').toBeObservable('--h');
    }),
  );

  it(
    'queue where they were refused though nobody is there',
    marbles((m) => {
      const empty: EnqueueResult = { status: 'refused', queues: [{ key: 'k', revision: 1n, claims: [] }] };
      const server = openServer(
        m,
        0,
        queueing((n, result$) => (n === 1 ? of(empty) : result$)),
      );
      const a = server.client(TIMES);
      m.expect(turn$(a), '^---!').toBeObservable('h');
    }),
  );

  it(
    'are not asked by a try, which asks by itself and leaves them alone',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      m.expect(held$(x), '^------!').toBeObservable('-');
      m.expect(turn$(a), '-^------!').toBeObservable('-1-----h');
      let asked: string[] = [];
      atFrame(m, 2, () => (asked = sent(server, 'el')));
      m.expect(turn$(a, { wait: 0 }), '---^').toBeObservable('---#', undefined, 'ALREADY_LOCKED');
      atFrame(m, 4, () => expect(asked).toEqual(['e']));
    }),
  );

  it(
    'share one claim, also where one came and went while another gave back',
    marbles((m) => {
      const server = openServer(m);
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      const givenBack$ = onceOf(a)
        .turn$()
        .pipe(
          mergeMap((state) => {
            if (state.status === 'held') atFrame(m, 3, () => void state.held.release());
            return EMPTY;
          }),
        );
      m.expect(held$(x), '-^-----!').toBeObservable('-');
      const another$ = defer(() => {
        turn$(a).subscribe().unsubscribe();
        return turn$(a);
      });
      m.expect(runs$(concat(givenBack$, another$)), '^--------!').toBeObservable('-------h');
      m.expect(runs$(turn$(a)), '-----^------!').toBeObservable('---------h');
      m.expect(claimsAt(m, server, 8)).toBeObservable('--------(1|)');
    }),
  );

  it(
    'ask nothing once their Locks is closed',
    marbles((m) => {
      let reads = 0;
      const server = openServer(
        m,
        0,
        reading((_, view$) => ((reads += 1), view$)),
      );
      const a = server.client(TIMES);
      atFrame(m, 1, () => void a.close());
      m.expect(turn$(a), '--^').toBeObservable('--#', undefined, 'LOCKS_CLOSED');
      atFrame(m, 4, () => expect(reads).toBe(0));
    }),
  );

  it(
    'that may not ask whether it is done are told so, and leave nothing behind',
    marbles((m) => {
      const refused = new BackendError('no right to read', { retryable: false });
      const server = openServer(
        m,
        0,
        reading(() => throwError(() => refused)),
      );
      const a = server.client(TIMES);
      const requests = sent(server, 'el');
      m.expect(onceOf(a).turn$()).toBeObservable('#', undefined, refused);
      atFrame(m, 3, () => expect(requests).toEqual([]));
    }),
  );

  it(
    'are not run by an answer that comes after the lock was lost',
    marbles((m) => {
      // The first one is read before it contends, the second one while it holds.
      const server = openServer(
        m,
        0,
        reading((n, view$) => (n === 2 ? timer(1.5, m.scheduler).pipe(mergeMap(() => view$)) : view$)),
      );
      const a = server.client(TIMES);
      // So that the loss is noticed at once.
      m.expect(seen(onceOf(a).lock.ownership$()), '^-----!').toBeObservable('f-hfh');
      m.expect(turn$(a), '--^-------!').toBeObservable('----h');
      atFrame(m, 3, () => server.deleteFirst('k'));
    }),
  );

  it(
    'wait quietly where nobody can say whether it is done, and ask once they hold',
    marbles((m) => {
      const unhandled: unknown[] = [];
      const before = config.onUnhandledError;
      config.onUnhandledError = (error) => unhandled.push(error);
      // Not answered before it contends, refused while it waits, answered once it holds.
      const answers = [
        new BackendError('no answer', { retryable: true }),
        new BackendError('no', { retryable: false }),
      ];
      const server = openServer(
        m,
        0,
        reading((n, view$) => {
          const error = answers[n - 1];
          return error ? throwError(() => error) : view$;
        }),
      );
      const [x, a] = [server.client(TIMES), server.client(TIMES)];
      m.expect(held$(x), '^--!').toBeObservable('-');
      m.expect(turn$(a), '-^----!').toBeObservable('-1-h');
      m.flush();
      config.onUnhandledError = before;
      expect(unhandled).toEqual([]);
    }),
  );
});

describe('turns where a queue has one place', () => {
  it(
    'are taken one after another, each with a claim of its own',
    marbles((m) => {
      const withMarkers = ({ markers, ...memory }: QueueBackend) => ({
        ...onePlace(memory),
        ...(markers && { markers }),
      });
      const server = openServer(m, 0, withMarkers);
      const [a, b] = [server.client(TIMES), server.client(TIMES)];
      const kinds$ = merge(a.events$, b.events$).pipe(
        filter(({ type }) => type === 'acquired'),
        map((event) => 'kind' in event && event.kind),
      );
      m.expect(kinds$, '^----------!').toBeObservable('m---m--m', { m: 'mutex' });
      const states$ = (locks: Locks): Observable<string> => turn$(locks).pipe(distinctUntilChanged());
      m.expect(states$(a), '^---!').toBeObservable('h');
      m.expect(states$(a), '-^----!').toBeObservable('-w--h');
      m.expect(states$(b), '--^------!').toBeObservable('--w----h');
    }),
  );
});
