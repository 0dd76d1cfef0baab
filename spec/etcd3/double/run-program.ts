/**
 * Runs a program on an etcd: what it answers and tells, with revisions and leases counted from the beginning.
 */
import { lastValueFrom } from 'rxjs';
import type { EtcdClient } from '../../../src/backends/etcd3/client/etcd-client.js';
import type {
  RequestOp,
  ResponseOp,
  TxnRequest,
  WatchRequest,
  WatchResponse,
} from '../../../src/backends/etcd3/client/messages.js';
import { LATEST } from './programs.js';
import type { Step } from './programs.js';

export interface Server {
  readonly client: EtcdClient;
  compact(revision: bigint): Promise<unknown>;
}

const WITHIN = { deadline: Infinity };
/** Seconds: none ends while a program runs. */
const LONG = 1000;

/** Of a server, or what our messages do not have. */
const FOREIGN = new Set(['cluster_id', 'member_id', 'raft_term', 'prev_kv']);

/** Of requests, so that a server that was used before can be asked the same. */
class Moved {
  readonly #room: Buffer;
  readonly #base: bigint;
  readonly #firstLease: bigint;

  constructor(room: string, base: bigint, firstLease: bigint) {
    this.#room = Buffer.from(room);
    this.#base = base;
    this.#firstLease = firstLease;
  }

