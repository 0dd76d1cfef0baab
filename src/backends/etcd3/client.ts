/**
 * The client that requests go through: the user's, or one of ours with the fault policy that a lock needs.
 */
import { Etcd3 } from 'etcd3';
import type { IOptions } from 'etcd3';
import { deadlineIn } from '../../time/clock.js';

/** A way to the server. */
export interface Endpoint {
  readonly client: Etcd3;
  /** For renewals: they need no token, so they are not to wait for one. */
  readonly renewing: Etcd3;
  /** Did not answer: the next request goes to another one. */
  failed(): void;
  /** The token is not taken any more: the next request is to get one of its own. */
  signInAgain(): void;
}

/** The clients, made when first needed. */
export interface ClientSource {
  endpoint(): Endpoint;
  /** All of them. */
  endpoints(): readonly Endpoint[];
  /** Closes the clients if they are ours. */
  close(): void;
  readonly notes: readonly string[];
}

const DEFAULT_POLICY =
  'the etcd3 client was given ready-made: unless its `faultHandling` was set, its circuit breaker stops renewals for ' +
  '5 s after 3 failures, which costs locks of a short ttl on a healthy server, and it repeats requests by itself. ' +
  'Give etcd3Backend() the options instead of the client to have one made for locks.';

export function clientSource(clientOrOptions: Etcd3 | IOptions): ClientSource {
  if (clientOrOptions instanceof Etcd3) {
    const none = (): void => undefined;
    const endpoint = { client: clientOrOptions, renewing: clientOrOptions, failed: none, signInAgain: none };
    return { endpoint: () => endpoint, endpoints: () => [endpoint], close: none, notes: [DEFAULT_POLICY] };
  }
  const { hosts, auth, ...rest } = clientOrOptions;
  const urls = typeof hosts === 'string' ? [hosts] : hosts;
  const made = new Map<number, { client: Etcd3; renewing: Etcd3 }>();
  let current = Math.floor(Math.random() * urls.length);
  const make = (host: string, signedIn: boolean): Etcd3 =>
    new Etcd3({
      faultHandling: { global: plain, host: () => plain },
      ...rest,
      ...(auth && signedIn && { auth: { callOptions: () => deadlineIn(SIGN_IN_WITHIN), ...auth } }),
      hosts: host,
    });
  const endpointAt = (place: number): Endpoint => {
    let clients = made.get(place);
    if (!clients) {
      const host = urls[place] ?? '';
      const client = make(host, true);
      clients = { client, renewing: auth ? make(host, false) : client };
      made.set(place, clients);
    }
    const { client, renewing } = clients;
    return {
      client,
      renewing,
      failed: () => {
        if (place === current) current = (current + 1) % urls.length;
      },
      signInAgain: () => {
        if (made.get(place) !== clients) return;
        made.delete(place);
        client.close();
        if (renewing !== client) renewing.close();
      },
    };
  };
  return {
    endpoint: () => endpointAt(current),
    endpoints: () => urls.map((_, place) => endpointAt(place)),
    close: () => {
      for (const { client, renewing } of made.values()) {
        client.close();
        renewing.close();
      }
      made.clear();
    },
    notes: [],
  };
}

/** A token costs the server some 60 ms; without an end a host that is frozen would keep every later request waiting. */
const SIGN_IN_WITHIN = 2000;

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

const noEvent = (): { dispose: () => void } => ({ dispose: () => undefined });

/**
 * No breaker and no repeats: each attempt is one attempt, and the engine decides about the next. The default breaker
 * blocks renewals as well, and a blip of 300 ms then loses a lock with a ttl of 3 s (measured, 6 of 6).
 */
const plain: Policy = {
  get _altReturn(): never {
    throw new Error('a type of cockatiel, never read');
  },
  onSuccess: noEvent,
  onFailure: noEvent,
  execute: async (run) => run({ signal: NEVER_ABORTED }),
};
const NEVER_ABORTED = new AbortController().signal;
