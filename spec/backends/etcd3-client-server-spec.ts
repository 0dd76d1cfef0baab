/**
 * The etcd client against servers that are hostile, broken, silent or going away: an error by name, and nothing hangs.
 */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Subject, firstValueFrom, lastValueFrom } from 'rxjs';
import { ownClient } from '../../src/backends/etcd3/client/own-client.js';
import type { OwnClient } from '../../src/backends/etcd3/client/own-client.js';
import type { Host } from '../../src/backends/etcd3/client/hosts.js';
import type { Reach } from '../../src/backends/etcd3/client/options.js';
import { RpcError } from '../../src/backends/etcd3/client/rpc-error.js';
import { deadlineIn } from '../../src/time/clock.js';
import { answerWith, frameOf, grpcServer } from '../support/grpc-server.js';
import type { ServedCall } from '../support/grpc-server.js';

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const clientOf = (host: Host, reach: Partial<Reach> = {}): OwnClient => {
  const options = {
    hosts: [host],
    secureContext: undefined,
    serverName: undefined,
    auth: undefined,
    dialTimeout: 2000,
  };
  const client = ownClient(host, { ...options, ...reach });
  endings.push(() => client.close());
  return client;
};

/** A server that answers so, and a client of it. */
async function served(answer: (call: ServedCall, count: number) => void, reach?: Partial<Reach>) {
  const server = await grpcServer(answer);
  endings.push(() => server.stop());
  return { server, client: clientOf(server.host, reach) };
}

const grant = (client: OwnClient, within = 5000) =>
  lastValueFrom(client.leaseClient.leaseGrant({ TTL: 5 }, deadlineIn(within)));

async function failureOf(run: Promise<unknown>): Promise<RpcError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

/** LeaseGrantResponse { ID: 7, TTL: 5 } */
const GRANTED = frameOf(Buffer.from([0x10, 7, 0x18, 5]));

describe('an answer', () => {
  it('is read, from whatever pieces', async () => {
    const { client } = await served((call) =>
      answerWith(
        call,
        [...GRANTED].map((byte) => Buffer.of(byte)),
      ),
    );
    expect(await grant(client)).toMatchObject({ ID: '7', TTL: '5' });
  });

  const BAD: readonly [string, (call: ServedCall) => void, Partial<RpcError>][] = [
    [
      'a refusal',
      (call) => answerWith(call, [], '3', 'etcdserver: no%0Away, 100%25'),
      {
        status: 'INVALID_ARGUMENT',
        code: 3,
        details: 'etcdserver: no\nway, 100%',
      },
    ],
    ['a refusal that is not well-formed', (call) => answerWith(call, [], '9', '%zz'), { code: 9, details: '%zz' }],
    ['a refusal after an answer', (call) => answerWith(call, [GRANTED], '14', 'no leader'), { code: 14 }],
    [
      'a refusal at once',
      ({ stream }) => stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true }),
      {
        status: 'NOT_FOUND',
      },
    ],
    ['a status nobody knows', (call) => answerWith(call, [GRANTED], '99'), { status: 'UNKNOWN' }],
    ['no status', (call) => answerWith(call, [GRANTED], null), { status: 'INTERNAL' }],
    ['OK and nothing else', (call) => answerWith(call, []), { status: 'INTERNAL' }],
    ['half a message', (call) => answerWith(call, [GRANTED.subarray(0, 7)]), { status: 'INTERNAL' }],
    ['two messages', (call) => answerWith(call, [GRANTED, GRANTED]), { status: 'INTERNAL' }],
    ['a compressed message', (call) => answerWith(call, [Buffer.from([1, 0, 0, 0, 1, 0])]), { status: 'INTERNAL' }],
    ['a message that cannot be read', (call) => answerWith(call, [frameOf(Buffer.of(0x10))]), { status: 'INTERNAL' }],
    [
      'a message of 4 GB',
      ({ stream }) => {
        stream.respond({ ':status': 200 });
        stream.write(Buffer.from([0, 255, 255, 255, 255]));
      },
      { code: 8, details: 'Received message larger than max (4294967295 vs. 4194304)' },
    ],
    ['HTTP 503', ({ stream }) => stream.respond({ ':status': 503 }, { endStream: true }), { status: 'UNAVAILABLE' }],
    ['HTTP 404', ({ stream }) => stream.respond({ ':status': 404 }, { endStream: true }), { status: 'UNIMPLEMENTED' }],
    [
      'a page of HTML',
      ({ stream }) => {
        stream.respond({ ':status': 200, 'content-type': 'text/html' });
        stream.end('<html>welcome</html>');
      },
      { status: 'INTERNAL' },
    ],
    ['a reset', ({ stream }) => stream.close(2), { status: 'INTERNAL' }],
    ['a cancel', ({ stream }) => stream.close(8), { status: 'CANCELLED' }],
    ['a request to be calm', ({ stream }) => stream.close(11), { status: 'RESOURCE_EXHAUSTED' }],
    ['a connection that breaks', ({ stream }) => stream.session?.destroy(), { status: 'UNAVAILABLE' }],
    ['refusals of the stream, twice', ({ stream }) => stream.close(7), { status: 'UNAVAILABLE' }],
  ];
  it.each(BAD)('that is %s is an error by name', async (_, answer, expected) => {
    const { client } = await served(answer);
    expect(await failureOf(grant(client))).toMatchObject(expected);
  });

  it('that is made up is an error by name, or read: nothing hangs, and the connection goes on', async () => {
    let data: Buffer[] = [];
    const { client, server } = await served((call) => answerWith(call, data));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 3 }), async (pieces) => {
        data = pieces.map((piece) => Buffer.from(piece));
        await grant(client).then(
          () => undefined,
          (error: unknown) =>
            expect(error).toMatchObject({ name: 'RpcError', status: expect.not.stringMatching('DEADLINE') }),
        );
      }),
      { numRuns: 100 },
    );
    expect(server.sessions).toHaveLength(1);
  });
});

