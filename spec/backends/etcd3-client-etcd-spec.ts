/**
 * The etcd client on real servers: what they say to it, and what becomes of it when they freeze, die and come back.
 */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { firstValueFrom, lastValueFrom, timer } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import { ownClient } from '../../src/backends/etcd3/client/own-client.js';
import type { OwnClient } from '../../src/backends/etcd3/client/own-client.js';
import { checkedOptions } from '../../src/backends/etcd3/client/options.js';
import type { Etcd3Options } from '../../src/backends/etcd3/index.js';
import { deadlineIn } from '../../src/time/clock.js';
import { certificates } from '../support/certificates.js';
import { ETCDS } from '../support/etcds.js';

jest.setTimeout(30_000);

type Etcd = Awaited<ReturnType<typeof startEtcd>>;

const clients: OwnClient[] = [];
const clientOf = (options: Etcd3Options): OwnClient => {
  const reach = checkedOptions(options);
  const [host] = reach.hosts;
  if (!host) throw new Error('no host');
  const client = ownClient(host, reach);
  clients.push(client);
  return client;
};
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

const soon = () => deadlineIn(5000);
const put = (client: OwnClient, key: string, value: string | Buffer, options = soon()) =>
  lastValueFrom(
    client.kv.txn({ success: [{ request_put: { key: Buffer.from(key), value: Buffer.from(value) } }] }, options),
  );
const get = (client: OwnClient, key: string, options = soon()) =>
  lastValueFrom(client.kv.range({ key: Buffer.from(key) }, options));
const ctl = ({ binary, url }: Etcd, ...args: string[]): void => {
  const env = { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: url };
  execFileSync(join(dirname(binary), 'etcdctl'), args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
};

describe.each(ETCDS)('the client on $server', ({ suite }) => {
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await startEtcd(suite);
  });
  afterAll(() => etcd.stop());

  it('grants, writes, compares, reads, renews, audits and revokes', async () => {
    const client = clientOf({ hosts: etcd.url });
    const ID = '7587862094513512975';
    const key = Buffer.from('round/trip');
    expect(await lastValueFrom(client.leaseClient.leaseGrant({ TTL: 60, ID }, soon()))).toMatchObject({
      ID,
      TTL: '60',
    });
    const queue = {
      compare: [{ key, target: 'Create' as const, create_revision: 0 }],
      success: [{ request_put: { key, lease: ID } }],
    };
    const nested = { success: [{ request_txn: queue }, { request_txn: { ...queue, success: [] } }] };
    const { header, succeeded, responses } = await lastValueFrom(client.kv.txn(nested, soon()));
    expect(succeeded).toBe(true);
    expect(responses.map(({ response_txn }) => response_txn.succeeded)).toEqual([true, true]);
    expect(await lastValueFrom(client.kv.txn(queue, soon()))).toMatchObject({ succeeded: false });
    const { kvs, count } = await get(client, 'round/trip');
    expect([kvs, count]).toMatchObject([[{ key, lease: ID, create_revision: header.revision }], '1']);
    const stream = await client.leaseClient.leaseKeepAlive();
    stream.write({ ID });
    expect(await new Promise((resolve) => stream.on('data', resolve))).toMatchObject({ ID, TTL: '60' });
    stream.cancel();
    const lease = await lastValueFrom(client.leaseClient.leaseTimeToLive({ ID, keys: true }, soon()));
    expect(lease).toMatchObject({ ID, grantedTTL: '60', keys: [key] });
    await lastValueFrom(client.leaseClient.leaseRevoke({ ID }, soon()));
    await expect(lastValueFrom(client.leaseClient.leaseRevoke({ ID }, soon()))).rejects.toMatchObject({
      code: 5,
      status: 'NOT_FOUND',
      details: 'etcdserver: requested lease not found',
    });
    expect((await get(client, 'round/trip')).kvs).toEqual([]);
  });

  it('reads answers of up to 4 MB, and says of larger ones that they are', async () => {
    const client = clientOf({ hosts: etcd.url });
    const part = Buffer.alloc(1_000_000, 7);
    const range = { key: Buffer.from('big/'), range_end: Buffer.from('big0') };
    for (let i = 0; i < 4; i += 1) await put(client, `big/${i}`, part);
    const { kvs } = await lastValueFrom(client.kv.range(range, soon()));
    expect(kvs.map(({ value }) => value.equals(part))).toEqual([true, true, true, true]);
    await put(client, 'big/4', part);
    await expect(lastValueFrom(client.kv.range(range, soon()))).rejects.toMatchObject({
      code: 8,
      details: expect.stringContaining('Received message larger than max'),
    });
    await expect(put(client, 'big/5', Buffer.alloc(3 << 20))).rejects.toMatchObject({ name: 'RpcError' });
    expect((await get(client, 'big/5')).kvs).toEqual([]);
  });

  it('makes a thousand calls at a time', async () => {
    const client = clientOf({ hosts: etcd.url });
    const keys = Array.from({ length: 1000 }, (_, i) => `many/${i}`);
    await Promise.all(keys.map((key) => put(client, key, key)));
    const read = await Promise.all(keys.map((key) => get(client, key)));
    expect(read.map(({ kvs: [kv] }) => kv?.value.toString())).toEqual(keys);
  });

  it('ends a call at its deadline while the server is frozen, and goes on when it is not any more', async () => {
    const client = clientOf({ hosts: etcd.url });
    await put(client, 'frozen', 'before');
    etcd.signal('SIGSTOP');
    try {
      await expect(get(client, 'frozen', deadlineIn(400))).rejects.toMatchObject({ status: 'DEADLINE_EXCEEDED' });
      // Nor does a new connection hang.
      await expect(get(client, 'frozen', deadlineIn(400))).rejects.toMatchObject({ status: 'DEADLINE_EXCEEDED' });
    } finally {
      etcd.signal('SIGCONT');
    }
    expect((await get(client, 'frozen')).kvs).toHaveLength(1);
  });

  it('gives a watch its events, in order', async () => {
    const client = clientOf({ hosts: etcd.url });
    const stream = await client.watchClient.watch();
    const seen: string[] = [];
    const all = new Promise<void>((resolve) => {
      stream.on('data', ({ created, events }) => {
        if (created)
          void [1, 2, 3].reduce(
            (before, i) => before.then(() => put(client, 'seen', `${i}`)),
            Promise.resolve<unknown>(0),
          );
        for (const { type, kv } of events) seen.push(`${type} ${kv.value.toString()}`);
        if (seen.length === 3) resolve();
      });
    });
    stream.write({ create_request: { key: Buffer.from('seen') } });
    await all;
    expect(seen).toEqual(['Put 1', 'Put 2', 'Put 3']);
    stream.end();
    stream.cancel();
  });

  it('tells streams and calls that the server died, and connects again once it is back', async () => {
    const client = clientOf({ hosts: etcd.url });
    const stream = await client.watchClient.watch();
    const created = new Promise((resolve) => stream.on('data', resolve));
    const broken = new Promise((resolve) => stream.on('error', resolve));
    stream.write({ create_request: { key: Buffer.from('died') } });
    expect(await created).toMatchObject({ created: true });
    const restarted = etcd.restart();
    expect(await broken).toMatchObject({ status: 'UNAVAILABLE' });
    await restarted;
    await put(client, 'died', 'and came back');
  });
});

