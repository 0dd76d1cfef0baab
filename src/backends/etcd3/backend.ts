/**
 * Locks on etcd v3, through a client of our own or the raw RPCs of npm etcd3. It uses neither the `Lease` of npm etcd3
 * (which reports a loss a whole TTL too late) nor its `Lock` (which does not exclude other clients).
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
import { NEAR, createQueues } from './queues.js';
import { MAX_TOGETHER } from './requests.js';
import { renewalWorkers } from './renewal-worker/renewal-worker.js';
import { createRewrites } from './rewrites.js';
import { createServer } from './server.js';
import type { Transaction, TransactionResult } from './transaction.js';

/** A `QueueBackend` on etcd v3, which can also guard writes to that etcd. */
export interface Etcd3Backend extends WholeQueueBackend {
  /**
   * A comparison for your own transaction: the server refuses the write once our claim is no longer there. Take it
   * before you read the data that you will change.
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
   * The guards of a lock of several keys, one for each key: see {@link ifAll}. Rejects as {@link guard}.
   *
   * @example
   * const transaction = ifAll(client, await backend.guards(held));
   * const { succeeded } = await transaction.then(client.put('balance').value('42')).commit();
   */
  guards(held: HeldLock): Promise<readonly Guard[]>;
  /**
   * Puts and deletes keys in the same etcd, all or nothing, and only while the lock is held: after that the server
   * refuses. For users without a client of their own; `get` reads in the same step.
   *
   * Resolves with `succeeded: false`, and writes nothing, if a value is not as `if` says. Rejects with
   * {@link LockNotOwnedError} when the lock is not held any more, with {@link BackendError} when the server cannot be
   * reached or does not answer: then the transaction may have been carried out or not.
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
 * @param clientOrOptions how to reach etcd (hosts, credentials, auth): then rxlock uses a client of its own, made for
 *   locks, and closes it with them. Or your client of npm etcd3: then the policy of that client applies, and a `note`
 *   event states the risk.
 * @throws InvalidOptionError at the call, for invalid options
 * @example
 * const locks = createLocks(etcd3Backend({ hosts: ['http://10.0.0.1:2379', 'http://10.0.0.2:2379'] }));
 */
export function etcd3Backend(clientOrOptions: UserClient | Etcd3Options): Etcd3Backend {
  const source = clientSource(clientOrOptions);
  const server = createServer(source);
  const { grant, renew, revoke, audit, granted } = createLeases(server);
  const { queue, queues, probe, read } = createQueues(server);

  return {
    name: 'etcd',
    notes: source.notes,
    objection: objectionTo,
    maxClaims: MAX_TOGETHER,
    near: NEAR,
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
