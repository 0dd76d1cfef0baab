/**
 * Rules of single verbs of the port.
 */
import { deepEqual, equal, fail, ok } from 'node:assert/strict';
import { lastValueFrom, of } from 'rxjs';
import type { EnqueueResult, QueuedClaim } from '../backend/port.js';
import { matches, matchesRejection } from './assertions.js';
import type { Rules } from './world.js';

const claimIn = (answer: EnqueueResult): QueuedClaim => {
  const entry = answer.status === 'queued' ? answer.entries[0] : undefined;
  return entry ? entry.claim : fail(`not queued: ${answer.status}`);
};

export const verbs: Rules = {
  'a lease granted twice is one lease': async ({ admin, ttl, lease }) => {
    const mine = lease();
    const first = await lastValueFrom(admin.grant(mine, 2000));
    ok(first.ttl >= ttl);
    // The server may report the remaining time in whole seconds.
    const again = await lastValueFrom(admin.grant(mine, 2000));
    ok(first.ttl - again.ttl <= 1000);
    await lastValueFrom(admin.revoke(mine, 2000));
    await lastValueFrom(admin.revoke(mine, 2000));
  },

  'a claim entered twice is one claim, and only its own token takes it out': async ({
    admin,
    claims,
    lease,
    claimOf,
  }) => {
    const mine = lease();
    await lastValueFrom(admin.grant(mine, 2000));
    const claim = claimOf(mine, '0');
    const first = await lastValueFrom(admin.enqueue([claim], 2000, 'show'));
    const again = await lastValueFrom(admin.enqueue([claim], 2000, 'show'));
    const [before, after] = [claimIn(first), claimIn(again)];
    equal(after.token, before.token);
    equal(await claims(), 1);
    await lastValueFrom(admin.dequeue([claim], [before], 2000));
    await lastValueFrom(admin.dequeue([claim], [before], 2000));
    equal(await claims(), 0);
    await lastValueFrom(admin.revoke(mine, 2000));
  },
};

/** Rules of a QueueBackend only. */
export const queueVerbs: Rules = {
  'a try that would have to wait writes nothing, and shows who is in the way': async ({
    admin,
    claims,
    lease,
    claimOf,
  }) => {
    const mine = lease();
    await lastValueFrom(admin.grant(mine, 2000));
    const { token } = claimIn(await lastValueFrom(admin.enqueue([claimOf(mine, '0')], 2000, 'try')));
    const answer = await lastValueFrom(admin.enqueue([claimOf(mine, '1')], 2000, 'try'));
    matches(answer, { status: 'refused', queues: [{ claims: [{ token }] }] });
    equal(await claims(), 1);
    await lastValueFrom(admin.revoke(mine, 2000));
  },

  'a claim that is withdrawn unanswered cannot come in later': async ({ admin, claims, lease, claimOf }) => {
    const mine = lease();
    await lastValueFrom(admin.grant(mine, 2000));
    const claim = claimOf(mine, '0');
    await lastValueFrom(admin.dequeue([claim], undefined, 2000));
    await matchesRejection(lastValueFrom(admin.enqueue([claim], 2000, 'show')), {
      code: 'BACKEND',
      retryable: false,
    });
    equal(await claims(), 0);
    await lastValueFrom(admin.revoke(mine, 2000));
  },

  'a claim that leaves says whether the next one is still there, and an audit which ones are': async ({
    key,
    admin,
    contender,
    lease,
    claimOf,
  }) => {
    const mine = lease();
    await lastValueFrom(admin.grant(mine, 2000));
    const [a, b] = [claimOf(mine, '0'), claimOf(mine, '1')];
    const first = await lastValueFrom(admin.enqueue([a], 2000, 'show'));
    const second = await lastValueFrom(admin.enqueue([b], 2000, 'plain'));
    const [before, successor] = [claimIn(first), claimIn(second)];
    matches(first, { entries: [{ queue: { claims: [before] } }] });
    deepEqual(await lastValueFrom(admin.dequeue([a], [before], 2000, successor)), { successor: 'there' });
    deepEqual(await lastValueFrom(admin.dequeue([a], [before], 2000, successor)), { successor: 'there' });
    const revocation = { reason: 'x', within: Infinity };
    await lastValueFrom(admin.others?.ask(key, successor, revocation, 2000) ?? of(undefined));
    deepEqual(await lastValueFrom(admin.dequeue([a], [before], 2000, successor)), { successor: 'there' });
    if ('audit' in contender.backend()) {
      const isThere = await lastValueFrom(admin.audit(mine, 2000));
      deepEqual([isThere(key, before), isThere(key, successor)], [false, true]);
    }
    await lastValueFrom(admin.dequeue([b], [successor], 2000));
    deepEqual(await lastValueFrom(admin.dequeue([a], [before], 2000, successor)), { successor: 'gone' });
    await lastValueFrom(admin.revoke(mine, 2000));
  },

  'a renewal or a claim on a lease that is gone says so': async ({ admin, lease, claimOf }) => {
    const none = lease();
    matches(await lastValueFrom(admin.renew(none, 2000)), { status: 'gone' });
    deepEqual(await lastValueFrom(admin.enqueue([claimOf(none, '0')], 2000, 'show')), {
      status: 'lease-gone',
    });
  },
};
