/**
 * What etcdBackend() is given: read where it can be meant, else refused at the call, and no password is in any error.
 */
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { parsedHosts } from '../../src/backends/etcd3/client/hosts.js';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import type { Etcd3Options } from '../../src/backends/etcd3/index.js';
import { InvalidOptionError } from '../../src/index.js';

/** What a call that is wrong in plain JavaScript throws. */
function refusalOf(options: unknown): InvalidOptionError {
  try {
    etcd3Backend(options as Etcd3Options).close();
  } catch (error) {
    if (error instanceof InvalidOptionError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('hosts', () => {
  const at = (hostname: string, port: number, isSecure = false, authority = `${hostname}:${port}`) => ({
    hostname,
    port,
    isSecure,
    authority,
  });

  it.each([
    ['http://10.0.0.1:2379', [at('10.0.0.1', 2379)]],
    ['http://10.0.0.1:2379/', [at('10.0.0.1', 2379)]],
    ['10.0.0.1:2379', [at('10.0.0.1', 2379)]],
    ['localhost', [at('localhost', 2379)]],
    ['HTTPS://etcd.example:443', [at('etcd.example', 443, true)]],
    ['http://a:1,http://b:2', [at('a', 1), at('b', 2)]],
    [' a:1 , b:2, ', [at('a', 1), at('b', 2)]],
    [
      ['a:1,b:2', 'c:3'],
      [at('a', 1), at('b', 2), at('c', 3)],
    ],
    [['a:1', 'http://a:1/'], [at('a', 1)]],
    ['http://[::1]:2379', [at('::1', 2379, false, '[::1]:2379')]],
    ['[fe80::1%eth0]:2379', [at('fe80::1%eth0', 2379, false, '[fe80::1%eth0]:2379')]],
  ])('%j are read', (hosts, expected) => {
    expect(parsedHosts(hosts)).toEqual(expected);
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['an empty text', ''],
    ['an empty list', []],
    ['a list of nothing', [undefined]],
    ['a number', 2379],
    ['commas', ',,'],
    ['another scheme', 'ftp://a:1'],
    ['a scheme alone', 'http://'],
    ['a path', 'http://a:1/etcd'],
    ['a query', 'http://a:1?x=1'],
    ['a port that is no number', 'http://a:etcd'],
    ['a port beyond the last', 'http://a:65536'],
    ['port 0', 'http://a:0'],
    ['blanks', 'http://a b:1'],
    ['IPv6 without brackets', 'http://::1:2379'],
  ])('that are %s are refused at the call, with what to give', (_, hosts) => {
    expect(refusalOf({ hosts })).toMatchObject({
      option: 'hosts',
      message: expect.stringContaining('http://10.0.0.1:2379'),
    });
  });

  it.each([
    'http://locker:s3cret@a:1',
    'locker:s3cret@a:1',
    'http://b:1,https://locker:s3c@ret@a:1',
    'x://locker:s3cret@',
    'http://locker:s3c,ret@a:1',
  ])('with user information are refused, and it is shown nowhere: %s', (hosts) => {
    const error = refusalOf({ hosts });
    expect(error.message).toContain('`auth`');
    expect(inspect(error, { depth: 9 }).split('\n    at ')[0]).not.toMatch(/s3c|ret@|locker/);
    expect(JSON.stringify(error)).not.toMatch(/s3c|ret@|locker/);
  });

  it('in clear beside others by TLS are refused with `auth`, and taken without', () => {
    const hosts = ['http://a:1', 'https://b:2'];
    const auth = { username: 'locker', password: 's3cret' };
    expect(refusalOf({ hosts, auth })).toMatchObject({ option: 'hosts', value: 'http://a:1' });
    expect(refusalOf({ hosts, auth }).message).not.toContain('s3cret');
    etcd3Backend({ hosts }).close();
    etcd3Backend({ hosts: ['http://a:1', 'http://b:2'], auth }).close();
  });

  it('in clear are refused with credentials, which say https where the host does not', () => {
    const credentials = {};
    expect(refusalOf({ hosts: 'http://a:1', credentials })).toMatchObject({ option: 'hosts' });
    expect(parsedHosts('a:1', true)).toMatchObject([{ isSecure: true }]);
    etcd3Backend({ hosts: 'a:1', credentials }).close();
  });
});

describe('other options', () => {
  const hosts = 'http://127.0.0.1:1';

  it.each([
    ['faultHandling', { hosts, faultHandling: {} }],
    ['grpcOptions', { hosts, grpcOptions: {} }],
    ['host', { hosts, host: 'a' }],
    ['auth.username', { hosts, auth: { username: '', password: 'x' } }],
    ['auth.password', { hosts, auth: { username: 'a' } }],
    ['dialTimeout', { hosts, dialTimeout: 0 }],
    ['dialTimeout', { hosts, dialTimeout: NaN }],
    ['dialTimeout', { hosts, dialTimeout: '1s' }],
    ['credentials', { hosts: 'https://a:1', credentials: { privateKey: 'a key' } }],
    ['credentials', { hosts: 'https://a:1', credentials: { privateKey: 'no key', certChain: 'no certificate' } }],
    ['the argument of etcd3Backend', undefined],
    ['the argument of etcd3Backend', 'http://127.0.0.1:1'],
  ])('%s is refused where it cannot be meant: %j', (option, options) => {
    expect(refusalOf(options)).toMatchObject({ option });
  });

  it('that are undefined are as if they were not given', () => {
    const options = { hosts, auth: undefined, credentials: undefined, dialTimeout: undefined };
    etcd3Backend(options).close();
  });
});

describe("a client of the user's", () => {
  const client = new Etcd3({ hosts: 'http://127.0.0.1:1' });
  afterAll(() => client.close());

  it('is told by its shape, whatever copy of the package has made it', () => {
    const { kv, leaseClient, watchClient } = client;
    const other = { kv, leaseClient, watchClient };
    expect(etcd3Backend(client).notes).toHaveLength(1);
    expect(etcd3Backend(other).notes).toHaveLength(1);
  });

  it('with a namespace is refused: locks would be outside of it', () => {
    expect(refusalOf(client.namespace('app/'))).toMatchObject({
      option: 'client',
      message: expect.stringContaining('put the prefix into the names of the locks'),
    });
  });
});
