/**
 * The user's client of npm etcd3. It is recognized by its shape, since there may be several copies of the package.
 */
import { defer } from 'rxjs';
import type { Observable } from 'rxjs';
import { InvalidOptionError } from '../../../api/errors.js';
import type { EtcdClient } from './etcd-client.js';
import type { CallOptions } from './unary.js';
import { WITH_LEADER } from './with-leader.js';

/** The same calls with promises as answers. Streams have the same shape. */
type Promised<Calls> = {
  readonly [K in keyof Calls]: Calls[K] extends (
    request: infer Request,
    options: CallOptions,
  ) => Observable<infer Answer>
    ? (request: Request, options?: CallOptions) => Promise<Answer>
    : Calls[K];
};

/** The parts of an `Etcd3` of npm etcd3 that a lock uses. */
export interface UserClient {
  readonly kv: Promised<EtcdClient['kv']>;
  readonly leaseClient: Promised<EtcdClient['leaseClient']>;
  readonly watchClient: {
    watch(options?: object): ReturnType<EtcdClient['watchClient']['watch']>;
  };
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const has = (value: object, name: string, methods: readonly string[]): boolean => {
  const part: unknown = Reflect.get(value, name);
  return isObject(part) && methods.every((method) => typeof Reflect.get(part, method) === 'function');
};

/** Whether it is a client, and not options. Throws for a client with a namespace. */
export function isUserClient(given: object): given is UserClient {
  const isClient =
    has(given, 'kv', ['range', 'txn']) &&
    has(given, 'leaseClient', ['leaseGrant', 'leaseRevoke', 'leaseTimeToLive', 'leaseKeepAlive']) &&
    has(given, 'watchClient', ['watch']);
  if (!isClient) return false;
  const prefix: unknown = Reflect.get(given, 'prefix');
  if (isObject(prefix) && 'length' in prefix && prefix.length !== 0) {
    throw new InvalidOptionError(
      'client',
      'a namespace',
      'the calls of a lock ignore the namespace. Give the client itself, and put the prefix into the names of the locks.',
    );
  }
  return true;
}

/** Adapts the client. Its calls cannot be cancelled: the deadline ends a call that nobody waits for. */
export function overUserClient(client: UserClient): EtcdClient {
  const { kv, leaseClient, watchClient } = client;
  const asks =
    <Request, Response>(run: (request: Request, options: CallOptions) => Promise<Response>) =>
    (request: Request, options: CallOptions): Observable<Response> =>
      defer(() => run(request, options));
  return {
    kv: {
      range: asks((request, options) => kv.range(request, options)),
      txn: asks((request, options) => kv.txn(request, options)),
    },
    leaseClient: {
      leaseGrant: asks((request, options) => leaseClient.leaseGrant(request, options)),
      leaseRevoke: asks((request, options) => leaseClient.leaseRevoke(request, options)),
      leaseTimeToLive: asks((request, options) => leaseClient.leaseTimeToLive(request, options)),
      leaseKeepAlive: () => leaseClient.leaseKeepAlive(),
    },
    watchClient: { watch: () => watchClient.watch(WITH_LEADER) },
  };
}
