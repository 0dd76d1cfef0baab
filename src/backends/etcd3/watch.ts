/**
 * etcd's watch as an Observable, on the bare stream of the RPC.
 */
import { filter, map } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Etcd3 } from 'etcd3';
import { BackendError } from '../../core/errors.js';
import type { StoredClaim } from './keys.js';
import { streamed } from './stream.js';

/** One change of a key. */
export interface Change {
  readonly type: 'Put' | 'Delete';
  readonly kv: StoredClaim;
}

/** Some changes, in order, and the revision of the last of them. */
export interface Changes {
  readonly revision: bigint;
  readonly events: readonly Change[];
}

/**
 * The changes in the range after `revision`. Errors when the stream breaks or the server cancels the watch: what
 * happened meanwhile must be read then, so nothing is resumed here.
 */
export function watch(
  client: () => Etcd3,
  range: { key: Buffer; range_end: Buffer },
  revision: bigint,
): Observable<Changes> {
  const request = { create_request: { ...range, start_revision: (revision + 1n).toString() } };
  return streamed('follow the queue', () => client().watchClient.watch(), request).pipe(
    map(({ canceled, cancel_reason, compact_revision, events }) => {
      if (!canceled) return events;
      const reason = cancel_reason || `what it asks for is compacted, up to revision ${compact_revision}`;
      throw new BackendError(`etcd3 cancelled a watch: ${reason}`, { retryable: true });
    }),
    filter((events) => events.length > 0),
    // The header tells the revision of the store, which is ahead of the events while a watch catches up.
    map((events) => ({ events, revision: events.reduce((last, { kv }) => later(last, BigInt(kv.mod_revision)), 0n) })),
  );
}

const later = (a: bigint, b: bigint): bigint => (a > b ? a : b);
