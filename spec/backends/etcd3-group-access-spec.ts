/**
 * Group commit against what a server refuses: roles and the quota hold for many transactions as they do for one.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import { defer, filter, firstValueFrom, lastValueFrom, repeat } from 'rxjs';
import { startEtcd } from '../../scripts/etcd.cjs';
import type { EtcdServer } from '../../scripts/etcd.cjs';
import { etcd3Backend } from '../../src/backends/etcd3/index.js';
import { queuedAs } from '../../src/backend/claims.js';
import type { ClaimRequest, Lease, QueueBackend } from '../../src/index.js';
import { enableRoles } from '../support/etcdctl.js';
import { ETCDS } from '../support/etcds.js';
import { within } from '../support/waiting.js';

jest.setTimeout(60_000);

async function leaseOf(backend: QueueBackend): Promise<Lease> {
  const lease = { id: `1${randomBytes(7).toString('hex')}`, ttl: 60_000, owner: 'crowd', key: undefined };
  await lastValueFrom(backend.grant(lease, 2000));
  return lease;
}

const claimOf = (lease: Lease, key: string, meta?: string): ClaimRequest => ({
  key,
  lease,
  id: randomBytes(4).toString('hex'),
  kind: 'mutex',
  since: new Date(),
  meta,
});

describe.each(ETCDS)('on $server, a crowd of requests of a user with a role', ({ suite }) => {
  let etcd: EtcdServer;
  let root: Etcd3;
  const mine = Array.from({ length: 90 }, (_, i) => `jobs/${String(i)}`);
  const secret = Array.from({ length: 30 }, (_, i) => `secret/${String(i)}`);
  /** Every fourth is out of bounds, so that each group has some. */
  const mixed = mine.flatMap((key, i) => (i % 3 === 0 ? [key, secret[i / 3] ?? ''] : [key]));

  beforeAll(async () => {
    etcd = await startEtcd(suite);
    await enableRoles(etcd);
    root = new Etcd3({ hosts: etcd.url, auth: { username: 'root', password: 'a-secret' } });
  });
  afterAll(async () => {
    root.close();
    await etcd.stop();
  });

  const locker = () => etcd3Backend({ hosts: etcd.url, auth: { username: 'locker', password: 'a-secret' } });

  it.each(['show', 'try'] as const)(
    'gets what the role allows, and nothing else, and gives all of it back (%s)',
    async (mode) => {
      const backend = locker();
      const lease = await leaseOf(backend);
      const claims = mixed.map((key) => claimOf(lease, key));
      const answers = await Promise.allSettled(
        claims.map((claim) => lastValueFrom(backend.enqueue([claim], 10_000, mode))),
      );
      expect(answers.map(({ status }) => status)).toEqual(
        mixed.map((key) => (key.startsWith('jobs/') ? 'fulfilled' : 'rejected')),
      );
      expect(answers.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { retryable: false } });
      expect(await root.getAll().prefix('secret/').keys()).toEqual([]);
      expect(await root.getAll().prefix('jobs/').keys()).toHaveLength(mine.length);
      const left = claims.map(async (claim, i) => {
        const answer = answers[i];
        if (answer?.status !== 'fulfilled' || answer.value.status !== 'queued') return;
        await lastValueFrom(
          backend.dequeue(
            [claim],
            answer.value.entries.map((entry) => entry.claim),
            10_000,
          ),
        );
      });
      await Promise.all(left);
      expect(await root.getAll().prefix('jobs/').keys()).toEqual([]);
      await lastValueFrom(backend.revoke(lease, 2000));
      backend.close();
    },
  );

  it('may not look where the role may not', async () => {
    await root.put('secret/looked-at/7e57-0').value('{"owner":"somebody"}');
    const backend = locker();
    const looks = [...mine, 'secret/looked-at'].map((key) => firstValueFrom(backend.queue(key, 5000)));
    const seen = await Promise.allSettled(looks);
    expect(seen.pop()).toMatchObject({ status: 'rejected', reason: { retryable: false } });
    expect(seen.filter(({ status }) => status === 'rejected')).toEqual([]);
    backend.close();
  });

  it('may do nothing without a user, together as alone', async () => {
    await root.put('jobs/looked-at/7e57-0').value('{"owner":"somebody"}');
    const backend = etcd3Backend({ hosts: etcd.url });
    // Which needs no user.
    const lease = await leaseOf(backend);
    const claims = mine.map((key) => claimOf(lease, key));
    const asked = [
      ...[...mine, 'jobs/looked-at'].map((key) => firstValueFrom(backend.queue(key, 5000))),
      ...claims.map((claim) => lastValueFrom(backend.enqueue([claim], 5000, 'show'))),
      ...claims.map((claim) => lastValueFrom(backend.dequeue([claim], [queuedAs(claim, 7n)], 5000))),
    ];
    const answers = await Promise.allSettled(asked);
    expect(answers.filter(({ status }) => status === 'fulfilled')).toEqual([]);
    await lastValueFrom(backend.revoke(lease, 2000));
    backend.close();
    await root.delete().prefix('jobs/looked-at');
  });
});

describe.each(ETCDS)('on $server with a small quota', ({ suite }) => {
  let etcd: EtcdServer;
  beforeEach(async () => {
    etcd = await startEtcd(suite, { 'quota-backend-bytes': 4 * 1024 * 1024 });
  });
  afterEach(() => etcd.stop());

  it.each(['plain', 'try'] as const)(
    'a crowd of claims raises its alarm, and is taken back although the server is full (%s)',
    async (mode) => {
      const backend = etcd3Backend({ hosts: etcd.url });
      const lease = await leaseOf(backend);
      const claims: ClaimRequest[] = [];
      const enter = (claim: ClaimRequest) => lastValueFrom(backend.enqueue([claim], 10_000, mode));
      // The server counts its size now and then only: how many get in before it knows that it is full is its affair.
      let refused: PromiseSettledResult<unknown>[] = [];
      while (refused.length < 40 && claims.length < 2000) {
        const more = Array.from({ length: 40 }, (_, i) =>
          claimOf(lease, `crowd/${String(claims.length + i)}`, 'x'.repeat(60_000)),
        );
        claims.push(...more);
        refused = (await Promise.allSettled(more.map(enter))).filter(({ status }) => status === 'rejected');
      }
      expect(refused).toHaveLength(40);
      expect(refused[0]).toMatchObject({
        reason: { retryable: false, outcome: 'unknown', message: expect.stringContaining('out of space') },
      });
      const admin = new Etcd3({ hosts: etcd.url });
      const alarms$ = defer(() => admin.maintenance.alarm({ action: 'Get' })).pipe(repeat({ delay: 20 }));
      await within(5000, alarms$.pipe(filter(({ alarms }) => alarms.length > 0)));
      // Nobody knows of those that were refused whether they are in: they are taken out unseen.
      await Promise.allSettled(claims.map((claim) => lastValueFrom(backend.dequeue([claim], undefined, 10_000))));
      expect(await admin.getAll().prefix('crowd').keys()).toEqual([]);
      admin.close();
      backend.close();
    },
  );
});