describe('a call', () => {
  it('says what etcd asks for, and how long there is', async () => {
    const { client, server } = await served((call) => answerWith(call, [GRANTED]));
    await grant(client, 1500);
    expect(server.calls[0]?.headers).toMatchObject({
      ':method': 'POST',
      ':path': '/etcdserverpb.Lease/LeaseGrant',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': expect.stringMatching(/^1[45]\d\dm$/),
    });
  });

  it('that a server refuses to begin with is repeated once, also on another connection', async () => {
    const { client } = await served((call, count) =>
      count === 1 ? call.stream.close(7) : answerWith(call, [GRANTED]),
    );
    expect(await grant(client)).toMatchObject({ ID: '7' });
  });

  it('that is not answered ends at its deadline, and the next one has a connection of its own', async () => {
    const { client, server } = await served((call, count) => {
      if (count > 1) answerWith(call, [GRANTED]);
    });
    expect(await failureOf(grant(client, 300))).toMatchObject({ code: 4, status: 'DEADLINE_EXCEEDED' });
    await grant(client);
    expect(server.sessions).toHaveLength(2);
  });

  it('that is not answered while others are leaves the connection alone', async () => {
    const { client, server } = await served((call, count) => {
      if (count > 1) answerWith(call, [GRANTED]);
    });
    const silent = failureOf(grant(client, 400));
    const answered = setInterval(() => void grant(client), 20);
    await silent;
    clearInterval(answered);
    await grant(client);
    expect(server.sessions).toHaveLength(1);
  });

  it('is cold, and cancelled on the server when it is unsubscribed from', async () => {
    const closed = new Promise<number | undefined>((resolve) => {
      void served(({ stream }) => stream.on('close', () => resolve(stream.rstCode))).then(({ client, server }) => {
        const call$ = client.leaseClient.leaseGrant({ TTL: 5 }, deadlineIn(5000));
        expect(server.calls).toHaveLength(0);
        const subscription = call$.subscribe();
        const look = setInterval(() => {
          if (server.calls.length === 0) return;
          clearInterval(look);
          subscription.unsubscribe();
        }, 5);
      });
    });
    expect(await closed).toBe(8);
  });

  it('that is unsubscribed from before it is connected is never made', async () => {
    const { client, server } = await served((call) => answerWith(call, [GRANTED]));
    client.leaseClient.leaseGrant({ TTL: 5 }, deadlineIn(5000)).subscribe().unsubscribe();
    await grant(client);
    expect(server.calls).toHaveLength(1);
  });

  it('under way is answered though the server goes away, and the next one goes to a new connection', async () => {
    let first: ServedCall | undefined;
    const { client, server } = await served((call, count) => {
      if (count > 1) return answerWith(call, [GRANTED]);
      first = call;
      call.stream.session?.goaway(0);
      // What was sent is on its way before the answer.
      setImmediate(() => answerWith(call, [GRANTED]));
    });
    expect(await grant(client)).toMatchObject({ ID: '7' });
    expect(await grant(client)).toMatchObject({ ID: '7' });
    expect(first).toBeDefined();
    expect(server.sessions).toHaveLength(2);
  });

  it('is told that the server throws us out, and the next one connects again', async () => {
    const { client, server } = await served((call, count) => {
      if (count > 1) answerWith(call, [GRANTED]);
      else call.stream.session?.goaway(11);
    });
    expect(await failureOf(grant(client))).toMatchObject({ status: 'UNAVAILABLE' });
    await grant(client);
    expect(server.sessions).toHaveLength(2);
  });

  it('under way is answered though the client is closed', async () => {
    const { client } = await served((call) => setImmediate(() => answerWith(call, [GRANTED])));
    await grant(client);
    const answer = grant(client);
    client.close();
    expect(await answer).toMatchObject({ ID: '7' });
  });

  it('travels over IPv6', async () => {
    const server = await grpcServer((call) => answerWith(call, [GRANTED]), '::1');
    endings.push(() => server.stop());
    const client = clientOf({ ...server.host, authority: `[::1]:${server.host.port}` });
    await grant(client);
    expect(server.calls[0]?.headers[':authority']).toBe(`[::1]:${server.host.port}`);
  });
});

