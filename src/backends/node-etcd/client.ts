/**
 * The user's own client, as rxlock uses it. node-etcd has no types, so they are declared here; the package itself is
 * never loaded.
 */
import { InvalidOptionError } from '../../api/errors.js';
import type { BackendError } from '../../api/errors.js';

/** Query parameters of the v2 API, and node-etcd's own `maxRetries`. */
export type RequestOptions = Readonly<Record<string, string | number | boolean>>;

export type Callback = (error: unknown, body?: unknown, headers?: Readonly<Record<string, unknown>>) => void;

/** What a call returns, to cancel it. After that the callback is not called. */
export interface CancellationToken {
  abort(): void;
}

/** A client of npm node-etcd, made by `new Etcd(hosts, options)`, or a wrapper around one. */
export interface NodeEtcd {
  get(key: string, options: RequestOptions, callback: Callback): CancellationToken;
  set(key: string, value: string | null, options: RequestOptions, callback: Callback): CancellationToken;
  compareAndDelete(key: string, value: string, options: RequestOptions, callback: Callback): CancellationToken;
  /** If it is missing, an empty directory that blocks a lock is not removed. */
  del?(key: string, options: RequestOptions, callback: Callback): CancellationToken;
  getHosts?(): readonly string[];
}

/** One way to reach the server. */
export interface Endpoint {
  readonly client: NodeEtcd;
  /** The endpoint did not answer: the next request goes to another endpoint, if there is one. */
  failed(cause: BackendError): void;
}

/** The clients, of which one is used at a time. */
export interface ClientSource {
  endpoint(): Endpoint;
  readonly notes: readonly string[];
}

const SEVERAL_HOSTS =
  'the node-etcd client has several hosts: it picks one at random for every call and stays with one that is frozen, ' +
  'which can cost locks on a cluster that is healthy otherwise. Give nodeEtcdBackend() a list of clients, one for ' +
  'each host, to have the next one asked when one does not answer.';

/**
 * @param moved called when requests move to another endpoint: calls that still wait at the old one must end with the
 *   cause
 */
export function clientSource(clients: readonly NodeEtcd[], moved: (cause: BackendError) => void): ClientSource {
  const hosts = clients.map(hostsOf);
  const [first] = clients;
  if (!first) throw new InvalidOptionError('clients', '[]', 'give a client of npm node-etcd, or one for each host.');
  let current = Math.floor(Math.random() * clients.length);
  return {
    endpoint: () => {
      const place = current;
      return {
        client: clients[place] ?? first,
        failed: (cause) => {
          if (place !== current || clients.length === 1) return;
          current = (current + 1) % clients.length;
          moved(cause);
        },
      };
    },
    notes: hosts.some((list) => list.length > 1) ? [SEVERAL_HOSTS] : [],
  };
}

const HOW = "give a client of npm node-etcd: nodeEtcdBackend(new Etcd('http://127.0.0.1:2379')), or a list of them.";

/** Checks a client by its methods: it may come from another copy of node-etcd, or be a wrapper. */
function hostsOf(client: unknown): readonly string[] {
  if (typeof client !== 'object' || client === null) {
    throw new InvalidOptionError('client', client, HOW);
  }
  if ('watchClient' in client) {
    throw new InvalidOptionError('client', 'a client of npm etcd3', `use etcd3Backend() of rxlock/etcd3, or ${HOW}`);
  }
  const missing = ['get', 'set', 'compareAndDelete'].filter((name) => typeof Reflect.get(client, name) !== 'function');
  if (missing.length > 0) {
    throw new InvalidOptionError('client', 'an object', `it has no method ${missing.join(', ')}: ${HOW}`);
  }
  const getHosts: unknown = Reflect.get(client, 'getHosts');
  const hosts: unknown = typeof getHosts === 'function' ? Reflect.apply(getHosts, client, []) : undefined;
  return Array.isArray(hosts) ? checkedHosts(hosts) : [];
}

/** node-etcd accepts any text as a host, and then reports only that there is no answer. */
function checkedHosts(hosts: readonly unknown[]): readonly string[] {
  if (hosts.length === 0) throw new InvalidOptionError('hosts', '[]', 'give the client the URL of an etcd.');
  return hosts.map((host) => {
    if (typeof host === 'string' && URL.canParse(host)) return host;
    const advice =
      "the client cannot use it as a URL. Give it one, or several as a list: ['http://a:2379', 'http://b:2379'].";
    throw new InvalidOptionError('hosts', host, advice);
  });
}
