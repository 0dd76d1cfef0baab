/**
 * What a rule of the contract has to work with: clients of a backend, a key of its own, and a look at the server.
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
  /** Where nobody has been before. */
  readonly key: string;
  readonly ttl: number;
  readonly contender: { backend(): LockBackend };
  /** A view of the server that is no client's. */
  readonly admin: WholeQueueBackend;
  /** Closed when the rule has ended. */
  client(options?: LocksOptions, backend?: LockBackend): Locks;
  holderOf(locks: Locks): Promise<HeldLock>;
  /** When a contender of these locks has queued behind others. To be asked before it contends. */
  queued(locks: Locks): Promise<unknown>;
  queueNow(key: string): Promise<Queue>;
  /** How many claims there are at the key. */
  claims(): Promise<number>;
  /** When there are none at the key. */
  empty(): Promise<unknown>;
  deleteHolder(key: string): Promise<void>;
  overwriteHolder(key: string): Promise<void>;
  /** One that nobody has. */
  lease(): Lease;
  claimOf(lease: Lease, id: string): ClaimRequest;
}

/** By their titles, which say what must be so. */
export type Rules = Readonly<Record<string, (world: World) => Promise<void>>>;

/** How long an answer of the server may take, milliseconds. */
const SOON = 5000;

/** How many ttl a rule may take: one that waits for ever has failed. */
const ENOUGH = 10;

/** Runs the rule, ends what it has left open, and looks that nothing is left on the server. */
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
