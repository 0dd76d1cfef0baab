/**
 * A model of a client with a lease and a fair queue whose holder is told of a loss late: it believes that it holds until
 * the server says that the lease is gone. While nobody answers, it goes on.
 */
import { runModel } from './model-world.js';
import type { Model, ModelContender, World } from './model-world.js';
import type { Program } from './program.js';
import type { Trace } from './trace.js';

/** Ticks from one look at the queue to the next: in place of a watch. */
const LOOK = 2;

export const runLateLease = (program: Program): Trace => runModel('late-lease', program, lateLease);

interface ModelLease {
  readonly contender: ModelContender;
  isAlive: boolean;
  expiresAt: number;
}

interface ModelClaim {
  readonly lease: ModelLease;
  readonly revision: number;
}

function lateLease({ scheduler, program, show, work }: World): Model {
  const { ttl } = program.schedule;
  const queues = new Map<string, ModelClaim[]>();
  const leases = new Map<ModelContender, ModelLease>();
  let revision = 1;

  const claimsAt = (key: string): ModelClaim[] => queues.get(key) ?? [];
  const shown = (key: string): void =>
    show({
      key,
      revision: String(revision),
      claims: claimsAt(key).map((claim, place) => ({
        owner: claim.lease.contender.process.id,
        kind: 'mutex',
        token: String(claim.revision),
        holds: place === 0,
      })),
    });

  const drop = (lease: ModelLease): void => {
    if (!lease.isAlive) return;
    lease.isAlive = false;
    for (const [key, claims] of queues) {
      const left = claims.filter((claim) => claim.lease !== lease);
      if (left.length === claims.length) continue;
      queues.set(key, left);
      revision += 1;
      shown(key);
    }
  };
  const expire = (lease: ModelLease): void => {
    scheduler.schedule(() => {
      if (scheduler.now() >= lease.expiresAt) drop(lease);
      else expire(lease);
    }, lease.expiresAt - scheduler.now());
  };
  const leaseOf = (contender: ModelContender): ModelLease => {
    const known = leases.get(contender);
    if (known?.isAlive) return known;
    const lease = { contender, isAlive: true, expiresAt: scheduler.now() + ttl };
    leases.set(contender, lease);
    expire(lease);
    return lease;
  };
  const renew = (contender: ModelContender): boolean => {
    const lease = leases.get(contender);
    if (!lease?.isAlive) return false;
    lease.expiresAt = scheduler.now() + ttl;
    return true;
  };
  const revoke = (contender: ModelContender): void => {
    contender.process.ask(
      () => {
        const lease = leases.get(contender);
        if (lease) drop(lease);
      },
      () => undefined,
    );
  };

  /** Asks for its place, queueing if it has none; the answer is whether it is the first. */
  const place = (key: string, contender: ModelContender): { readonly isFirst: boolean; readonly token: string } => {
    const lease = leaseOf(contender);
    const known = claimsAt(key).find((claim) => claim.lease === lease);
    if (!known) revision += 1;
    const claim = known ?? { lease, revision };
    if (!known) {
      queues.set(key, [...claimsAt(key), claim]);
      shown(key);
    }
    return { isFirst: claimsAt(key)[0] === claim, token: String(claim.revision) };
  };

  const look = (contender: ModelContender, index: number): void => {
    const { contention, process } = contender;
    const key = contention.keys[index];
    if (contender.isOver() || key === undefined) return;
    let isAnswered = false;
    process.ask(
      () => place(key, contender),
      ({ isFirst, token }) => {
        if (isAnswered || contender.isOver()) return;
        isAnswered = true;
        if (isFirst && index + 1 < contention.keys.length) look(contender, index + 1);
        else if (isFirst) {
          work(contender, token, () => {
            revoke(contender);
            contender.end('done');
          });
        } else if (contention.wait === 0) {
          revoke(contender);
          contender.end('busy');
        } else process.after(LOOK, () => look(contender, index));
      },
    );
    process.after(ttl / 3, () => {
      if (isAnswered || contender.isOver()) return;
      isAnswered = true;
      look(contender, index);
    });
  };

  const keepAlive = (contender: ModelContender): void => {
    contender.process.after(Math.ceil(ttl / 3), () => {
      if (contender.isOver()) return;
      contender.process.ask(
        () => renew(contender),
        (isAlive) => {
          if (!isAlive && contender.hold.heldAt !== undefined) contender.end('lost', 'told by the server');
        },
      );
      keepAlive(contender);
    });
  };

  return {
    contend(contender) {
      look(contender, 0);
      keepAlive(contender);
      const { wait } = contender.contention;
      if (wait === undefined || wait === 0) return;
      contender.process.after(wait, () => {
        if (contender.hold.heldAt !== undefined) return;
        revoke(contender);
        contender.end('busy');
      });
    },
    leave: revoke,
    expire(key) {
      const [first] = claimsAt(key);
      if (first) drop(first.lease);
    },
  };
}
