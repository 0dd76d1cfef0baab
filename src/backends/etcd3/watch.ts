/**
 * etcd's watch as an Observable, on the bare stream of the RPC.
 */
import { Observable } from 'rxjs';
import type { Etcd3 } from 'etcd3';
import { BackendError } from '../../core/errors.js';
import { toBackendError } from './errors.js';
import type { StoredClaim } from './keys.js';

/** One change of a key. */
export interface Change {
  readonly type: 'Put' | 'Delete';
  readonly kv: StoredClaim;
}

/** All changes of one revision step, as the server sent them. */
export interface Changes {
  readonly revision: bigint;
  readonly events: readonly Change[];
}

/**
 * The changes in the range after `revision`. Errors when the stream breaks or the server cancels the watch: what
 * happened meanwhile must be read then, so nothing is resumed here.
 */
export function watch(client: Etcd3, range: { key: Buffer; range_end: Buffer }, revision: bigint): Observable<Changes> {
  return new Observable((subscriber) => {
    const failed = (error: unknown): void => subscriber.error(toBackendError('follow the queue', error));
    let cancel = (): void => undefined;

    client.watchClient.watch().then((stream) => {
      cancel = () => stream.cancel();
      stream.on('error', failed);
      stream.on('end', () => failed(new Error('the watch stream ended')));
      stream.on('data', ({ header, canceled, cancel_reason, compact_revision, events }) => {
        if (canceled) {
          const reason = cancel_reason || `compacted up to revision ${compact_revision}`;
          failed(new BackendError(`etcd3 cancelled a watch: ${reason}`, { retryable: true }));
        } else if (events.length > 0) {
          subscriber.next({ revision: BigInt(header.revision), events });
        }
      });
      if (subscriber.closed) return stream.cancel();
      stream.write({
        create_request: { ...range, start_revision: (revision + 1n).toString() },
      });
    }, failed);

    return () => cancel();
  });
}
