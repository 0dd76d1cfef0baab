/**
 * A client's way to an etcd in memory, and what can go wrong on it.
 */
import { EMPTY, NEVER, Observable, lastValueFrom } from 'rxjs';
import type { EtcdClient } from '../../../src/backends/etcd3/client/etcd-client.js';
import type { UserClient } from '../../../src/backends/etcd3/client/user-client.js';
import type { EtcdDouble } from './etcd-double.js';

export type Method = 'range' | 'txn' | 'leaseGrant' | 'leaseRevoke' | 'leaseTimeToLive' | 'leaseKeepAlive' | 'watch';

/**
 * What becomes of a call. `lost`: it does not arrive. `unanswered`: it is carried out, and its answer is lost. An error
 * is the answer instead of being carried out; `after`, once it was.
 */
export type Fate = 'lost' | 'unanswered' | Error | { readonly after: Error } | undefined;

export interface Asked {
  readonly method: Method;
  readonly request: unknown;
}

/** The way of one client. */
export interface Way extends EtcdClient {
  /** All that was asked, in order. */
  readonly asked: Asked[];
  /** Decides about each call. */
  fate: (call: Asked) => Fate;
  /** The same in the shape of npm etcd3's. */
  readonly user: UserClient;
}

export function wayTo(double: EtcdDouble): Way {
  const asked: Asked[] = [];

  const call =
    <Request, Answer>(method: Method, answer: (request: Request) => Answer) =>
    (request: Request): Observable<Answer> =>
      new Observable((subscriber) => {
        const one = { method, request };
        asked.push(one);
        const fate = way.fate(one);
        const turn = setImmediate(() => {
          if (fate === 'lost') return;
          if (fate instanceof Error) return subscriber.error(fate);
          let found: Answer;
          try {
            found = answer(request);
          } catch (error) {
            subscriber.error(error);
            return;
          }
          if (fate === 'unanswered') return;
          if (fate) return subscriber.error(fate.after);
          subscriber.next(found);
          subscriber.complete();
        });
        // A call that is given up within its turn does not leave the machine.
        return () => clearImmediate(turn);
      });

  const opened = <Opened>(method: Method, open: () => Opened): Promise<Opened> => {
    const one = { method, request: undefined };
    asked.push(one);
    const fate = way.fate(one);
    if (fate instanceof Error) return Promise.reject(fate);
    if (fate !== undefined) return lastValueFrom<Opened>(fate === 'lost' ? NEVER : EMPTY);
    return Promise.resolve(open());
  };

  const client: EtcdClient = {
    kv: {
      range: call('range', (request) => double.range(request)),
      txn: call('txn', (request) => double.txn(request)),
    },
    leaseClient: {
      leaseGrant: call('leaseGrant', ({ ID = 0, TTL = 0 }) => double.grant(BigInt(ID).toString(), Number(TTL))),
      leaseRevoke: call('leaseRevoke', ({ ID = 0 }) => double.revoke(BigInt(ID).toString())),
      leaseTimeToLive: call('leaseTimeToLive', (request) => double.timeToLive(request)),
      leaseKeepAlive: () => opened('leaseKeepAlive', () => double.keepAlive()),
    },
    watchClient: { watch: () => opened('watch', () => double.watch()) },
  };
  const { kv, leaseClient, watchClient } = client;
  const forever = { deadline: Infinity };
  const way: Way = {
    ...client,
    asked,
    fate: () => undefined,
    user: {
      kv: {
        range: (request) => lastValueFrom(kv.range(request, forever)),
        txn: (request) => lastValueFrom(kv.txn(request, forever)),
      },
      leaseClient: {
        leaseGrant: (request) => lastValueFrom(leaseClient.leaseGrant(request, forever)),
        leaseRevoke: (request) => lastValueFrom(leaseClient.leaseRevoke(request, forever)),
        leaseTimeToLive: (request) => lastValueFrom(leaseClient.leaseTimeToLive(request, forever)),
        leaseKeepAlive: () => leaseClient.leaseKeepAlive(),
      },
      watchClient: { watch: () => watchClient.watch() },
    },
  };
  return way;
}
