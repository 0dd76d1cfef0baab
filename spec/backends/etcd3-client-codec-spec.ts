/**
 * The codec of the etcd client against protobufjs and the published definitions, both ways; and against what nobody
 * would send.
 */
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Root } from 'protobufjs';
import type { Type } from 'protobufjs';
import { Deframer, PREFIX, framed } from '../../src/backends/etcd3/client/frame.js';
import type { TxnRequest } from '../../src/backends/etcd3/client/messages.js';
import { RpcError } from '../../src/backends/etcd3/client/rpc-error.js';
import * as rpcs from '../../src/backends/etcd3/client/rpcs.js';
import type { Rpc } from '../../src/backends/etcd3/client/rpcs.js';
import { Writer } from '../../src/backends/etcd3/client/wire.js';

/** As npm etcd3 ships and reads them. */
const root = new Root();
const PROTO = join(dirname(require.resolve('etcd3/package.json')), 'proto');
root.resolvePath = (_, target) => join(PROTO, target);
root.loadSync('rpc.proto', { keepCase: true }).resolveAll();
const typeOf = (name: string): Type => root.lookupType(`etcdserverpb.${name}`);
const AS_ETCD3 = { longs: String, enums: String, defaults: true, oneofs: false, arrays: true } as const;

const RUNS = { numRuns: 150 };

