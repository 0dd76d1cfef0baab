/**
 * One etcd, with everything that the verbs of the port share: calls, group commit, watches on one stream, paged reads,
 * and the check of the history.
 */
import { map } from 'rxjs';
import type { Observable } from 'rxjs';
import { createCalls } from './calls.js';
import type { Calls } from './calls.js';
import type { ClientSource } from './client.js';
import type { EtcdClient } from './client/etcd-client.js';
import { createGroupCommit } from './group-commit.js';
import type { Send, Transaction } from './group-commit.js';
import { Incarnation } from './incarnation.js';
import { createReader } from './pages.js';
import type { Page } from './pages.js';
import { createWatches } from './watches.js';
import type { Watches } from './watches.js';

export interface EtcdServer extends Calls {
  readonly source: ClientSource;
  readonly history: Incarnation;
  readonly watches: Watches;
  /** Whether this client is connected to etcd itself, not to a proxy. */
  isDirect(client: EtcdClient): boolean;
  /** Sends a transaction by itself. */
  readonly send: Send;
  /** Sends a transaction, which may travel with others. */
  commit<T>(transaction: Transaction<T>, timeout: number): Observable<T>;
  /** Reads all keys that begin with a text, at one revision. */
  read(beginning: string, timeout: number): Observable<Page>;
}

export function createServer(source: ClientSource): EtcdServer {
  const direct = new WeakSet<EtcdClient>();
  const open = () => {
    const { client, failed } = source.endpoint();
    const keepsIds = (does: boolean): unknown => (does ? direct.add(client) : direct.delete(client));
    return { open: () => client.watchClient.watch(), failed, keepsIds };
  };
  const watches = createWatches(open, () => direct.has(source.endpoint().client));
  const history = new Incarnation((cause) => watches.broken(cause));
  const { call, tried } = createCalls(source, history);

  const send: Send = (txn, timeout) => {
    const asked = history.asked();
    return call('carry out a transaction', timeout, (client, options) => client.kv.txn(txn, options)).pipe(
      map(({ header, succeeded, responses }) => {
        history.answered(asked, header);
        return { revision: BigInt(header.revision), succeeded, responses };
      }),
    );
  };
  const commit = createGroupCommit(send, source.hasRoles);
  const read = createReader(commit, (request, what, timeout) =>
    call(what, timeout, (client, options) => client.kv.range(request, options)),
  );

  return { source, history, watches, isDirect: (client) => direct.has(client), call, tried, send, commit, read };
}