describe('what is no etcd', () => {
  const tcp = async (greeting: string): Promise<Host> => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(greeting);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    endings.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    return { hostname: '127.0.0.1', port, isSecure: false, authority: `127.0.0.1:${port}` };
  };

  it.each([
    '',
    'HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n',
    'SSH-2.0\r\n',
    '\0'.repeat(99),
  ])('and says %j is unavailable', async (greeting) => {
    expect(await failureOf(grant(clientOf(await tcp(greeting))))).toMatchObject({ status: 'UNAVAILABLE' });
  });

  it('and refuses to be reached is unavailable, by its address', async () => {
    const { client, server } = await served(() => undefined);
    await server.stop();
    endings.splice(0, 1);
    expect(await failureOf(grant(client))).toMatchObject({
      status: 'UNAVAILABLE',
      details: expect.stringContaining(`ECONNREFUSED ${server.host.authority}`),
    });
  });
});

describe('a stream', () => {
  /** WatchResponse { watch_id: n, created: true } */
  const created = (id: number): Buffer => frameOf(Buffer.from([0x10, id, 0x18, 1]));
  const headed = ({ stream }: ServedCall): void => stream.respond({ ':status': 200 });

  it('of a watch asks for a member that has a leader, and carries messages both ways', async () => {
    const { client, server } = await served((call) => {
      headed(call);
      call.stream.on('data', () => call.stream.write(created(call.headers['hasleader'] === 'true' ? 3 : 0)));
    });
    const stream = await client.watchClient.watch();
    const heard = new Promise((resolve) => stream.on('data', resolve));
    stream.write({ create_request: { key: Buffer.from('a'), watch_id: 3 } });
    expect(await heard).toMatchObject({ watch_id: '3', created: true });
    stream.end();
    stream.cancel();
    expect(server.calls[0]?.headers).not.toHaveProperty('grpc-timeout');
  });

  it.each<[string, (call: ServedCall) => void, Partial<RpcError>]>([
    ['whose connection breaks', ({ stream }) => stream.session?.destroy(), { status: 'UNAVAILABLE' }],
    ['whose server throws it out', ({ stream }) => stream.close(2), { status: 'INTERNAL' }],
    [
      'that a member without a leader ends',
      (call) => answerWith(call, [], '14', 'etcdserver: no leader'),
      {
        details: 'etcdserver: no leader',
      },
    ],
    [
      'with a message that cannot be read',
      (call) => {
        headed(call);
        call.stream.write(frameOf(Buffer.of(0x10)));
      },
      { status: 'INTERNAL' },
    ],
    [
      'with a message that is too large',
      (call) => {
        headed(call);
        call.stream.write(Buffer.from([0, 1, 0, 0, 0]));
      },
      { status: 'RESOURCE_EXHAUSTED' },
    ],
  ])('%s ends with an error by name, once', async (_, answer, expected) => {
    const { client } = await served((call) => call.stream.once('data', () => answer(call)));
    const stream = await client.watchClient.watch();
    const told: unknown[] = [];
    stream.on('end', () => told.push('end'));
    const failed = new Promise((resolve) => {
      stream.on('error', (error) => {
        told.push(error);
        resolve(error);
      });
    });
    stream.write({ progress_request: {} });
    expect(await failed).toMatchObject({ name: 'RpcError', ...expected });
    stream.cancel();
    expect(told).toHaveLength(1);
  });

  it('that its server ends well says so, after all that was said', async () => {
    const { client } = await served((call) => answerWith(call, [created(1), created(2)]));
    const stream = await client.watchClient.watch();
    const told: string[] = [];
    stream.on('data', ({ watch_id }) => told.push(watch_id));
    await new Promise<void>((resolve, reject) => {
      stream.on('end', resolve);
      stream.on('error', reject);
    });
    expect(told).toEqual(['1', '2']);
  });

  it('that cannot be opened says so', async () => {
    const { client, server } = await served(() => undefined);
    await server.stop();
    endings.splice(0, 1);
    const stream = await client.leaseClient.leaseKeepAlive();
    expect(await new Promise((resolve) => stream.on('error', resolve))).toMatchObject({ status: 'UNAVAILABLE' });
  });
});