const bytes = (maxLength = 300): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength }).map((part) => Buffer.from(part));
const int64 = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: 0n, max: 300n }));
/** As a caller may write it. */
const given = fc.oneof(
  int64.map((value) => value.toString()),
  fc.maxSafeInteger(),
);
const some = (model: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> =>
  fc.record(model, { requiredKeys: [] });

const range = some({
  key: bytes(),
  range_end: bytes(),
  limit: given,
  revision: given,
  sort_order: fc.constantFrom('None', 'Ascend', 'Descend'),
  sort_target: fc.constantFrom('Key', 'Version', 'Create', 'Mod', 'Value'),
  serializable: fc.boolean(),
  keys_only: fc.boolean(),
  count_only: fc.boolean(),
  min_mod_revision: given,
  max_mod_revision: given,
  min_create_revision: given,
  max_create_revision: given,
});
const put = some({
  key: bytes(),
  value: bytes(20_000),
  lease: given,
  prev_kv: fc.boolean(),
  ignore_value: fc.boolean(),
  ignore_lease: fc.boolean(),
});
const deletion = some({ key: bytes(), range_end: bytes(), prev_kv: fc.boolean() });
const compared = fc.oneof(
  fc.record({ version: given }),
  fc.record({ create_revision: given }),
  fc.record({ mod_revision: given }),
  fc.record({ value: bytes() }),
  fc.record({ lease: given }),
);
const compare = fc
  .tuple(
    some({
      result: fc.constantFrom('Equal', 'Greater', 'Less', 'NotEqual'),
      target: fc.constantFrom('Version', 'Create', 'Mod', 'Value', 'Lease'),
      key: bytes(),
      range_end: bytes(),
    }),
    compared,
  )
  .map(([where, what]) => ({ ...where, ...what }));
const { txn } = fc.letrec<{ txn: TxnRequest; operations: object[] }>((tie) => ({
  txn: some({
    compare: fc.array(compare, { maxLength: 4 }),
    success: tie('operations'),
    failure: tie('operations'),
  }),
  operations: fc.array(
    fc.oneof(
      { depthSize: 'small' },
      fc.record({ request_range: range }),
      fc.record({ request_put: put }),
      fc.record({ request_delete_range: deletion }),
      fc.record({ request_txn: tie('txn') }),
    ),
    { maxLength: 5 },
  ),
}));
const watch = fc.oneof(
  fc.record({
    create_request: some({
      key: bytes(),
      range_end: bytes(),
      start_revision: given,
      progress_notify: fc.boolean(),
      filters: fc.array(fc.constantFrom('Noput', 'Nodelete'), { maxLength: 3 }),
      prev_kv: fc.boolean(),
      watch_id: given,
      fragment: fc.boolean(),
    }),
  }),
  fc.record({ cancel_request: some({ watch_id: given }) }),
  fc.constant({ progress_request: {} }),
);

/** What is asked, as the definitions name it. */
const REQUESTS: readonly [string, Rpc<never, unknown>, fc.Arbitrary<object>][] = [
  ['RangeRequest', rpcs.RANGE, range],
  ['TxnRequest', rpcs.TXN, txn],
  ['LeaseGrantRequest', rpcs.LEASE_GRANT, some({ TTL: given, ID: given })],
  ['LeaseRevokeRequest', rpcs.LEASE_REVOKE, some({ ID: given })],
  ['LeaseKeepAliveRequest', rpcs.LEASE_KEEP_ALIVE, some({ ID: given })],
  ['LeaseTimeToLiveRequest', rpcs.LEASE_TIME_TO_LIVE, some({ ID: given, keys: fc.boolean() })],
  ['WatchRequest', rpcs.WATCH, watch],
  [
    'AuthenticateRequest',
    rpcs.AUTHENTICATE,
    fc.record({ name: fc.string({ unit: 'grapheme' }), password: fc.string() }),
  ],
];

const writer = new Writer();
const written = (rpc: Rpc<never, unknown>, request: object): Buffer =>
  rpcs.encoded(writer, rpc, request).subarray(PREFIX);

describe('a request of the etcd client', () => {
  it.each(REQUESTS)('of type %s reads as what was asked', (name, rpc, arbitrary) => {
    const type = typeOf(name);
    fc.assert(
      fc.property(arbitrary, (request) => {
        const ours = type.decode(written(rpc, request));
        const theirs = type.decode(type.encode(type.fromObject(request)).finish());
        expect(type.toObject(ours, AS_ETCD3)).toEqual(type.toObject(theirs, AS_ETCD3));
      }),
      RUNS,
    );
  });

  it('that cannot be written throws, and spoils none after it', () => {
    const good = { ID: '7' };
    const before = written(rpcs.LEASE_REVOKE, good);
    const bad = { success: [{ request_put: { key: Buffer.from('a'), lease: 'no number' } }] };
    expect(() => written(rpcs.TXN, bad)).toThrow(SyntaxError);
    expect(written(rpcs.LEASE_REVOKE, good)).toEqual(before);
  });
});

const text64 = int64.map((value) => value.toString());
const header = fc.record({
  cluster_id: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => value.toString()),
  member_id: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => value.toString()),
  revision: text64,
  raft_term: fc.nat().map((value) => value.toString()),
});
const kv = some({
  key: bytes(),
  create_revision: text64,
  mod_revision: text64,
  version: text64,
  value: bytes(),
  lease: text64,
});
const kvs = fc.array(kv, { maxLength: 4 });
const ranged = some({ header, kvs, more: fc.boolean(), count: text64 });
const { answer } = fc.letrec<{ answer: object }>((tie) => ({
  answer: some({
    header,
    succeeded: fc.boolean(),
    responses: fc.array(
      fc.oneof(
        { depthSize: 'small' },
        fc.record({ response_range: ranged }),
        fc.record({ response_put: some({ header, prev_kv: kv }) }),
        fc.record({ response_delete_range: some({ header, deleted: text64, prev_kvs: kvs }) }),
        fc.record({ response_txn: tie('answer') }),
      ),
      { maxLength: 4 },
    ),
  }),
}));
const event = some({ type: fc.constantFrom('Put', 'Delete'), kv, prev_kv: kv });