describe.each(ETCDS)('the client on $server with TLS', ({ suite }) => {
  let etcd: Etcd;
  let made: Awaited<ReturnType<typeof certificates>>;
  beforeAll(async () => {
    made = await certificates();
    etcd = await startEtcd(suite, made.flags);
  });
  afterAll(async () => {
    await etcd.stop();
    rmSync(made.folder, { recursive: true });
  });
  const credentials = () => ({ rootCertificate: made.ca, privateKey: made.client.key, certChain: made.client.cert });

  it('is let in with its certificate', async () => {
    await put(clientOf({ hosts: etcd.url, credentials: credentials() }), 'tls', 'yes');
  });

  it('is let in with texts that are buffers, by a host without a scheme', async () => {
    const { rootCertificate, privateKey, certChain } = credentials();
    const buffers = {
      rootCertificate: Buffer.from(rootCertificate),
      privateKey: Buffer.from(privateKey),
      certChain: Buffer.from(certChain),
    };
    await put(clientOf({ hosts: etcd.url.replace('https://', ''), credentials: buffers }), 'tls', 'yes');
  });

  it.each([
    ['without its own certificate', () => ({ rootCertificate: made.ca })],
    ['without knowing the authority', () => ({})],
    ['of a server with another name', () => ({ ...credentials(), serverName: 'etcd.example' })],
  ])('is told about certificates %s', async (_, given) => {
    await expect(put(clientOf({ hosts: etcd.url, credentials: given() }), 'tls', 'no')).rejects.toMatchObject({
      status: 'UNAVAILABLE',
      message: expect.stringMatching(/certificate|SSL routines/i),
    });
  });

  it('without TLS is unavailable', async () => {
    const client = clientOf({ hosts: etcd.url.replace('https', 'http') });
    await expect(put(client, 'tls', 'no')).rejects.toMatchObject({ status: 'UNAVAILABLE' });
  });
});

const KINDS = ETCDS.flatMap((etcd) => [
  { ...etcd, kind: 'simple' as const },
  { ...etcd, kind: 'jwt' as const },
]);

describe.each(KINDS)('the client on $server with users and $kind tokens', ({ suite, kind }) => {
  let etcd: Etcd;
  const folder = mkdtempSync(join(tmpdir(), 'rxlock-jwt-'));
  const client = () => clientOf({ hosts: etcd.url, auth: { username: 'root', password: 'a-secret' } });

  beforeAll(async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(join(folder, 'public.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
    writeFileSync(join(folder, 'private.pem'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
    const jwt = `jwt,pub-key=${folder}/public.pem,priv-key=${folder}/private.pem,sign-method=RS256,ttl=2s`;
    etcd = await startEtcd(suite, kind === 'jwt' ? { 'auth-token': jwt } : { 'auth-token-ttl': 1 });
    ctl(etcd, 'user', 'add', 'root:a-secret');
    ctl(etcd, 'auth', 'enable');
  });
  afterAll(async () => {
    await etcd.stop();
    rmSync(folder, { recursive: true });
  });

  it('is let in, and again once its token has expired', async () => {
    const one = client();
    await put(one, 'auth', '1');
    // The server counts in seconds: nothing tells that it has forgotten a token.
    await firstValueFrom(timer(3500));
    await put(one, 'auth', '2');
  });

  it('goes on when users and roles change', async () => {
    const one = client();
    await put(one, 'auth', '1');
    ctl(etcd, '--user=root:a-secret', 'role', 'add', `role-${kind}`);
    await Promise.all([put(one, 'auth', '2'), put(one, 'auth/3', '3')]);
  });

  it('is refused with a wrong password', async () => {
    const one = clientOf({ hosts: etcd.url, auth: { username: 'root', password: 'wrong' } });
    await expect(put(one, 'auth', '1')).rejects.toMatchObject({
      details: expect.stringContaining('authentication failed'),
    });
  });
});