describe('a user', () => {
  const auth = { username: 'locker', password: 's3cret' };
  const token = (name: string): Buffer => frameOf(Buffer.concat([Buffer.from([0x12, name.length]), Buffer.from(name)]));
  const isSignIn = ({ headers }: ServedCall): boolean => headers[':path'] === '/etcdserverpb.Auth/Authenticate';
  /** A server that takes the tokens that are `good`, and gives them out by number. */
  const guarded = async (good: (name: unknown, tokens: number) => string | undefined) => {
    let tokens = 0;
    return served(
      (call) => {
        if (isSignIn(call)) return answerWith(call, [token(`t${(tokens += 1)}`)]);
        const refusal = good(call.headers['token'], tokens);
        if (refusal === undefined) answerWith(call, [GRANTED]);
        else answerWith(call, [], refusal.includes('token') ? '16' : '3', refusal);
      },
      { auth },
    );
  };

  it('signs in once for all calls', async () => {
    const { client, server } = await guarded(() => undefined);
    await Promise.all([grant(client), grant(client), grant(client)]);
    await grant(client);
    expect(server.calls.filter(isSignIn)).toHaveLength(1);
    expect(server.calls.filter((call) => !isSignIn(call)).map(({ headers }) => headers['token'])).toEqual([
      't1',
      't1',
      't1',
      't1',
    ]);
  });

  it.each([
    'etcdserver: invalid auth token',
    'etcdserver: revision of auth store is old',
    'etcdserver: user name is empty',
  ])('gets a fresh token at "%s"', async (refusal) => {
    const { client, server } = await guarded((name) => (name === 't1' ? refusal : undefined));
    await Promise.all([grant(client), grant(client)]);
    expect(server.calls.filter(isSignIn)).toHaveLength(2);
  });

  it.each(['etcdserver: invalid auth token', 'etcdserver: revision of auth store is old'])(
    'gets one fresh token a call, then an error that may pass: "%s"',
    async (refusal) => {
      const { client, server } = await guarded(() => refusal);
      expect(await failureOf(grant(client))).toMatchObject({ status: 'UNAUTHENTICATED', details: refusal });
      expect(server.calls.filter(isSignIn)).toHaveLength(2);
    },
  );

  it('is no user where the server knows none', async () => {
    const { client } = await served(
      (call) =>
        isSignIn(call)
          ? answerWith(call, [], '9', 'etcdserver: authentication is not enabled')
          : answerWith(call, 'token' in call.headers ? [] : [GRANTED]),
      { auth },
    );
    expect(await grant(client)).toMatchObject({ ID: '7' });
  });

  it('with a wrong password is told, and may try again', async () => {
    const { client } = await served(
      (call, count) =>
        count === 1
          ? answerWith(call, [], '3', 'etcdserver: authentication failed, invalid user ID or password')
          : answerWith(call, isSignIn(call) ? [token('t')] : [GRANTED]),
      { auth },
    );
    expect(await failureOf(grant(client))).toMatchObject({ details: expect.stringContaining('authentication failed') });
    expect(await grant(client)).toMatchObject({ ID: '7' });
  });

  it('whose sign-in is not answered waits no longer than its call', async () => {
    const { client } = await served(() => undefined, { auth });
    expect(await failureOf(grant(client, 300))).toMatchObject({ status: 'DEADLINE_EXCEEDED' });
  });

  // A busy server takes longer for a token than one attempt may: begun anew each time, it would never get there.
  it('whose sign-in takes longer than a call has its token for the next one', async () => {
    const asked = new Subject<ServedCall>();
    const { client, server } = await served(
      (call) => (isSignIn(call) ? asked.next(call) : answerWith(call, [GRANTED])),
      { auth },
    );
    const signIn = firstValueFrom(asked);
    const failure = failureOf(grant(client, 100));
    const slow = await signIn;
    expect(await failure).toMatchObject({ status: 'DEADLINE_EXCEEDED' });
    const next = grant(client);
    answerWith(slow, [token('late')]);
    expect(await next).toMatchObject({ ID: '7' });
    expect(server.calls.filter(isSignIn)).toHaveLength(1);
    expect(server.calls.at(-1)?.headers).toMatchObject({ token: 'late' });
  });

  it('opens the next watch with a fresh token once one was refused for it', async () => {
    // WatchResponse { created, canceled, cancel_reason }
    const reason = Buffer.from('etcdserver: invalid auth token');
    const refused = frameOf(Buffer.concat([Buffer.from([0x18, 1, 0x20, 1, 0x32, reason.length]), reason]));
    let tokens = 0;
    const { client } = await served(
      (call) => {
        if (isSignIn(call)) return answerWith(call, [token(`t${(tokens += 1)}`)]);
        call.stream.respond({ ':status': 200 });
        call.stream.write(call.headers['token'] === 't1' ? refused : frameOf(Buffer.from([0x18, 1])));
      },
      { auth },
    );
    const answer = async (): Promise<boolean> => {
      const stream = await client.watchClient.watch();
      const { canceled } = await new Promise<{ readonly canceled: boolean }>((resolve) => stream.on('data', resolve));
      stream.cancel();
      return canceled;
    };
    expect([await answer(), await answer()]).toEqual([true, false]);
  });

  it('renews without a token', async () => {
    const { client, server } = await served((call) => call.stream.respond({ ':status': 200 }), { auth });
    const stream = await client.leaseClient.leaseKeepAlive();
    stream.write({ ID: '7' });
    await grantAndForget(client);
    stream.cancel();
    expect(server.calls[0]?.headers).toMatchObject({ ':path': '/etcdserverpb.Lease/LeaseKeepAlive' });
    expect(server.calls[0]?.headers).not.toHaveProperty('token');
  });

  /** Until the server has heard of it, and so of what came before. */
  const grantAndForget = (client: OwnClient) =>
    firstValueFrom(client.kv.txn({}, deadlineIn(300))).then(
      () => undefined,
      () => undefined,
    );
});