/** What is answered. */
const RESPONSES: readonly [string, Rpc<never, unknown>, fc.Arbitrary<object>][] = [
  ['RangeResponse', rpcs.RANGE, ranged],
  ['TxnResponse', rpcs.TXN, answer],
  ['LeaseGrantResponse', rpcs.LEASE_GRANT, some({ header, ID: text64, TTL: text64, error: fc.string() })],
  ['LeaseRevokeResponse', rpcs.LEASE_REVOKE, some({ header })],
  ['LeaseKeepAliveResponse', rpcs.LEASE_KEEP_ALIVE, some({ header, ID: text64, TTL: text64 })],
  [
    'LeaseTimeToLiveResponse',
    rpcs.LEASE_TIME_TO_LIVE,
    some({ header, ID: text64, TTL: text64, grantedTTL: text64, keys: fc.array(bytes(), { maxLength: 4 }) }),
  ],
  [
    'WatchResponse',
    rpcs.WATCH,
    some({
      header,
      watch_id: text64,
      created: fc.boolean(),
      canceled: fc.boolean(),
      compact_revision: text64,
      cancel_reason: fc.string({ unit: 'grapheme' }),
      fragment: fc.boolean(),
      events: fc.array(event, { maxLength: 4 }),
    }),
  ],
  ['AuthenticateResponse', rpcs.AUTHENTICATE, some({ header, token: fc.string() })],
];

/** What protobufjs makes of it, without what we do not read; what is absent reads as empty with us. */
function seen(theirs: unknown, ours: unknown): void {
  if (Buffer.isBuffer(ours) || typeof ours !== 'object' || ours === null) {
    return expect(ours).toEqual(theirs ?? ours);
  }
  if (Array.isArray(ours)) {
    expect(theirs ?? []).toHaveLength(ours.length);
    return ours.forEach((one, i) => seen((theirs as unknown[])[i], one));
  }
  for (const [name, value] of Object.entries(ours))
    seen((theirs as Partial<Record<string, unknown>> | undefined)?.[name], value);
}

const encodedBy = (name: string, message: object): Buffer => {
  const type = typeOf(name);
  return Buffer.from(type.encode(type.fromObject(message)).finish());
};

