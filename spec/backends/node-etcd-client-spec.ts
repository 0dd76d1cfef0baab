/**
 * The client of npm node-etcd that a backend is given: what is taken for one, and what is told of it.
 */
import { inspect } from 'node:util';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import Etcd from 'node-etcd';
import { nodeEtcdBackend } from '../../src/backends/node-etcd/index.js';
import type { CancellationToken, NodeEtcd } from '../../src/backends/node-etcd/index.js';
import { BackendError, InvalidOptionError, createLocks } from '../../src/index.js';
import type { LockEvent } from '../../src/index.js';
import { failureOf } from '../support/waiting.js';

/** Callers need not be TypeScript. */
const given = (client: unknown): unknown => Reflect.apply(nodeEtcdBackend, undefined, [client]);

/** A port that nothing listens on. */
const NOBODY = '127.0.0.1:1';

describe('a client is', () => {
  afterEach(() => {
    jest.resetModules();
  });

  it('one of this copy of node-etcd, of another one, or an object around one', () => {
    const real = new Etcd(`http://${NOBODY}`);
    jest.resetModules();
    const Other = jest.requireActual<typeof Etcd>('node-etcd');
    expect(Other).not.toBe(Etcd);
    const { get, set, compareAndDelete } = new Etcd();
    for (const client of [real, new Other(), Object.create(real) as unknown, { get, set, compareAndDelete }]) {
      expect(given(client)).toMatchObject({ name: 'node-etcd' });
    }
    expect(given([real, new Other()])).toMatchObject({ name: 'node-etcd' });
  });

  const etcd3 = new Etcd3({ hosts: `http://${NOBODY}` });
  etcd3.close();
  it.each([
    ['nothing', undefined, 'new Etcd('],
    ['null', null, 'new Etcd('],
    ['a URL', `http://${NOBODY}`, 'new Etcd('],
    ['options', { hosts: `http://${NOBODY}` }, 'no method get, set, compareAndDelete'],
    ['a client of etcd3', etcd3, 'etcd3Backend()'],
    ['a list with a hole', [new Etcd(), undefined], 'new Etcd('],
    ['an empty list', [], 'give a client'],
    ['a client without a host', new Etcd([]), 'the URL of an etcd'],
    ['a client of hosts in one text', new Etcd('http://a:2379,http://b:2379'), 'or several as a list'],
    ['a client of an empty host', new Etcd(''), 'as a URL'],
    ['a client of a host with a port that is none', new Etcd('http://a:99999'), 'as a URL'],
  ])('not %s: refused at the call, with what to give', (_, client, advice) => {
    expect(() => given(client)).toThrow(InvalidOptionError);
    expect(() => given(client)).toThrow(advice);
  });

  it('not one whose host the client cannot read, and its password is not shown', () => {
    for (const client of [new Etcd('http://me:se/cret@a:2379'), 'http://me:se/cret@a:2379']) {
      const refused = (): unknown => given(client);
      expect(refused).toThrow(InvalidOptionError);
      expect(refused).not.toThrow('cret');
    }
  });
});

describe('of credentials', () => {
  it.each<readonly [string, () => NodeEtcd]>([
    ['in the URL', () => new Etcd(`http://me:a-secret@${NOBODY}`)],
    ['in the options', () => new Etcd(`http://${NOBODY}`, { auth: { user: 'me', pass: 'a-secret' } })],
    [
      'in what a client throws',
      () => ({
        get: thrower('http://me:a-secret@a'),
        set: thrower('http://me:a-secret@a'),
        compareAndDelete: thrower(''),
      }),
    ],
    [
      'in what a client rejects with',
      () => {
        const answer = (...args: readonly unknown[]): CancellationToken => {
          const callback = args.at(-1);
          if (typeof callback !== 'function') throw new TypeError('a callback is the last argument');
          const error = {
            message: 'no',
            errors: [{ server: 'http://me:a-s/ecret@a:1', httpstatus: 503, response: { auth: 'a-secret' } }],
          };
          queueMicrotask(() => {
            Reflect.apply(callback, undefined, [error]);
          });
          return { abort: () => undefined };
        };
        return { get: answer, set: answer, compareAndDelete: answer };
      },
    ],
  ])('%s nothing is told: by message, cause, inspect, JSON and events', async (_, make) => {
    await using locks = createLocks(nodeEtcdBackend(make()), { ttl: 3000 });
    const told: LockEvent[] = [];
    locks.events$.subscribe((event) => told.push(event));
    const states: unknown[] = [];
    const looking = locks
      .mutex('k')
      .ownership$()
      .subscribe((state) => states.push(state));
    const error = await failureOf(locks.mutex('k').acquire());
    looking.unsubscribe();
    expect(error).toBeInstanceOf(BackendError);
    expect(error).toMatchObject({ cause: { message: expect.stringMatching(/./) } });
    for (const shown of [error, told, states]) {
      expect(inspect(shown, { depth: Infinity, showHidden: true })).not.toContain('ecret');
    }
  });
});

function thrower(text: string): () => never {
  return () => {
    throw new Error(`cannot use ${text}`);
  };
}
