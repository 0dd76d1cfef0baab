/**
 * The clients for requests: that of the user, or one of our own for each host, of which one is used at a time.
 */
import { InvalidOptionError } from '../../api/errors.js';
import type { EtcdClient } from './client/etcd-client.js';
import { checkedOptions } from './client/options.js';
import type { Etcd3Options } from './client/options.js';
import { ownClient } from './client/own-client.js';
import { isUserClient, overUserClient } from './client/user-client.js';
import type { UserClient } from './client/user-client.js';

/** One way to reach the server. */
export interface Endpoint {
  readonly client: EtcdClient;
  /** The endpoint did not answer: the next request goes to another one. */
  failed(): void;
}

/** The clients of all hosts. They connect at their first request. */
export interface ClientSource {
  endpoint(): Endpoint;
  /** All endpoints. */
  endpoints(): readonly Endpoint[];
  /** Closes our own connections, once they have no running requests. */
  close(): void;
  readonly notes: readonly string[];
  /** The options of our own clients, so that another thread can make the same. */
  readonly options: Etcd3Options | undefined;
  /** Whether requests may be those of a user of etcd, whose roles the server checks: of a client that signs in or has a certificate. */
  readonly hasRoles: boolean;
}

const DEFAULT_POLICY =
  'the client of npm etcd3 was given ready-made: unless its `faultHandling` was set, its circuit breaker stops ' +
  'renewals for 5 s after 3 failures, which costs locks of a short ttl on a healthy server, and it repeats requests ' +
  'by itself. Give etcd3Backend() the options instead of the client to have one made for locks.';

export function clientSource(clientOrOptions: UserClient | Etcd3Options): ClientSource {
  const given: unknown = clientOrOptions;
  if (typeof given !== 'object' || given === null) {
    const advice = 'give { hosts: "http://10.0.0.1:2379" }, or a client of npm etcd3.';
    throw new InvalidOptionError('the argument of etcd3Backend', given, advice);
  }
  return isUserClient(clientOrOptions) ? sourceOfUser(clientOrOptions) : sourceOfOurs(clientOrOptions);
}

function sourceOfUser(given: UserClient): ClientSource {
  const none = (): void => undefined;
  const endpoint = { client: overUserClient(given), failed: none };
  return {
    endpoint: () => endpoint,
    endpoints: () => [endpoint],
    close: none,
    notes: [DEFAULT_POLICY],
    options: undefined,
    // It may sign in: its options are not to be seen.
    hasRoles: true,
  };
}

function sourceOfOurs(options: Etcd3Options): ClientSource {
  const reach = checkedOptions(options);
  const clients = reach.hosts.map((host) => ownClient(host, reach));
  const endpoints = clients.map((client, place): Endpoint => ({
    client,
    failed: () => {
      if (place === current) current = (current + 1) % endpoints.length;
    },
  }));
  let current = Math.floor(Math.random() * endpoints.length);
  return {
    endpoint() {
      const endpoint = endpoints[current];
      if (!endpoint) throw new TypeError('there is a host at least.');
      return endpoint;
    },
    endpoints: () => endpoints,
    close: () => {
      for (const client of clients) client.close();
    },
    notes: [],
    // As parsed: a URL cannot be sent to another thread.
    options: {
      ...options,
      hosts: reach.hosts.map(({ isSecure, authority }) => `http${isSecure ? 's' : ''}://${authority}`),
    },
    // etcd also takes the name in a certificate for a user.
    hasRoles: options.auth !== undefined || options.credentials?.certChain !== undefined,
  };
}
