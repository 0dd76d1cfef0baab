/**
 * Locks on etcd v3, through a client of our own or the raw RPCs of npm etcd3: neither its Lease (it reports a loss one
 * whole TTL too late) nor its Lock (it excludes nobody else's).
 */
import type { HeldLock } from '../../api/lock.js';
import type { WholeQueueBackend } from '../../backend/defaults.js';
import { createClaims } from './claims.js';
import { clientSource } from './client.js';
import type { Etcd3Options } from './client/options.js';
import type { UserClient } from './client/user-client.js';
import { createGuards } from './guards.js';
import type { Guard } from './guards.js';
import { objectionTo } from './keys.js';
import { createLeases } from './leases.js';
import { createMarkers } from './markers.js';
import { createQueues } from './queues.js';
import { MAX_TOGETHER } from './requests.js';
import { renewalWorkers } from './renewal-worker/renewal-worker.js';
import { createRewrites } from './rewrites.js';
import { createServer } from './server.js';
import type { Transaction, TransactionResult } from './transaction.js';

/** A `QueueBackend` on etcd v3, which can also guard writes to that etcd. */
export interface Etcd3Backend extends WholeQueueBackend {
  /**
   * Has the server itself refuse a write once the lock is no longer held: the comparison that our claim is still
   * there. Take it before reading what you will write.
   *
   * Rejects with {@link LockNotOwnedError} when the lock is not held any more, with {@link BackendError} when the
   * server cannot be asked.
   *
   * @example
   * const guard = await backend.guard(held);
   * const { succeeded } = await client.if(...guard).then(client.put('balance').value('42')).commit();
   */
  guard(held: HeldLock): Promise<Guard>;
  /**
   * The same for the lock of several keys, one for each: see {@link ifAll}. Rejects as {@link guard}.
   *
   * @example
   * const transaction = ifAll(client, await backend.guards(held));
   * const { succeeded } = await transaction.then(client.put('balance').value('42')).commit();
   */
  guards(held: HeldLock): Promise<readonly Guard[]>;
  /**
   * Puts and deletes keys of that etcd, all of it or nothing, and only while the lock is held: the server itself refuses
   * it later. For who has no other client of it; `get` reads in the same step.
   *
   * Resolves with `succeeded: false`, and nothing written, where a value was not as `if` says. Rejects with
   * {@link LockNotOwnedError} when the lock is not held any more, with {@link BackendError} when the server cannot be
   * asked or did not answer: then it may have been carried out, or not.
   *
   * @example
   * const { values } = await backend.transaction(held, { get: ['balance'] });
   * const { succeeded } = await backend.transaction(held, {
   *   if: { balance: values['balance'] ?? null },
   *   put: { balance: String(Number(values['balance'] ?? 0) + 10) },
   * });
   */
  transaction(held: HeldLock, transaction: Transaction): Promise<TransactionResult>;
}

/**
 * A backend on etcd v3.
 *
 * @param clientOrOptions where etcd is (hosts, credentials, auth): then a client of our own is used, made for locks, and
 *   closed with them. Or a client of npm etcd3 that you have: then its policy applies, and a `note` event says what that
 *   can cost.
 * @throws InvalidOptionError at the call, for options that cannot be meant
 * @example
 * const locks = createLocks(etcd3Backend({ hosts: ['http://10.0.0.1:2379', 'http://10.0.0.2:2379'] }));
 */
export function etcd3Backend(clientOrOptions: UserClient | Etcd3Options): Etcd3Backend {
  const source = clientSource(clientOrOptions);
  const server = createServer(source);
  const { grant, renew, revoke, audit, granted } = createLeases(server);
  const { queue, queues, probe, read } = createQueues(server);

  return {
    name: 'etcd3',
    notes: source.notes,
    objection: objectionTo,
    maxClaims: MAX_TOGETHER,
    ...{ grant, renew, revoke, audit },
    ...(source.options && { renewalWorker: renewalWorkers(source.options, server) }),
    ...createClaims(server, { granted, revoke }, read),
    ...{ queue, queues, probe },
    ...createRewrites(server.send),
    markers: createMarkers(server, { granted, renew, revoke }),
    close: () => source.close(),
    ...createGuards(server.call),
  };
}
