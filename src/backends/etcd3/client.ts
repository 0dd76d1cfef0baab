/**
 * The client that requests go through: the user's, or one of ours with the fault policy that a lock needs.
 */
import { Etcd3 } from 'etcd3';
import type { IOptions } from 'etcd3';

/** The client, made when first needed. */
export interface ClientSource {
  client(): Etcd3;
  /** Closes the client if it is ours. */
  close(): void;
  readonly notes: readonly string[];
}

const DEFAULT_POLICY =
  'the etcd3 client was given ready-made: unless its `faultHandling` was set, its circuit breaker stops renewals for ' +
  '5 s after 3 failures, which costs locks of a short ttl on a healthy server, and it repeats requests by itself. ' +
  'Give etcd3Backend() the options instead of the client to have one made for locks.';

export function clientSource(clientOrOptions: Etcd3 | IOptions): ClientSource {
  if (clientOrOptions instanceof Etcd3) {
    return { client: () => clientOrOptions, close: () => undefined, notes: [DEFAULT_POLICY] };
  }
  let made: Etcd3 | undefined;
  return {
    client: () => (made ??= new Etcd3({ faultHandling: { global: plain, host: () => plain }, ...clientOrOptions })),
    close: () => {
      made?.close();
      made = undefined;
    },
    notes: [],
  };
}

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
