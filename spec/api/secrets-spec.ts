/**
 * What was given at the wrong place may contain a password: no error shows it.
 */
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { memoryBackend } from '../../src/backends/memory/index.js';
import { nodeEtcdBackend } from '../../src/backends/node-etcd/index.js';
import { InvalidOptionError, createLocks } from '../../src/index.js';

const untyped = (value: unknown): never => value as never;
const url = 'http://locker:s3cret@127.0.0.1:1';
const auth = { username: 'locker', password: 's3cret' };

function refusalOf(call: () => unknown): InvalidOptionError {
  try {
    call();
  } catch (error) {
    if (error instanceof InvalidOptionError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

/** An address or a client where it does not belong. */
const MISPLACED: readonly (readonly [string, () => unknown])[] = [
  ['an address for a backend', () => createLocks(untyped(url))],
  ['a list of addresses for a backend', () => createLocks(untyped([url]))],
  ['hosts and auth for a backend', () => createLocks(untyped({ hosts: 'http://a:1', auth }))],
  ['a client for a backend', () => createLocks(untyped({ put: () => 0, lease: () => 0, options: { auth } }))],
  ['auth among the options', () => createLocks(memoryBackend(), untyped({ auth }))],
  ['a password among the options', () => createLocks(memoryBackend(), untyped(auth))],
  ['an address for the options', () => createLocks(memoryBackend(), untyped(url))],
  ['an address for the options of etcd', () => etcd3Backend(untyped(url))],
  ['a URL in hosts', () => etcd3Backend(untyped({ hosts: new URL(url) }))],
  ['an object in hosts', () => etcd3Backend(untyped({ hosts: { toString: () => url } }))],
  ['a String in hosts', () => etcd3Backend(untyped({ hosts: Object(url) as unknown }))],
  ['an object as the name of the user', () => etcd3Backend(untyped({ hosts: 'a:1', auth: { username: auth } }))],
  ['an address for a client of etcd v2', () => nodeEtcdBackend(untyped(url))],
];

describe('an InvalidOptionError', () => {
  it.each(MISPLACED)('shows no password: %s', (_, call) => {
    const error = refusalOf(call);
    expect(error.message).not.toContain('s3cret');
    expect(inspect(error, { depth: 9 })).not.toContain('s3cret');
    expect(JSON.stringify(error)).not.toContain('s3cret');
    expect(Object.keys(error)).not.toContain('value');
  });

  it('has what was given, for programs', () => {
    expect(refusalOf(() => createLocks(untyped(url))).value).toBe(url);
  });
});

describe('hosts', () => {
  it('may be a URL', () => {
    etcd3Backend(untyped({ hosts: new URL('http://a:1') })).close();
    etcd3Backend(untyped({ hosts: [new URL('http://a:1'), 'http://b:2'] })).close();
  });

  it.each([[Object.create(null) as unknown], [Symbol('x')], [{ toString: () => ({}) }], [5]])(
    'that cannot be a text are refused with what to give: %#',
    (hosts) => {
      expect(refusalOf(() => etcd3Backend(untyped({ hosts }))).message).toContain('http://10.0.0.1:2379');
    },
  );
});