  lease = (place: number | string): string => (this.#firstLease + BigInt(place)).toString();
  key = (key: Buffer): Buffer => Buffer.concat([this.#room, key]);

  /** 0 is not a revision. */
  revision = (counted: number | string): string => (counted === 0 ? '0' : (this.#base + BigInt(counted)).toString());

  request<T>(request: T): T {
    const moved = (name: string, value: unknown): unknown => {
      if (Buffer.isBuffer(value)) return name === 'value' ? value : this.key(value);
      if (name === 'lease' && typeof value === 'number') return this.lease(value);
      if (name.endsWith('revision') && typeof value === 'number') return this.revision(value);
      if (Array.isArray(value)) return value.map((one) => moved('', one));
      return typeof value === 'object' && value !== null ? this.request(value) : value;
    };
    // What is mapped has the type that it had.
    return Object.fromEntries(Object.entries(request as object).map(([k, v]) => [k, moved(k, v)])) as T;
  }

  /** Of what is answered: counted as in the program again, and only what a lock may rely on. */
  answer(answer: object): unknown {
    const told = (name: string, value: unknown): unknown => {
      if (Buffer.isBuffer(value)) {
        return value.subarray(0, this.#room.length).equals(this.#room)
          ? value.subarray(this.#room.length).toString()
          : value.toString();
      }
      if (name.endsWith('revision') && typeof value === 'string') return this.counted(value);
      if (name === 'lease' && typeof value === 'string') return value === '0' ? 'none' : this.leaseOf(value);
      if (name === 'ID' && typeof value === 'string') return this.leaseOf(value);
      if (Array.isArray(value)) return value.map((one) => told('', one));
      return typeof value === 'object' && value !== null ? this.answer(value) : value;
    };
    return Object.fromEntries(
      Object.entries(answer)
        .filter(([name]) => !FOREIGN.has(name))
        .map(([k, v]) => [k, told(k, v)]),
    );
  }

  counted = (revision: string): string => (revision === '0' ? 'none' : (BigInt(revision) - this.#base).toString());
  leaseOf = (id: string): string => (BigInt(id) - this.#firstLease).toString();
}

/** Of an operation, what was asked: clients differ in what else they put there. */
function shown(operation: RequestOp, response: ResponseOp): object {
  if (operation.request_range) {
    const { kvs, more, count } = response.response_range;
    return { kvs, more, count };
  }
  if (operation.request_delete_range) return { deleted: response.response_delete_range.deleted };
  if (operation.request_txn) return answered(operation.request_txn, response.response_txn);
  return { put: true };
}

const answered = (
  { success = [], failure = [] }: TxnRequest,
  { header, succeeded, responses }: ResponseOp['response_txn'],
): object => ({
  revision: header.revision,
  succeeded,
  responses: (succeeded ? success : failure).map((one, i) => {
    const response = responses[i];
    return response ? shown(one, response) : 'nothing';
  }),
});

/** What all steps were answered, and what all watches told. */
export async function run(server: Server, steps: readonly Step[], room: string, firstLease: bigint): Promise<unknown> {
  const { kv, leaseClient, watchClient } = server.client;
  const { header } = await lastValueFrom(kv.txn({}, WITHIN));
  const moved = new Moved(room, BigInt(header.revision), firstLease);
  const filler: RequestOp = { request_put: { key: moved.key(Buffer.from('filler')) } };
  const answers: unknown[] = [];
  const watched: { readonly range: NonNullable<WatchRequest['create_request']>; readonly heard: WatchResponse[] }[] =
    [];
  const closing: (() => void)[] = [];
  let compacted = 0;
  const newest = async () => Number(moved.counted((await lastValueFrom(kv.txn({}, WITHIN))).header.revision)) || 0;

  for (const one of steps) {
    try {
      if ('range' in one) {
        const { header: from, kvs, more, count } = await lastValueFrom(kv.range(moved.request(one.range), WITHIN));
        answers.push(moved.answer({ revision: from.revision, kvs, more, count }));
      } else if ('txn' in one) {
        const answer = await lastValueFrom(kv.txn(moved.request(one.txn), WITHIN));
        answers.push(moved.answer(answered(one.txn, answer)));
      } else if ('grant' in one) {
        const { ID, TTL } = await lastValueFrom(
          leaseClient.leaseGrant({ ID: moved.lease(one.grant), TTL: LONG }, WITHIN),
        );
        answers.push(moved.answer({ ID, TTL }));
      } else if ('revoke' in one) {
        const { header: from } = await lastValueFrom(leaseClient.leaseRevoke({ ID: moved.lease(one.revoke) }, WITHIN));
        answers.push(moved.answer({ revision: from.revision }));
      } else if ('renew' in one) {
        answers.push(moved.answer(await renewed(server.client, moved.lease(one.renew))));
      } else if ('left' in one) {
        const {
          ID,
          TTL,
          grantedTTL,
          keys: its,
        } = await lastValueFrom(leaseClient.leaseTimeToLive({ ID: moved.lease(one.left), keys: true }, WITHIN));
        // Some of it has run already, or none.
        const left = Number(TTL) > LONG - 60 ? 'nearly all' : TTL;
        answers.push(
          moved.answer({
            ID,
            left,
            grantedTTL,
            keys: its.map((key) => key.toString('latin1').slice(room.length)).sort(),
          }),
        );
      } else if ('watch' in one) {
        // From the compacted revision itself on, whether its deletions are told is a matter of luck.
        if (one.watch.start_revision === compacted) continue;
        const heard: WatchResponse[] = [];
        const stream = await watchClient.watch();
        stream.on('data', (response) => heard.push(response));
        stream.on('error', (error) => answers.push(String(error)));
        stream.write({ create_request: { ...moved.request(one.watch), watch_id: 7 } });
        await until(() => heard.length > 0);
        watched.push({ range: one.watch, heard });
        closing.push(() => {
          stream.end();
          stream.cancel();
        });
      } else {
        const to = Math.min(one.compact, await newest());
        // A watch that has to catch up does so within 100 ms, and may find that gone meanwhile.
        if (to <= compacted || watched.length > 0) continue;
        compacted = to;
        await server.compact(BigInt(moved.revision(to)));
      }
    } catch (error) {
      answers.push(wordsOf(error));
    }
  }
  try {
    return { answers, told: await told() };
  } finally {
    for (const close of closing) close();
  }

  async function told(): Promise<unknown> {
    // A watch of the future begins there.
    while ((await newest()) < LATEST) await lastValueFrom(kv.txn({ success: [filler] }, WITHIN));
    // A put and a deletion in each range: whoever has heard of one of them, whatever it passes over, has heard all before.
    const marks = watched.map(({ range: { key = Buffer.of() } }) => moved.key(key));
    const distinct = [...new Set(marks.map((key) => key.toString()))].map((key) => Buffer.from(key));
    await lastValueFrom(kv.txn({ success: distinct.map((key) => ({ request_put: { key } })) }, WITHIN));
    const last = await lastValueFrom(
      kv.txn({ success: distinct.map((key) => ({ request_delete_range: { key } })) }, WITHIN),
    );
    const isDone = ({ heard }: (typeof watched)[number]): boolean =>
      heard.some(({ canceled }) => canceled) ||
      heard.some(({ events }) =>
        events.some(({ kv: { mod_revision: at } }) => BigInt(at) >= BigInt(last.header.revision) - 1n),
      );
    await until(() => watched.every(isDone));
    return watched.map(({ heard }) => ({
      responses: heard
        .filter(({ events }) => events.length === 0)
        .map(({ watch_id, created, canceled, cancel_reason, compact_revision }) =>
          moved.answer({ watch_id, created, canceled, cancel_reason, compact_revision }),
        ),
      events: heard
        .flatMap(({ events }) => events)
        .filter(({ kv: { mod_revision: at } }) => BigInt(at) < BigInt(last.header.revision) - 1n)
        .map((event) => moved.answer(event)),
    }));
  }
}

/** The server's own: npm etcd3 puts some of its own behind those. */
function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (/etcdserver: .*/.exec(text)?.[0] ?? text).replace(' is expired or revoked', '');
}

/** How long an answer may take, milliseconds: then it is none. */
const SOON = 5000;

async function until(isSo: () => boolean): Promise<void> {
  const began = performance.now();
  while (!isSo()) {
    if (performance.now() - began > SOON) throw new Error('a watch was not answered');
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}

async function renewed({ leaseClient }: EtcdClient, id: string): Promise<object> {
  const stream = await leaseClient.leaseKeepAlive();
  const answer = new Promise<object>((resolve, reject) => {
    stream.on('data', ({ ID, TTL }) => resolve({ ID, TTL }));
    stream.on('error', reject);
  });
  stream.write({ ID: id });
  try {
    return await answer;
  } finally {
    stream.end();
    stream.cancel();
  }
}
