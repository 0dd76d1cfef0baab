/**
 * The etcd in memory that specs of the backend run on answers as real ones do.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Etcd3 } from 'etcd3';
import fc from 'fast-check';
import { startEtcd } from '../../scripts/etcd.cjs';
import type { EtcdServer } from '../../scripts/etcd.cjs';
import { overUserClient } from '../../src/backends/etcd3/client/user-client.js';
import { wayTo } from '../etcd3/double/client.js';
import { EtcdDouble } from '../etcd3/double/etcd-double.js';
import { step } from '../etcd3/double/programs.js';
import { run } from '../etcd3/double/run-program.js';
import type { Server } from '../etcd3/double/run-program.js';
import { ETCDS } from '../support/etcds.js';

jest.setTimeout(60_000);

describe.each(ETCDS)('the etcd in memory, beside $server', ({ suite }) => {
  let etcd: EtcdServer;
  let real: Server;
  let user: Etcd3;

  beforeAll(async () => {
    etcd = await startEtcd(suite);
    user = new Etcd3({ hosts: etcd.url });
    real = {
      client: overUserClient(user),
      compact: (revision) => user.kv.compact({ revision: revision.toString(), physical: true }),
    };
  });
  afterAll(async () => {
    user.close();
    await etcd.stop();
  });

  it('answers the same to whatever it is asked, and tells the same changes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
        const room = `${randomBytes(6).toString('hex')}/`;
        const firstLease = BigInt(`0x1${randomBytes(6).toString('hex')}`);
        const double = new EtcdDouble();
        const same: Server = {
          client: wayTo(double),
          compact(revision) {
            double.compact(revision);
            return Promise.resolve();
          },
        };
        try {
          expect(await run(same, steps, room, firstLease)).toEqual(await run(real, steps, room, firstLease));
        } finally {
          double.stop();
        }
      }),
      { numRuns: 40 },
    );
  });
});
