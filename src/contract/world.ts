/**
 * What a rule of the contract works with: clients of the backend, a key of its own, and a view of the server.
 */
import { equal } from 'node:assert/strict';
import { defer, filter, firstValueFrom, lastValueFrom, throwError, timeout } from 'rxjs';
import { platform } from '#platform';
import type { HeldLock } from '../api/lock.js';
import type { Locks } from '../api/locks.js';
import type { LocksOptions } from '../api/options.js';
import { whole } from '../backend/decorate.js';
import type { WholeQueueBackend } from '../backend/defaults.js';
import type { ClaimRequest, Lease, LockBackend, Queue } from '../backend/port.js';
import { createLocks } from '../engine/locks.js';
import { asQueueBackend, isSlotBackend } from '../engine/slot/slot-backend.js';
import type { ContractSubject } from './subject.js';

export interface World {
  /** A key that nobody has used before. */
  readonly key: string;
  readonly ttl: number;
  readonly contender: { backend(): LockBackend };
  /** The backend itself, to look at the server without a client. */
  readonly admin: WholeQueueBackend;
  /** Makes a client, which is closed when the rule has ended. */
  client(options?: LocksOptions, backend?: LockBackend): Locks;
  holderOf(locks: Locks): Promise<HeldLock>;
  /** Resolves when a contender of these locks has queued behind others. Call it before the contender subscribes. */
  queued(locks: Locks): Promise<unknown>;
  queueNow(key: string): Promise<Queue>;
  /** The number of claims at the key. */
  claims(): Promise<number>;
  /** Resolves when there are no claims at the key. */
  empty(): Promise<unknown>;
  deleteHolder(key: string): Promise<void>;
  overwriteHolder(key: string): Promise<void>;
  /** A new lease id. */
  lease(): Lease;
  claimOf(lease: Lease, id: string): ClaimRequest;
}

/** Rules by title; the title states the rule. */
export type Rules = Readonly<Record<string, (world: World) => Promise<void>>>;

/** How long an answer of the server may take, milliseconds. */
const SOON = 5000;

/** How many ttl a rule may take: a rule that takes longer has failed. */
const ENOUGH = 10;

/** Runs the rule, closes its clients, and checks that nothing is left on the server. */
export async function withWorld(subject: ContractSubject, rule: (world: World) => Promise<void>): Promise<void> {
  const { ttl = 2000 } = subject;
  const backend = whole(subject.backend());
  const admin = isSlotBackend(backend) ? asQueueBackend(backend) : backend;
  const key = `contract/${platform.random63().toString(36)}`;
  const clients: Locks[] = [];
  const notGiven = (): Promise<void> => Promise.reject(new Error('The contract was not given a way to do this.'));
  const queueNow = (of: string): Promise<Queue> => firstValueFrom(admin.queue(of, SOON));
  const claims = async (): Promise<number> => (await queueNow(key)).claims.length;

  try {
    const world: World = {
      key,
      ttl,
      contender: subject,
      admin,
      client(options, ofBackend = subject.backend()) {
        const locks = createLocks(ofBackend, { ttl, ...options });
        clients.push(locks);
        return locks;
      },
      holderOf: (locks) => locks.mutex(key).acquire(),
      queued: (locks) => firstValueFrom(locks.events$.pipe(filter(({ type }) => type === 'queued'))),
      queueNow,
      claims,
      empty: () => firstValueFrom(admin.queue(key, SOON).pipe(filter((queue) => queue.claims.length === 0))),
      deleteHolder: subject.deleteHolder ?? notGiven,
      overwriteHolder: subject.overwriteHolder ?? notGiven,
      lease: () => ({ id: platform.random63().toString(16), ttl, owner: 'contract', key }),
      claimOf: (lease, id) => ({ key, lease, id, kind: 'mutex', since: new Date(), meta: undefined }),
    };
    await lastValueFrom(
      defer(() => rule(world)).pipe(
        timeout({
          first: ENOUGH * ttl,
          with: () => throwError(() => new Error(`it was not done within ${ENOUGH * ttl} ms`)),
        }),
      ),
    );
  } finally {
    await Promise.all(clients.map((locks) => locks.close()));
  }
  try {
    equal(await claims(), 0, 'claims are left on the server');
  } finally {
    admin.close();
  }
}
