/**
 * What the failures and answers of requests say about the server: an outage begins and ends once, and only by requests
 * that the server was asked.
 */
import { describe, expect, it } from '@jest/globals';
import { EMPTY, defer, of, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import { marbles } from 'rxjs-marbles/jest';
import { memoryBackend } from '../../../src/backends/memory/index.js';
import { createConnection } from '../../../src/engine/connection.js';
import { noRetry, request } from '../../../src/engine/io/request.js';
import type { Request } from '../../../src/engine/io/request.js';
import { session$ } from '../../../src/engine/session.js';
import { BackendError } from '../../../src/index.js';
import type { LockEvent } from '../../../src/index.js';
import { engineOf } from '../../support/engines.js';
import { atFrame } from '../../support/marbles.js';

type Marbles = Parameters<Parameters<typeof marbles>[0]>[0];

const unreachable = new BackendError('unreachable', { retryable: true });
const refused = new BackendError('refused', { retryable: false });

/** An engine, what it reports of outages, and requests on it, each of which is tried once. */
const askedOf = ({ scheduler }: Marbles) => {
  const reported: LockEvent[] = [];
  const connection = createConnection(
    (event) => reported.push(event),
    () => scheduler.now(),
  );
  const engine = engineOf(scheduler, { connection });
  const told: unknown[] = [];
  const ask = (send: () => Observable<unknown>, more: Partial<Request<unknown>> = {}): void => {
    request(engine, { what: 'try', timeout: 2, send, again: noRetry, ...more }).subscribe({
      next: (answer) => told.push(answer),
      error: (error: unknown) => told.push(error),
    });
  };
  return { engine, connection, reported, told, ask };
};

describe('an outage', () => {
  it(
    'begins with the first request that fails, and ends with the first answer, which says how long it was',
    marbles((m) => {
      const { ask, reported, connection } = askedOf(m);
      atFrame(m, 3, () => ask(() => throwError(() => unreachable)));
      atFrame(m, 4, () => {
        expect(connection.cause).toBe(unreachable);
        ask(() => throwError(() => unreachable));
      });
      atFrame(m, 10, () => ask(() => of('answer')));
      atFrame(m, 11, () => ask(() => of('answer')));
      m.flush();
      expect(reported).toEqual([
        { type: 'disconnected', cause: unreachable },
        { type: 'connected', downFor: 7 },
      ]);
      expect(connection.cause).toBeUndefined();
    }),
  );

  it(
    'is not ended by what was answered without the server',
    marbles((m) => {
      const { ask, reported, told } = askedOf(m);
      ask(() => throwError(() => unreachable));
      ask(() => of('answer'), { isLocal: true });
      expect(reported).toEqual([{ type: 'disconnected', cause: unreachable }]);
      expect(told).toEqual([unreachable, 'answer']);
    }),
  );

  it(
    'is none if the server refused: it answers',
    marbles((m) => {
      const { ask, reported, told } = askedOf(m);
      ask(() => throwError(() => refused));
      expect(told).toEqual([refused]);
      expect(reported).toEqual([]);
    }),
  );
});

describe('a request', () => {
  it(
    'whose client throws at once has failed, with what it threw as the cause',
    marbles((m) => {
      const { ask, told } = askedOf(m);
      const thrown = new TypeError('no such method');
      ask(() => {
        throw thrown;
      });
      expect(told).toEqual([expect.any(BackendError)]);
      expect(told[0]).toMatchObject({
        message: 'memory failed at "try": TypeError: no such method',
        retryable: true,
        outcome: 'unknown',
        cause: thrown,
      });
    }),
  );

  it(
    'without an answer ends at its timeout, with what to look at',
    marbles((m) => {
      const { ask, told } = askedOf(m);
      ask(() => EMPTY);
      m.flush();
      expect(told).toEqual([
        expect.objectContaining({
          message: 'memory did not answer "try" within 2 ms. Is the server up, and are hosts and firewall right?',
        }),
      ]);
    }),
  );
});

describe('the grant of a lease', () => {
  it.each([
    ['of many claims proves that the server answers', undefined, 1],
    ['of one claim proves nothing: the lease begins with the claim', 'k', 0],
  ])('%s', (_, key, answers) => {
    marbles((m) => {
      const { engine, connection } = askedOf(m);
      const backend = { ...memoryBackend({ scheduler: m.scheduler }), grant: () => defer(() => of({ ttl: 12 })) };
      const session = session$({ ...engine, backend }, { id: '1a', ttl: 12, owner: 'a', key }).subscribe();
      expect(connection.answers).toBe(answers);
      session.unsubscribe();
    })();
  });
});