describe('an answer to the etcd client', () => {
  it.each(RESPONSES)('of type %s reads as protobufjs reads it', (name, rpc, arbitrary) => {
    const type = typeOf(name);
    fc.assert(
      fc.property(arbitrary, (message) => {
        const wire = encodedBy(name, message);
        seen(type.toObject(type.decode(wire), AS_ETCD3), rpcs.decoded(rpc, wire));
      }),
      RUNS,
    );
  });

  it('reads the numbers of etcd without loss', () => {
    const header = { cluster_id: '14841639068965178418', revision: '9007199254740993' };
    const read = rpcs.decoded(
      rpcs.LEASE_GRANT,
      encodedBy('LeaseGrantResponse', { header, ID: '7587862094513512975', TTL: '-1' }),
    );
    expect(read).toEqual({ header, ID: '7587862094513512975', TTL: '-1', error: '' });
  });

  it('tells apart what was done by which kind of answer it is', () => {
    const responses = [
      { response_put: {} },
      { response_range: { kvs: [{ key: Buffer.from('a') }], count: '1' } },
      { response_txn: { succeeded: true, responses: [{ response_delete_range: { deleted: '2' } }] } },
    ];
    const read = rpcs.decoded(rpcs.TXN, encodedBy('TxnResponse', { succeeded: true, responses }));
    expect(read).toMatchObject({
      succeeded: true,
      responses: [
        { response_range: { kvs: [] }, response_txn: { succeeded: false, responses: [] } },
        { response_range: { kvs: [{ key: Buffer.from('a') }], count: '1' } },
        { response_txn: { succeeded: true, responses: [{ response_delete_range: { deleted: '2' } }] } },
      ],
    });
  });

  it.each(RESPONSES)(
    'of type %s that is cut off, changed or made up is read or refused by name',
    (name, rpc, arbitrary) => {
      const wire = arbitrary.map((message) => encodedBy(name, message));
      const changed = fc
        .tuple(wire, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
        .map(([whole, edits]) => {
          for (const [at, byte] of edits) if (whole.length > 0) whole[at % whole.length] = byte;
          return whole;
        });
      const cut = fc.tuple(wire, fc.nat()).map(([whole, length]) => whole.subarray(0, length % (whole.length + 1)));
      fc.assert(
        fc.property(fc.oneof(changed, cut, bytes(200)), (hostile) => {
          try {
            rpcs.decoded(rpc, hostile);
          } catch (error) {
            expect(error).toBeInstanceOf(RpcError);
          }
        }),
        { numRuns: 500 },
      );
    },
  );

  it('that nests without end is refused, and does not end the stack', () => {
    let wire: Buffer = Buffer.alloc(0);
    const nested = (inner: Buffer): Buffer => {
      const operation = Buffer.concat([lengthAnd(0x22, inner), inner]);
      return Buffer.concat([lengthAnd(0x1a, operation), operation]);
    };
    for (let i = 0; i < 2000; i += 1) wire = nested(wire);
    expect(() => rpcs.decoded(rpcs.TXN, wire)).toThrow('nested too deep');
  });

  it.each([
    ['a number of more than ten bytes', Buffer.from([0x10, ...Array<number>(11).fill(0x80), 0])],
    ['a text longer than the message', Buffer.from([0x22, 0xff, 0xff, 0xff, 0xff, 0x0f, 1])],
    ['a length beyond 2^32', Buffer.from([0x22, 0x80, 0x80, 0x80, 0x80, 0x10, 1])],
    ['field number 0', Buffer.from([0x02, 0])],
    ['a group, which proto3 has no more', Buffer.from([0x13, 0x14])],
    ['a text where a number belongs', Buffer.from([0x12, 0])],
  ])('with %s is refused', (_, wire) => {
    expect(() => rpcs.decoded(rpcs.LEASE_GRANT, wire)).toThrow(RpcError);
  });
});

/** A field of bytes, up to what is in it. */
function lengthAnd(tag: number, { length }: Buffer): Buffer {
  const bytes = [tag];
  let left = length;
  for (; left > 0x7f; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return Buffer.from([...bytes, left]);
}

/** The messages that arrive, in whatever pieces. */
function deframed(pieces: readonly Buffer[], most = 1 << 20): { messages: Buffer[]; isWhole: boolean } {
  const deframer = new Deframer(most);
  const messages: Buffer[] = [];
  for (const piece of pieces) deframer.push(piece, (message) => messages.push(Buffer.from(message)));
  return { messages, isWhole: deframer.isWhole };
}

const frame = (message: Buffer): Buffer => framed(Buffer.concat([Buffer.alloc(PREFIX), message]));

describe('frames', () => {
  it('are put together again, wherever the network has cut them', () => {
    fc.assert(
      fc.property(fc.array(bytes(40), { maxLength: 6 }), fc.array(fc.nat(60), { maxLength: 30 }), (messages, cuts) => {
        let rest = Buffer.concat(messages.map(frame));
        const pieces = cuts.map((cut) => {
          const piece = rest.subarray(0, cut);
          rest = rest.subarray(piece.length);
          return piece;
        });
        expect(deframed([...pieces, rest])).toEqual({ messages, isWhole: true });
      }),
      RUNS,
    );
  });

  it('know whether they ended in the middle', () => {
    fc.assert(
      fc.property(bytes(40), fc.nat(), (message, at) => {
        const whole = frame(message);
        const length = at % whole.length;
        expect(deframed([whole.subarray(0, length)])).toEqual({ messages: [], isWhole: length === 0 });
      }),
      RUNS,
    );
  });

  it('larger than the most are refused at their beginning, in the words of gRPC', () => {
    const huge = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
    expect(() => deframed([huge])).toThrow(
      '8 RESOURCE_EXHAUSTED: Received message larger than max (4294967295 vs. 1048576)',
    );
    expect(deframed([frame(Buffer.alloc(10))], 10).messages).toHaveLength(1);
    expect(() => deframed([frame(Buffer.alloc(11))], 10)).toThrow('Received message larger than max (11 vs. 10)');
  });

  it.each([1, 2, 0x48])('that begin with %d are compressed, or none: refused', (first) => {
    expect(() => deframed([Buffer.from([first, 0, 0, 0, 1, 7])])).toThrow('13 INTERNAL');
  });

  it('that are made up never do anything but that', () => {
    fc.assert(
      fc.property(fc.array(bytes(60), { maxLength: 5 }), (pieces) => {
        try {
          deframed(pieces, 1000);
        } catch (error) {
          expect(error).toBeInstanceOf(RpcError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
