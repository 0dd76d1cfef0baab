/**
 * The client that requests go through: the user's own. node-etcd has no types anywhere, so this is what rxlock uses of
 * it; the package itself is never loaded from here.
 */
import { InvalidOptionError } from '../../api/errors.js';

/** Query parameters of the v2 API, and node-etcd's own `maxRetries`. */
export type RequestOptions = Readonly<Record<string, string | number | boolean>>;

export type Callback = (error: unknown, body?: unknown, headers?: Readonly<Record<string, unknown>>) => void;

/** What a call returns: the way to cancel it. The callback does not come after that. */
export interface CancellationToken {
  abort(): void;
}

/** The client that `new Etcd(hosts, options)` of npm node-etcd makes. */
export interface NodeEtcd {
  get(key: string, options: RequestOptions, callback: Callback): CancellationToken;
  set(key: string, value: string | null, options: RequestOptions, callback: Callback): CancellationToken;
  compareAndDelete(key: string, value: string, options: RequestOptions, callback: Callback): CancellationToken;
  getHosts?(): readonly string[];
}

/** A way to the server. */
export interface Endpoint {
  readonly client: NodeEtcd;
  /** Did not answer: the next request goes to another one. */
  failed(): void;
}

/** The clients, one at a time. */
export interface ClientSource {
  endpoint(): Endpoint;
  readonly notes: readonly string[];
}

const SEVERAL_HOSTS =
  'the node-etcd client has several hosts: it picks one at random for every call and stays with one that is frozen, ' +
  'which can cost locks on a cluster that is healthy otherwise. Give nodeEtcdBackend() a list of clients, one for ' +
  'each host, to have the next one asked when one does not answer.';

/** @param moved is called when an endpoint has failed: what waits there for an answer is to ask again */
export function clientSource(clients: readonly NodeEtcd[], moved: () => void): ClientSource {
  const [first] = clients;
  if (!first) throw new InvalidOptionError('clients', '[]', 'give a client of npm node-etcd, or one for each host.');
  let current = Math.floor(Math.random() * clients.length);
  return {
    endpoint: () => {
      const place = current;
      return {
        client: clients[place] ?? first,
        failed: () => {
          if (place === current) current = (current + 1) % clients.length;
          moved();
        },
      };
    },
    notes: clients.some((client) => (client.getHosts?.().length ?? 1) > 1) ? [SEVERAL_HOSTS] : [],
  };
}
